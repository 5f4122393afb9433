"""The captions of a dataset folder written by a model: which pictures, what is written, what failed."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from PIL import Image

from lora_nb.config.captioning import CaptionConfig, TagConfig
from lora_nb.dataset import captions, gate, images
from lora_nb.dataset.captions import CaptionReport
from lora_nb.dataset.gate import Changes
from lora_nb.dataset.images import ImageItem
from lora_nb.events import Notice, Tell

Prepared = TypeVar("Prepared")
# What a model says of each picture it is given, or why that one could not be read.
Words = Callable[[Sequence[ImageItem]], Iterable[tuple[ImageItem, str | ValueError]]]


def annotate(
    config: TagConfig | CaptionConfig,
    verb: str,
    words: Words,
    append: Callable[[str, str], str],
    tell: Tell,
) -> CaptionReport:
    """Write what `words` says of every picture into its caption; an unreadable picture is named and the others go on.

    With `existing` = "append" the old caption and the new words are joined by `append`; one that is not sure is left
    as it is. The captions from before are kept for `undo`.
    """
    with gate.step(Path(config.train_data_dir), verb) as changes:
        return _annotate(config, words, append, tell, changes)


def _annotate(
    config: TagConfig | CaptionConfig,
    words: Words,
    append: Callable[[str, str], str],
    tell: Tell,
    changes: Changes,
) -> CaptionReport:
    folder = Path(config.train_data_dir)
    found = images.scan(
        folder, verify=False, tell=partial(_notices, tell), caption_encoding=config.caption_encoding
    )
    unsure = set(found.unsure) if config.existing != "overwrite" else set()
    todo = [
        item
        for item in found.items
        if captions.wanted(config.existing, item.caption) and item.path not in unsure
    ]
    failed = [(_name(folder, broken.path), broken.reason) for broken in found.broken]
    failed += [
        (_name(folder, path), "its caption cannot be read") for path in unsure if config.existing == "append"
    ]
    written = 0
    for item, outcome in words(todo) if todo else ():
        if isinstance(outcome, ValueError):
            failed.append((_name(folder, item.path), str(outcome)))
            continue
        joined = append(item.caption, outcome) if config.existing == "append" and item.caption else outcome
        captions.write_caption(item.path, joined, write=changes.write)
        written += 1
    left = len(found.items) - len(todo) - (len(unsure) if config.existing == "append" else 0)
    return CaptionReport(written, left, tuple(failed))


def _notices(tell: Tell, event: object) -> None:
    if isinstance(event, Notice):
        tell(event)


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def open_or_error(path: Path, prepare: Callable[[Image.Image], Prepared]) -> Prepared | ValueError:
    """The picture as `prepare` makes it, or the reason without the path why it cannot be read."""
    try:
        return prepare(images.open_upright(path))
    except ValueError as error:
        return ValueError(str(error).removeprefix(f"{path}: "))
