"""A checkpoint file judged from outside: is it whole, is it a model at all? Reads its header and no weights."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lora_nb import files

SUFFIXES = (".safetensors", ".ckpt")


def check_outside(path: Path) -> None:
    """Raises ValueError, in one sentence, when the file can be no checkpoint of any family."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(256)
    if size == 0:
        raise ValueError(f"{path.name} is empty (0 bytes): download it again")
    _refuse_text(path, start)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name} is no model file: its name should end in {' or '.join(SUFFIXES)}")
    if path.suffix.lower() == ".safetensors":
        read_header(path)
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


def refuse_missing(path: Path, names: Iterable[str]) -> None:
    """Raises ValueError when weights called `names` are missing; position_ids are computed, not stored."""
    missing = sorted(name for name in names if not name.endswith("position_ids"))
    if missing:
        raise ValueError(f"{path} is not whole: {len(missing)} of its weights are missing, e.g. {missing[0]}")
