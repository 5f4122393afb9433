"""The name under which a file or a folder of a source comes into the dataset."""

import re
import unicodedata
from pathlib import Path

from lora_nb.dataset import captions
from lora_nb.dataset.images import REPEATS
from lora_nb.intake.archive import Entry

RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ufffd]')
LONGEST_STEM = 180  # bytes: leaves room for an ending, a number and a temporary name within 255


def is_subset(name: str) -> bool:
    """Whether a folder of this name says N repeats and can be made everywhere."""
    return bool(REPEATS.fullmatch(name)) and not UNSAFE.search(name) and not name.endswith(".")


def file_name(entry: Entry, taken: set[str]) -> str:
    """A file's own name in a form that can be used everywhere, numbered if `taken` (casefolded stems) has it."""
    name = Path(clean(entry.parts[-1]))
    stem = name.stem.encode("utf-8")[:LONGEST_STEM].decode("utf-8", errors="ignore").rstrip(" .")
    return captions.free_stem(stem or "picture", taken) + name.suffix


def clean(name: str) -> str:
    """`name` in a form that Linux, macOS, Windows and Drive all accept."""
    readable = name.encode("utf-8", errors="replace").decode("utf-8")
    name = UNSAFE.sub("_", unicodedata.normalize("NFC", readable)).strip()
    return f"_{name}" if RESERVED.fullmatch(name) else name
