"""The example pictures that ship here, known by their content."""

import zipfile
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "demo" / "examples"
CHARACTER = FOLDER / "character.zip"
TRIGGER = "ohwx"


def are_examples(pictures: Iterable[Path]) -> bool:
    """Whether every picture, and there is one, is one of the examples, whatever it is called."""
    paths = list(pictures)
    return bool(paths) and all(map(_is_one, paths))


def _is_one(path: Path) -> bool:
    """Whether this is an example; a picture of another size is not even read."""
    sums = _known().get(path.stat().st_size)
    return sums is not None and zlib.crc32(path.read_bytes()) in sums


@cache
def _known() -> dict[int, set[int]]:
    """The CRC-32 sums of the files in the example zips, by their bytes."""
    found: dict[int, set[int]] = {}
    for path in sorted(FOLDER.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                found.setdefault(entry.file_size, set()).add(entry.CRC)
    return found
