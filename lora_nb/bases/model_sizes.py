"""How large the models of a base are, from headers and configurations alone: no weights are read.

Imports no torch.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from lora_nb import hub
from lora_nb.bases import base_file, lookup
from lora_nb.bases.denoiser_blocks import Block, blocks_of
from lora_nb.bases.families import FAMILIES, Family
from lora_nb.bases.file_kind import KINDS, UNET_KEY, VAE_KEY
from lora_nb.bases.folder import HUB_ID, component_json, read_json
from lora_nb.bases.stable_files import place_of

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "I8": 1, "BOOL": 1}
VAE = 83_653_863  # parameters of the VAE of Stable Diffusion 1, 2 and XL
LAYER_NORMS = 4  # of a text model's layer: two norms of a weight and a bias each


@dataclass(frozen=True)
class Model:
    """A model of a base: its parameters, the bytes of its weights on disk, and its configuration.

    `here` says whether it lies on this machine; what does not is counted from its configuration. `dtype` is what most
    of its weights are in, by safetensors' name ("F32"), or "" where that is not known.
    """

    parameters: int
    stored: int
    config: Mapping[str, Any]
    here: bool = True
    dtype: str = ""


@dataclass(frozen=True)
class ModelSizes:
    """The models of a base. `blocks` are the denoiser's. `download` is what is not here yet, in bytes."""

    denoiser: Model
    texts: tuple[Model, ...]
    vae: Model
    single_file: bool

    @property
    def blocks(self) -> tuple[Block, ...]:
        return blocks_of(self.denoiser.config)

    @property
    def models(self) -> tuple[Model, ...]:
        return (self.denoiser, *self.texts, self.vae)

    @property
    def vae_factor(self) -> int:
        """How many pixels of a picture's side are one of its latents'."""
        return 2 ** (len(self.vae.config.get("block_out_channels", (0,) * 4)) - 1)

    @property
    def download(self) -> int:
        return sum(model.stored for model in self.models if not model.here)


def sizes_of(name: str) -> ModelSizes:
    """The sizes of the base called `name`; of one that is not on this machine those that its family usually has.

    Raises ValueError for a name that is no base, or a damaged file.
    """
    lookup.resolve_base(name)
    family, name = lookup.family_of(name), lookup.located(name)
    place = place_of(name)
    if family.configs is None:
        raise ValueError(f"how large a base of {family.title} is cannot be told without loading it")
    if HUB_ID.fullmatch(name) and not place.exists():
        place = hub.cached_folder(name, family.layout) or place
    if place.is_file():
        return _of_file(place, family)
    parts = {part: _of_folder(name, place, part, family) for part in family.layout.weights}
    texts = tuple(model for part, model in parts.items() if part.startswith("text"))
    return ModelSizes(parts["unet"], texts, parts["vae"], single_file=False)


def _of_folder(name: str, folder: Path, part: str, family: Family) -> Model:
    config = component_json(name, folder, part) or _packaged(family, part)
    names = family.layout.weights[part]
    path = next((folder / part / each for each in names if (folder / part / each).is_file()), None)
    if path is None:
        count = _counted(part, config)
        half = ".fp16." in names[0]
        return Model(count, count * (2 if half else 4), config, here=False, dtype="F16" if half else "F32")
    if path.suffix != ".safetensors":
        stored = path.stat().st_size
        return Model(stored // (2 if ".fp16." in path.name else 4), stored, config)
    return _model(base_file.read_header(path), config)


def _of_file(path: Path, family: Family) -> ModelSizes:
    """Of a checkpoint; a pickled one is taken for one of the usual size, as its bytes allow."""
    configs = {part: _packaged(family, part) for part in family.layout.weights}
    kind = next(kind for kind, each in FAMILIES.items() if each is family)
    texts = [part for part in family.layout.weights if part.startswith("text")]
    keys = dict(zip((*texts, "unet", "vae"), (*KINDS[kind].texts, UNET_KEY, VAE_KEY), strict=True))
    if path.suffix.lower() == ".safetensors":
        header = base_file.read_header(path)
        found = {part: _model(_below(header, key), configs[part]) for part, key in keys.items()}
    else:
        counts = {part: _counted(part, configs[part]) for part in keys}
        each = path.stat().st_size / sum(counts.values())
        found = {part: Model(n, int(n * each), configs[part]) for part, n in counts.items()}
    return ModelSizes(found["unet"], tuple(found[part] for part in texts), found["vae"], single_file=True)


def _below(header: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: entry for name, entry in header.items() if name.startswith(key)}


def _model(header: Mapping[str, Any], config: Mapping[str, Any]) -> Model:
    found = Counter[str]()
    for entry in header.values():
        found[entry["dtype"]] += prod(entry["shape"])
    stored = sum(count * BYTES.get(dtype, 4) for dtype, count in found.items())
    return Model(found.total(), stored, config, dtype=max(found, key=found.__getitem__, default=""))


def _packaged(family: Family, part: str) -> dict[str, Any]:
    return read_json(family.configs / part / "config.json")


def _counted(part: str, config: Mapping[str, Any]) -> int:
    """The parameters of a model of this configuration."""
    if part == "unet":
        return sum(block.parameters for block in blocks_of(config))
    return VAE if part == "vae" else _of_text(part, config)


def _of_text(part: str, config: Mapping[str, Any]) -> int:
    """Of a CLIP text model: embeddings, layers of attention and two linear layers, the last norm, the projection."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    layer = 4 * (width * width + width) + 2 * width * inner + inner + width + LAYER_NORMS * width
    tokens = config["vocab_size"] + config.get("max_position_embeddings", 77)
    projection = width * config.get("projection_dim", width) if part == "text_encoder_2" else 0
    return tokens * width + config["num_hidden_layers"] * layer + 2 * width + projection
