"""The scores of a tagger kept for each picture, so that another threshold needs no second look at it."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from lora_nb import files

FLOOR = 0.05  # scores below it are not kept
DIGITS = 4  # of a score: what is kept and what is fresh are rounded alike, so that both choose the same tags
SAMPLES, SAMPLE = 16, 65536  # places in a model's file that are looked at, and bytes of each

Row = Mapping[int, float]  # scores by the number of the tag


def key_of(model: Path, tags: Path) -> str:
    """What tells one tagger from another: its tags, the size of its model and bytes from all over it."""
    size = model.stat().st_size
    digest = hashlib.sha256(tags.read_bytes() + str(size).encode())
    with open(model, "rb") as file:
        for number in range(SAMPLES):
            file.seek(max(0, size - SAMPLE) * number // (SAMPLES - 1))
            digest.update(file.read(SAMPLE))
    return digest.hexdigest()[:16]


def key_of_picture(path: Path) -> str:
    """What tells the bytes of one picture from those of another."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


class Kept:
    """The rows of one tagger in the file of this project; a line that a kill cut off counts as absent."""

    def __init__(self, folder: Path, name: str, key: str) -> None:
        self.path = folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', name)[-60:]}-{key}.jsonl"
        self.rows: dict[str, Row] = dict(_read(self.path))

    def add(self, rows: Mapping[str, Row]) -> None:
        """Keep the rows of these pictures that are not there yet."""
        fresh = {picture: row for picture, row in rows.items() if picture not in self.rows}
        if fresh:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            files.append_line(self.path, "\n".join(_line(picture, row) for picture, row in fresh.items()))
            self.rows.update(fresh)


def _line(picture: str, row: Row) -> str:
    fields = {"picture": picture, "tags": list(row), "scores": list(row.values())}
    return json.dumps(fields, separators=(",", ":"))


def _read(path: Path):
    try:
        lines = path.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return
    for line in lines:
        try:
            fields = files.from_json(line)
            row = dict(zip(map(int, fields["tags"]), map(float, fields["scores"]), strict=True))
            picture = str(fields["picture"])
        except (ValueError, TypeError, KeyError):
            continue
        yield picture, row
