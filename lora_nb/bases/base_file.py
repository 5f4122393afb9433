"""A checkpoint file judged from outside: is it a whole Stable Diffusion 1.5 model? Reads its header and no weights."""

import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lora_nb import files

SUFFIXES = (".safetensors", ".ckpt")
ONLY_SD15 = "only the Stable Diffusion 1.5 family can be trained here"

LORA_KEY = re.compile(r"lora_(up|down|A|B)\b|\.hada_w|\.lokr_w|lora\.(up|down)\.weight")
UNET_KEY = "model.diffusion_model."
TEXT_KEY = "cond_stage_model."
VAE_KEY = "first_stage_model."
CROSS_ATTENTION = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"

# What a part of a key gives away, in the order they are looked for.
FOREIGN = (
    ("conditioner.embedders.", "a Stable Diffusion XL model"),
    ("label_emb.", "a Stable Diffusion XL model"),
    ("cond_stage_model.model.", "a Stable Diffusion 2 model"),
    ("joint_blocks.", "a Stable Diffusion 3 model"),
    ("double_blocks.", "a Flux model"),
    ("single_transformer_blocks.", "a Flux model"),
    ("control_model.", "a ControlNet"),
    ("emb_params", "a textual inversion embedding"),
    ("string_to_param", "a textual inversion embedding"),
)


def check_single_file(path: Path) -> None:
    """Raises ValueError, in one sentence, when the file cannot be an SD 1.5 checkpoint.

    A .safetensors file is judged by its header; of a pickled file (.ckpt) only the outside is looked at.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(256)
    if size == 0:
        raise ValueError(f"{path.name} is empty (0 bytes): download it again")
    _refuse_text(path, start)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name} is no model file: its name should end in {' or '.join(SUFFIXES)}")
    if path.suffix.lower() == ".safetensors":
        check_layout(path, {key: tuple(entry["shape"]) for key, entry in read_header(path).items()})
    elif start.startswith(b"PK"):
        _check_zip(path)
    elif not start.startswith(b"\x80"):
        raise ValueError(f"{path.name} is damaged or no checkpoint of PyTorch: download it again")


def _refuse_text(path: Path, start: bytes) -> None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<":
        raise ValueError(
            f"{path.name} is a web page, not a model: the link needs a login or is no download link"
        )
    if text.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path.name} is a Git LFS pointer, not the model: fetch it with `git lfs pull`")
    if len(text) >= 8 and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in text[:8]):
        first = text.decode("utf-8", "replace").splitlines()[0][:80]
        raise ValueError(f"{path.name} holds text, not a model: it begins with {first!r}; download it again")


def _check_zip(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} is cut off: its end is missing; download it again")
    with zipfile.ZipFile(path) as archive:
        if not any(name.endswith("data.pkl") for name in archive.namelist()):
            raise ValueError(
                f"{path.name} is a zip archive, not a checkpoint: unpack it and give the model inside"
            )


def read_header(path: Path) -> dict[str, dict[str, Any]]:
    """dtype, shape and data_offsets of each tensor of a .safetensors file. Raises ValueError for damage."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if start[:2] == b"PK":
            raise ValueError(
                f"{path.name} is a zip or a .ckpt renamed to .safetensors: give it its own ending"
            )
        if len(start) < 8 or not 2 <= length <= 200_000_000:
            raise ValueError(f"{path.name} is damaged or no .safetensors file: download it again")
        text = file.read(length)
    if len(text) < length:
        raise ValueError(f"{path.name} is cut off within its header: download it again")
    try:
        header = files.from_json(text)
        header.pop("__metadata__", None)
        end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
        _ = [tuple(entry["shape"]) for entry in header.values()]
    except (ValueError, AttributeError, LookupError, TypeError):
        raise ValueError(f"{path.name} is damaged: its header is not readable; download it again") from None
    if end > size:
        raise ValueError(f"{path.name} is cut off: {size:,} of {end:,} bytes are there; download it again")
    return header


def check_layout(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError when the tensors' names and shapes are not those of a whole SD 1.5 checkpoint."""
    foreign = _foreign_kind(shapes)
    if foreign:
        raise ValueError(f"{path.name} is {foreign}, not a Stable Diffusion 1.5 base: {ONLY_SD15}")
    context = shapes.get(CROSS_ATTENTION, (0, 0))[-1]
    channels = (shapes.get(f"{UNET_KEY}input_blocks.0.0.weight") or (0, 4, 0, 0))[1]
    if context == 1024:
        raise ValueError(
            f"{path.name} is a Stable Diffusion 2 model, not a Stable Diffusion 1.5 base: {ONLY_SD15}"
        )
    if channels != 4:
        raise ValueError(f"{path.name} is an inpainting model ({channels} input channels): {ONLY_SD15}")
    models = ((UNET_KEY, "U-Net"), (TEXT_KEY, "text encoder"), (VAE_KEY, "VAE"))
    lacking = [word for key, word in models if not _any_starts(shapes, key)]
    if len(lacking) == 3:
        raise ValueError(
            f"{path.name} is not a Stable Diffusion 1.5 checkpoint: none of its {len(shapes)} names is known"
        )
    if lacking:
        raise ValueError(
            f"{path.name} lacks the {' and the '.join(lacking)}: choose a whole SD 1.5 checkpoint"
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


def refuse_missing(path: Path, names: Iterable[str]) -> None:
    """Raises ValueError when weights called `names` are missing; position_ids are computed, not stored."""
    missing = sorted(name for name in names if not name.endswith("position_ids"))
    if missing:
        raise ValueError(f"{path} is not whole: {len(missing)} of its weights are missing, e.g. {missing[0]}")
