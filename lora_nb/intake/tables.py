"""Captions that stand in a table beside the pictures (metadata.csv, metadata.jsonl), as Hugging Face's imagefolder."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from lora_nb import files
from lora_nb.dataset import captions, encodings
from lora_nb.intake.archive import READ_FAILURES, Entry

NAMES = ("metadata.csv", "metadata.jsonl")
COLUMNS = ("text", "caption", "prompt")  # the first that a row has; the first is imagefolder's
LARGEST = 100_000_000  # bytes


def is_table(name: str) -> bool:
    """Whether a file of this path is such a table."""
    return PurePosixPath(name).name.lower() in NAMES


def with_captions(entries: Sequence[Entry]) -> tuple[list[Entry], list[tuple[str, str]]]:
    """The entries, each table in them turned into the caption files it stands for; and (name, reason) of bad ones.

    A caption file that is there stays as it is.
    """
    found: list[Entry] = []
    bad: list[tuple[str, str]] = []
    there = {entry.parts for entry in entries}
    for entry in entries:
        if not is_table(entry.name):
            found.append(entry)
            continue
        try:
            rows = list(_rows(entry))
        except (ValueError, csv.Error, *READ_FAILURES) as error:
            bad.append((entry.name, f"a table of captions that cannot be read: {error}"))
            continue
        fresh = {parts: text for row in rows if (made := _caption(entry, row)) for parts, text in [made]}
        found += [_file(parts, text) for parts, text in fresh.items() if parts not in there]
    return found, bad


def _rows(entry: Entry) -> Iterator[Mapping[str, Any]]:
    if entry.size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 10**6} MB")
    with entry.open() as file:
        known = encodings.read(file.read(LARGEST), encodings.AUTO)
    if known is None:
        raise ValueError("it is not in UTF-8")
    if entry.suffix == ".csv":
        yield from csv.DictReader(io.StringIO(known.text))
        return
    for line in filter(str.strip, known.text.splitlines()):
        row = files.from_json(line)
        if isinstance(row, dict):
            yield row


def _caption(table: Entry, row: Mapping[str, Any]) -> tuple[tuple[str, ...], str] | None:
    """Where the caption of a row would lie as a file, and what it says."""
    name = row.get("file_name")
    text = next((row[column] for column in COLUMNS if isinstance(row.get(column), str)), "")
    inner = files.inner_parts(name) if isinstance(name, str) else None
    if not inner or not text.strip():
        return None
    path = PurePosixPath(*table.parts[:-1], *inner)
    return path.with_suffix(captions.CAPTION_EXTENSION).parts, text.strip()


def _file(parts: tuple[str, ...], text: str) -> Entry:
    content = text.encode("utf-8")
    return Entry(parts, len(content), lambda: io.BytesIO(content))
