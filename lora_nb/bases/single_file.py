"""Single checkpoint files (.safetensors, .ckpt) in the original LDM layout, as the models of diffusers."""

import pickle
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextConfig, PreTrainedModel

from lora_nb.bases import base_file, file_kind
from lora_nb.bases.folder import read_json
from lora_nb.wording import first_line

Weights = dict[str, Tensor]

# What reading a cut or overwritten pickle raises.
DAMAGE = (
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    AttributeError,
    TypeError,
    AssertionError,
    struct.error,
)


@dataclass(frozen=True)
class Reader:
    """A text model in a checkpoint: its name in a folder, its class, and what of its weights' names it shall lose.

    `renamed` gives the names that the class has for what is left; those of the projection apart, without "text_model.".
    """

    part: str
    cls: type[PreTrainedModel]
    prefix: re.Pattern
    renamed: Callable[[Weights], Weights] = dict


@dataclass(frozen=True)
class SingleFile:
    """What a checkpoint file holds."""

    texts: tuple[Any, ...]
    vae: AutoencoderKL
    unet: UNet2DConditionModel
    scheduler_config: dict[str, Any]


@dataclass(frozen=True)
class FileLayout:
    """What is looked for in a checkpoint: a family (`file_kind.KINDS`) with its readers.

    `configs` is a diffusers folder that holds the models' configurations and no weights.
    """

    kind: str
    configs: Path
    readers: Sequence[Reader]


def load(path: Path, dtype: torch.dtype, layout: FileLayout) -> SingleFile:
    """The models in a checkpoint, the VAE in float32 whatever the rest is in (`folder_models.dtype_of`).

    The file is mapped, not read: at `dtype` itself the weights take memory only as they are used, at another each
    tensor is read and converted by itself. Raises ValueError when the file is damaged, holds code, or is of another
    family.
    """
    weights = _read_weights(path)
    shapes = {key: tuple(value.shape) for key, value in weights.items()}
    file_kind.check_layout(path, shapes, layout.kind)
    scheduler = read_json(layout.configs / "scheduler" / "scheduler_config.json")
    if "v_pred" in weights:
        scheduler["prediction_type"] = "v_prediction"
    if "ztsnr" in weights:
        scheduler["rescale_betas_zero_snr"] = True
    opened = _Opened(path, weights, layout, _places(path))
    return SingleFile(
        texts=tuple(opened.text_model(reader, dtype) for reader in layout.readers),
        vae=opened.diffusion_model(AutoencoderKL, "vae", file_kind.VAE_KEY, torch.float32),
        unet=opened.diffusion_model(UNet2DConditionModel, "unet", file_kind.UNET_KEY, dtype),
        scheduler_config=scheduler,
    )


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, EMA copies left out."""
    content = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_pickle(path)
    content = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping):
        raise ValueError(f"{path.name} holds no weights by name: it is not a Stable Diffusion checkpoint")
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    return {key: value for key, value in tensors.items() if not key.startswith("model_ema.")}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is damaged: {first_line(error)}; download it again") from None


def _places(path: Path) -> dict[str, tuple[int, int]]:
    """Where the tensors of a .safetensors file lie in it; of any other nowhere."""
    if path.suffix.lower() != ".safetensors":
        return {}
    header = base_file.read_header(path)
    with open(path, "rb") as file:
        begin = 8 + int.from_bytes(file.read(8), "little")
    places = {name: entry["data_offsets"] for name, entry in header.items()}
    return {name: (begin + start, begin + end) for name, (start, end) in places.items()}


def _read_pickle(path: Path) -> Any:
    with open(path, "rb") as file:
        mapped = file.read(2) == b"PK"
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f" ({named[1]})" if named else ""
        reason = f"it holds program code besides weights{what}"
        raise ValueError(
            f"{path.name} was refused: {reason}; use the .safetensors version of this base"
        ) from None
    except DAMAGE as error:
        raise ValueError(f"{path.name} is damaged: {first_line(error)}; download it again") from None


@dataclass(frozen=True)
class _Opened:
    """A checkpoint whose tensors are taken out as the models are made: no model is there twice.

    `places` are the bytes of each in the file, where it has them as they are.
    """

    path: Path
    weights: Weights
    layout: FileLayout
    places: Mapping[str, tuple[int, int]]

    def _take(self, holds: Callable[[str], bool], dtype: torch.dtype) -> Weights:
        names = [name for name in self.weights if holds(name)]
        return {name: self._at(dtype, name, self.weights.pop(name)) for name in names}

    def _at(self, dtype: torch.dtype, name: str, value: Tensor) -> Tensor:
        """`value` at `dtype`. To convert it, it is read into memory and not through the map, whose pages would stay."""
        if value.dtype == dtype or not value.is_floating_point():
            return value
        if name not in self.places or not value.numel():
            return value.to(dtype)
        start, end = self.places[name]
        with open(self.path, "rb") as file:
            file.seek(start)
            content = bytearray(file.read(end - start))
        return torch.frombuffer(content, dtype=value.dtype).view(value.shape).to(dtype)

    def diffusion_model(self, cls: type, part: str, prefix: str, dtype: torch.dtype) -> Any:
        own = self._take(lambda key: key.startswith(prefix), dtype)
        options = {"config": str(self.layout.configs), "subfolder": part, "local_files_only": True}
        try:
            model = cls.from_single_file(own, torch_dtype=dtype, **options)
        except (KeyError, ValueError, RuntimeError, NotImplementedError) as error:
            raise self._other_architecture(part, error) from None
        base_file.refuse_missing(
            self.path, [name for name, parameter in model.named_parameters() if parameter.is_meta]
        )
        return model

    def text_model(self, reader: Reader, dtype: torch.dtype) -> Any:
        own = self._take(lambda key: bool(reader.prefix.match(key)), dtype)
        own = reader.renamed({reader.prefix.sub("", key, count=1): value for key, value in own.items()})
        own.pop("embeddings.position_ids", None)
        config = CLIPTextConfig.from_pretrained(self.layout.configs / reader.part)
        with torch.device("meta"):
            model = reader.cls(config)
        inner = "text_model." if hasattr(model, "text_model") else ""
        named = {
            key if key.startswith("text_projection") else inner + key: value for key, value in own.items()
        }
        try:
            missing, _ = model.load_state_dict(named, strict=False, assign=True)
        except RuntimeError as error:
            raise self._other_architecture("text encoder", error) from None
        base_file.refuse_missing(self.path, missing)
        positions = torch.arange(config.max_position_embeddings)[None]
        flat = getattr(model, "text_model", model)
        flat.embeddings.register_buffer("position_ids", positions, persistent=False)
        return model

    def _other_architecture(self, part: str, error: BaseException) -> ValueError:
        title, reason = file_kind.KINDS[self.layout.kind].title, first_line(error)
        return ValueError(f"{self.path.name} has a {part} that is not that of {title}: {reason}")
