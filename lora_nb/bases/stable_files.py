"""A Stable Diffusion of any kind on disk: known by its files, judged and measured without loading it.

Imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lora_nb.bases.file_kind import OtherKind, check_file
from lora_nb.bases.folder import component_json, weight_file
from lora_nb.bases.folder_kind import check_kind
from lora_nb.hub import Layout

PACKAGE = Path(__file__).parents[1]
DEMO = "demo"
DEMO_FOLDER = PACKAGE / "demo" / "base"
VOCABULARY = PACKAGE / "sd15"  # in its tokenizer/: CLIP's, which all of them read with
DIFFUSION = tuple(
    f"diffusion_pytorch_model{end}" for end in (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin")
)
TEXT = ("model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "pytorch_model.fp16.bin")


def place_of(name: str) -> Path:
    """Where the base called `name` lies, if it lies on this machine."""
    return DEMO_FOLDER if name == DEMO else Path(name).expanduser()


def tokenizer_folder(base: Path, part: str = "tokenizer") -> Path:
    """Where a tokenizer of a diffusers folder or a single file lies.

    A single file holds none: it is CLIP's, which ships here. The demo base was made for the same vocabulary
    and has no copy of its own.
    """
    ships_here = base.is_file() or base.resolve() == DEMO_FOLDER.resolve()
    return VOCABULARY / "tokenizer" if ships_here else base / part


def refuse_clip_skip(clip_skip: int, layers: int) -> None:
    """Raises ValueError for a layer that a text encoder of `layers` layers does not have."""
    if clip_skip > layers:
        raise ValueError(
            f"clip_skip = {clip_skip} is not usable: this base's text encoder has {layers} layers, so at most {layers}"
        )


@dataclass(frozen=True)
class StableFiles:
    """What tells the files of one kind (`file_kind.KINDS`) from others.

    `configs` is a diffusers folder with the configurations of its models and no weights, for single files. `texts` and
    `tokenizers` are their names in a folder. `resolution` and `unit` are in pixels, for where weights alone could tell.
    With `half` the fp16 files of all but the VAE are preferred: half the download of what is trained in half precision.
    """

    kind: str
    configs: Path
    texts: Sequence[str]
    tokenizers: Sequence[str]
    resolution: int
    unit: int
    half: bool = False

    @cached_property
    def weights(self) -> Mapping[str, Sequence[str]]:
        """The names that each model's weights may have, the best first."""
        text, unet = (tuple(sorted(names, key=self._rank)) for names in (TEXT, DIFFUSION))
        return dict.fromkeys(self.texts, text) | {"unet": unet, "vae": DIFFUSION}

    def _rank(self, name: str) -> tuple[bool, bool]:
        """Safetensors first, then the precision that is preferred."""
        return not name.endswith(".safetensors"), (".fp16." in name) is not self.half

    @cached_property
    def layout(self) -> Layout:
        """What of a repository makes a base."""
        small = [f"{part}/config.json" for part in (*self.texts, "vae")]
        return Layout(
            index="model_index.json",
            family=("model_index.json", "unet/config.json"),
            small=("scheduler/*.json", *(f"{part}/*" for part in self.tokenizers), *small),
            weights=self.weights,
        )

    def knows(self, path: Path) -> bool:
        """Whether a folder or file is of this kind."""
        try:
            return bool(self.check(path))
        except (ValueError, OSError):
            return False

    def likely(self, path: Path) -> bool:
        """Whether what is wrong with a folder or file is not that it is of another kind."""
        try:
            return bool(self.check(path))
        except OtherKind:
            return False
        except (ValueError, OSError):
            return True

    def check(self, path: Path) -> Path:
        """`path`, if it is a folder or file of this kind. Raises ValueError."""
        return self.check_folder(path) if path.is_dir() else check_file(path, self.kind)

    def check_folder(self, folder: Path) -> Path:
        """`folder`, if it is a diffusers folder of this kind. Raises ValueError."""
        parts = (*self.texts, "unet", "vae", "scheduler")
        places = {part: tokenizer_folder(folder, part) for part in self.tokenizers}
        places |= {part: folder / part for part in parts}
        missing = [part for part, place in places.items() if not place.is_dir()]
        index = folder / "model_index.json"
        if index.is_file() or (folder / "unet" / "config.json").is_file():
            check_kind(folder, str(folder), self.kind)
        if missing:
            raise ValueError(f"{folder} is not a whole diffusers folder: it lacks {', '.join(missing)}")
        return folder

    def check_download(self, folder: Path, name: str) -> None:
        """Raises ValueError about `name` when the two files its family shows in, in `folder`, are not this kind's."""
        check_kind(folder, name, self.kind)

    def check_weights(self, folder: Path) -> None:
        """Raises ValueError when a model of a diffusers folder has no weights."""
        for part, names in self.weights.items():
            weight_file(folder, part, names)

    def native_resolution(self, name: str) -> int:
        """Side in pixels of the square the base was made for."""
        folder = place_of(name)
        unet, vae = component_json(name, folder, "unet"), component_json(name, folder, "vae")
        if "sample_size" not in unet or "block_out_channels" not in vae:
            return self.resolution
        return int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1)

    def picture_unit(self, name: str) -> int:
        """Pixels a picture's side is a multiple of (`bases.base.Base.unit`)."""
        folder = place_of(name)
        levels = [
            len(component_json(name, folder, part).get("block_out_channels", ())) for part in ("unet", "vae")
        ]
        return 2 ** (sum(levels) - 2) if all(levels) else self.unit

    def check_clip_skip(self, name: str, clip_skip: int) -> None:
        """Raises ValueError when the text encoder of base `name` has fewer layers, where that is known unloaded."""
        folder = place_of(name)
        known = self.configs if name and folder.is_file() else folder
        layers = component_json(name, known, self.texts[0]).get("num_hidden_layers")
        if layers is not None:
            refuse_clip_skip(clip_skip, int(layers))
