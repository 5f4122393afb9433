"""Pictures -> tags by one tagger or several in their captions."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from lora_nb.captioning import scores, tagger_model, taggers
from lora_nb.captioning.annotate import annotate, open_or_error
from lora_nb.captioning.choice import Answer, choose
from lora_nb.captioning.pace import paced
from lora_nb.captioning.scores import FLOOR, Kept, Row, key_of, key_of_picture
from lora_nb.captioning.tagger_model import Tagger, find_tagger, load_tagger, read_vocabulary
from lora_nb.config.captioning import TagConfig
from lora_nb.dataset import captions
from lora_nb.dataset.captions import CaptionReport
from lora_nb.dataset.images import ImageItem
from lora_nb.events import Tell, silent
from lora_nb.project import folders_of_dataset


def tag_images(config: TagConfig, tell: Tell = silent) -> CaptionReport:
    """Write the tags of every picture into its caption; an unreadable picture is named and the others go on.

    Tags stand in the model's order, general ones before names of characters (as sd-scripts writes them). Several
    taggers are asked one after the other; a tag is written where one of them is sure enough.
    """

    def append(old: str, new: str) -> str:
        if config.order == "tags first" and captions.kind_of([old]) == "sentences":
            return with_tags(new, old, config.caption_separator)
        return with_tags(old, new, config.caption_separator)

    return annotate(config, "tag", lambda todo: _tags(config, todo, tell), append, tell)


def with_tags(text: str, more: str, separator: str = ",") -> str:
    """`text` as it is written, followed by what stands between the separators of `more` and `text` lacks."""
    mark = separator.strip()
    if mark == ",":
        return captions.merge_tags(text, more)
    known = {captions.same_tag(tag) for tag in text.split(mark)}
    parts = [part.strip() for part in more.split(mark)]
    added = [part for part in parts if part and captions.same_tag(part) not in known]
    return f"{mark} ".join([*filter(None, [text.strip().rstrip(mark)]), *added])


def _tags(
    config: TagConfig, todo: Sequence[ImageItem], tell: Tell
) -> Iterator[tuple[ImageItem, str | ValueError]]:
    names = taggers.names_of(config.tagger)
    if not names:
        raise ValueError("tagger is empty: give a Hugging Face id, a folder, or demo")
    between = f"{config.caption_separator.strip()} "
    earlier = [
        list(_Asked(name, config, tell).answers(todo)) for name in names[:-1]
    ]  # one model in memory at a time
    for item, *answers in zip(todo, *earlier, _Asked(names[-1], config, tell).answers(todo), strict=True):
        unread = next((answer for answer in answers if isinstance(answer, ValueError)), None)
        yield item, unread or between.join(choose(answers, config))


class _Asked:
    """One tagger, asked about pictures that are not noted yet. It is loaded for the first of those."""

    def __init__(self, name: str, config: TagConfig, tell: Tell) -> None:
        self.config, self.tell = config, tell
        self.files = find_tagger(name, tell)
        self.vocabulary = read_vocabulary(self.files.tags)
        self.threshold = taggers.threshold_of(name)
        key = key_of(self.files.model, self.files.tags)
        self.kept = Kept(folders_of_dataset(Path(config.train_data_dir)).scores, name, key)
        least = [
            config.character_threshold,
            *filter(lambda each: each is not None, [config.general_threshold]),
        ]
        self.floor = FLOOR if config.mcut or min(least) >= FLOOR else 0.0
        self.stage = "Tagging" if name == config.tagger else f"Tagging with {name.rpartition('/')[2]}"

    @cached_property
    def tagger(self) -> Tagger:
        return load_tagger(self.files, self.vocabulary)

    def answers(self, todo: Sequence[ImageItem]) -> Iterator[Answer | ValueError]:
        """What the tagger says of each picture, or why one cannot be read."""
        told = paced(self.stage, len(todo), self.tell)
        with ThreadPoolExecutor(4) as pool:
            for start in range(0, len(todo), self.config.batch_size):
                batch = [item.path for item in todo[start : start + self.config.batch_size]]
                for row in self._rows(batch, pool):
                    unread = isinstance(row, ValueError)
                    yield row if unread else Answer(self.vocabulary.scores(row), self.threshold)
                told(start + len(batch))

    def _rows(self, paths: Sequence[Path], pool: ThreadPoolExecutor) -> list[Row | ValueError]:
        keys = list(pool.map(key_of_picture, paths)) if self.config.keep_scores else [""] * len(paths)
        known = self.kept.rows if self.config.keep_scores and self.floor == FLOOR else {}
        unknown = {path: key for path, key in zip(paths, keys, strict=True) if key not in known}
        fresh = dict(zip(unknown, self._look(list(unknown), pool), strict=True))
        if self.config.keep_scores:
            self.kept.add(_to_keep({unknown[path]: row for path, row in fresh.items()}))
        return [fresh[path] if path in fresh else known[key] for path, key in zip(paths, keys, strict=True)]

    def _look(self, paths: Sequence[Path], pool: ThreadPoolExecutor) -> list[Row | ValueError]:
        if not paths:
            return []
        side = self.tagger.prepare
        prepared = list(pool.map(lambda path: open_or_error(path, side), paths))
        readable = [pixels for pixels in prepared if isinstance(pixels, np.ndarray)]
        found = iter(
            tagger_model.rows(self.tagger.probabilities(np.stack(readable)), self.floor) if readable else ()
        )
        return [next(found) if isinstance(pixels, np.ndarray) else pixels for pixels in prepared]


def _to_keep(fresh: dict[str, Row | ValueError]) -> dict[str, Row]:
    return {
        picture: {number: score for number, score in row.items() if score >= scores.FLOOR}
        for picture, row in fresh.items()
        if not isinstance(row, ValueError)
    }
