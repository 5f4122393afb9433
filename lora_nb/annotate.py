"""The captions of a dataset folder written by a model: which pictures, what is written, what failed."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from PIL import Image

from lora_nb import captions, images
from lora_nb.captions import TagReport
from lora_nb.images import ImageItem

Prepared = TypeVar("Prepared")
# What a model says of each picture it is given, or why that one could not be read.
Words = Callable[[Sequence[ImageItem]], Iterable[tuple[ImageItem, str | ValueError]]]


def annotate(folder: Path, existing: str, words: Words, append: Callable[[str, str], str]) -> TagReport:
    """Write what `words` says of every picture into its caption; an unreadable picture is named and the others go on.

    `existing` is the setting of that name. "append" joins the old caption and the new words by `append`.
    """
    found = images.scan(folder, verify=False)
    todo = [item for item in found.items if captions.wanted(existing, item.caption)]
    failed = [(broken.path.relative_to(folder).as_posix(), broken.reason) for broken in found.broken]
    written = 0
    for item, outcome in words(todo) if todo else ():
        if isinstance(outcome, ValueError):
            failed.append((item.path.relative_to(folder).as_posix(), str(outcome)))
            continue
        joined = append(item.caption, outcome) if existing == "append" and item.caption else outcome
        captions.write_caption(item.path, joined)
        written += 1
    return TagReport(written, len(found.items) - len(todo), tuple(failed))


def open_or_error(path: Path, prepare: Callable[[Image.Image], Prepared]) -> Prepared | ValueError:
    """The picture as `prepare` makes it, or the reason without the path why it cannot be read."""
    try:
        return prepare(images.open_upright(path))
    except ValueError as error:
        return ValueError(str(error).removeprefix(f"{path}: "))
