"""Which family a checkpoint in the original layout is of, by the names and shapes of its tensors. Imports no torch."""

import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lora_nb.bases import base_file

TRAINABLE = "Stable Diffusion 1.5, 2 and XL can be trained here"
LORA_KEY = re.compile(r"lora_(up|down|A|B)\b|\.hada_w|\.lokr_w|lora\.(up|down)\.weight")
UNET_KEY = "model.diffusion_model."
VAE_KEY = "first_stage_model."
CROSS_ATTENTION = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
PEEK = 16_000_000  # bytes at the start of an old pickle in which all of its names lie

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Kind:
    """A family: what people call it, and the beginnings of its text encoders' names."""

    title: str
    texts: tuple[str, ...]


SD15, SD2, SDXL = "sd15", "sd2", "sdxl"
KINDS = {
    SD15: Kind("Stable Diffusion 1.5", ("cond_stage_model.",)),
    SD2: Kind("Stable Diffusion 2", ("cond_stage_model.model.",)),
    SDXL: Kind("Stable Diffusion XL", ("conditioner.embedders.0.", "conditioner.embedders.1.")),
}

# What a part of a key gives away, in the order they are looked for.
FOREIGN = (
    ("joint_blocks.", "a Stable Diffusion 3 model"),
    ("double_blocks.", "a Flux model"),
    ("single_transformer_blocks.", "a Flux model"),
    ("conditioner.embedders.0.model.", "the refiner of Stable Diffusion XL"),
    ("control_model.", "a ControlNet"),
    ("emb_params", "a textual inversion embedding"),
    ("string_to_param", "a textual inversion embedding"),
)


class OtherKind(ValueError):
    """A base, but of another family than the one that was asked."""


def check_file(path: Path, kind: str) -> Path:
    """`path`, if it is a whole checkpoint of that kind. Raises ValueError, in one sentence, for anything else.

    A .safetensors file is judged by its header; of a pickled file (.ckpt) the names alone are looked at.
    """
    base_file.check_outside(path)
    if path.suffix.lower() == ".safetensors":
        header = base_file.read_header(path)
        check_layout(path, {key: tuple(entry["shape"]) for key, entry in header.items()}, kind)
    else:
        _refuse_other(path, _pickled_kind(path), kind)
    return path


def check_layout(path: Path, shapes: Shapes, kind: str) -> None:
    """Raises ValueError when the tensors' names and shapes are not those of a whole checkpoint of `kind`."""
    foreign = _foreign_kind(shapes)
    if foreign:
        raise ValueError(f"{path.name} is {foreign}, not a base of {KINDS[kind].title}: {TRAINABLE}")
    _refuse_other(path, _kind_of(shapes), kind)
    channels = (shapes.get(f"{UNET_KEY}input_blocks.0.0.weight") or (0, 4, 0, 0))[1]
    if channels != 4:
        raise ValueError(f"{path.name} is an inpainting model ({channels} input channels): {TRAINABLE}")
    _refuse_lacking(path, shapes, kind)


def _kind_of(shapes: Shapes) -> str:
    """The family that a checkpoint's names hint at; the oldest where nothing does."""
    if _any_starts(shapes, "conditioner.") or any("label_emb." in name for name in shapes):
        return SDXL
    wide = shapes.get(CROSS_ATTENTION, (0, 0))[-1] == 1024
    return SD2 if wide or _any_starts(shapes, KINDS[SD2].texts[0]) else SD15


def _pickled_kind(path: Path) -> str:
    """The family of a pickled checkpoint, whose names stand as they are in the bytes."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            text = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    else:
        with open(path, "rb") as file:
            text = file.read(PEEK)
    if b"conditioner.embedders." in text:
        return SDXL
    return SD2 if KINDS[SD2].texts[0].encode() in text else SD15


def _refuse_other(path: Path, found: str, wanted: str) -> None:
    if found != wanted:
        raise OtherKind(f"{path.name} is a {KINDS[found].title} model, not one of {KINDS[wanted].title}")


def _refuse_lacking(path: Path, shapes: Shapes, kind: str) -> None:
    title, texts = KINDS[kind].title, KINDS[kind].texts
    words = ("text encoder",) if len(texts) == 1 else ("first text encoder", "second text encoder")
    models = {UNET_KEY: "U-Net", **dict(zip(texts, words, strict=True)), VAE_KEY: "VAE"}
    lacking = [word for key, word in models.items() if not _any_starts(shapes, key)]
    if len(lacking) == len(models):
        raise ValueError(
            f"{path.name} is not a Stable Diffusion checkpoint: none of its {len(shapes)} names is known; {TRAINABLE}"
        )
    if lacking:
        raise ValueError(
            f"{path.name} lacks the {' and the '.join(lacking)}: choose a whole {title} checkpoint"
        )


def _any_starts(names: Iterable[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _foreign_kind(names: Iterable[str]) -> str | None:
    names = list(names)
    if any(LORA_KEY.search(name) for name in names):
        return "a LoRA"
    for part, kind in FOREIGN:
        if any(part in name for name in names):
            return kind
    if _any_starts(names, ("down_blocks.")):
        return "the U-Net alone of a diffusers folder"
    if _any_starts(names, "decoder.") and _any_starts(names, "encoder."):
        return "a VAE alone"
    return None
