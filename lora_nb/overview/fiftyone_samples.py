"""A dataset as samples of FiftyOne, and what was decided about them there."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb.dataset.captions import join_tags, kind_of, same_tag, split_tags
from lora_nb.dataset.images import scan
from lora_nb.events import Progress, Tell
from lora_nb.pictures import findings
from lora_nb.project import Folders

AWAY = frozenset(
    ("set aside", "set_aside", "delete", "remove")
)  # what a tag says that takes a picture or a tag away


@dataclass(frozen=True)
class Decision:
    """What was decided about a picture, by its name in the dataset: set it aside, or a caption in place of another."""

    name: str
    away: bool
    before: str
    caption: str


def name_of(folders: Folders) -> str:
    """What FiftyOne calls the dataset of a project."""
    key = hashlib.sha256(os.fsencode(folders.base.resolve())).hexdigest()[:8]
    return f"{folders.base.name}-{key}"


def fill(fiftyone: Any, folders: Folders, tell: Tell) -> Any:
    """The dataset of FiftyOne, made anew: captions as text and as labels, what was found, sizes, folders."""
    name = name_of(folders)
    if fiftyone.dataset_exists(name):
        fiftyone.delete_dataset(name)
    dataset = fiftyone.Dataset(name, persistent=True)
    items, found = scan(folders.dataset, verify=False).items, _findings(folders)
    samples = []
    for done, item in enumerate(items, start=1):
        text = item.caption or ""
        about = {
            "name": item.path.relative_to(folders.dataset).as_posix(), **_texts(fiftyone, text),
            "findings": _labels(fiftyone, found[item.path]), "folder": item.subset, "repeats": item.num_repeats,
            "metadata": fiftyone.ImageMetadata(width=item.width, height=item.height),
        }  # fmt: skip
        samples.append(fiftyone.Sample(filepath=str(item.path), **about))
        tell(Progress("Handing the pictures over", done, len(items)))
    dataset.add_samples(samples)
    return dataset


def _texts(fiftyone: Any, text: str) -> dict[str, Any]:
    """A caption as it can be edited, as it was read, and as labels where it is tags."""
    tags = split_tags(text) if kind_of([text]) == "tags" else []
    return {"caption": text, "caption_as_read": text, "tags_wd": _labels(fiftyone, tags)}


def retell(fiftyone: Any, dataset: Any, texts: Mapping[str, str], gone: Collection[str]) -> None:
    """Show in FiftyOne what is so now: captions of pictures by their names, and which are gone."""
    for sample in dataset.iter_samples():
        if sample["name"] in texts:
            for field, value in _texts(fiftyone, texts[sample["name"]]).items():
                sample[field] = value
            sample.save()
    dataset.delete_samples([sample.id for sample in dataset.iter_samples() if sample["name"] in gone])


def _labels(fiftyone: Any, words: Iterable[str]) -> Any:
    return fiftyone.Classifications(classifications=[fiftyone.Classification(label=word) for word in words])


def _findings(folders: Folders) -> dict[Path, list[str]]:
    """What the last search said of each picture that is in the dataset."""
    said, found = defaultdict(list), findings.read(folders)
    for cluster in found.clusters:
        said[cluster.kept].append("has copies")
        for copy in cluster.copies:
            said[copy.path].append(f"copy of {cluster.kept.name}")
    for one in getattr(found, "others", ()):
        for path in one.pictures:
            said[path].append(str(one.kind))
    return said


def decisions(dataset: Any) -> list[Decision]:
    """What differs in FiftyOne from what was handed over."""
    read = (_decision(sample) for sample in dataset.iter_samples())
    return [one for one in read if one.away or one.caption != one.before]


def _decision(sample: Any) -> Decision:
    before, text = sample["caption_as_read"] or "", (sample["caption"] or "").strip()
    away = any(same_tag(tag) in map(same_tag, AWAY) for tag in sample.tags)
    return Decision(
        sample["name"], away, before, _retagged(sample, before) if text == before.strip() else text
    )


def _retagged(sample: Any, before: str) -> str:
    """The caption with the tags that were taken away or added among its labels; as it was where none was."""
    labels = sample["tags_wd"].classifications if sample["tags_wd"] else []
    if kind_of([before]) == "sentences":
        return before
    stay = [
        one.label for one in labels if not any(same_tag(tag) in map(same_tag, AWAY) for tag in one.tags or ())
    ]
    left, old = {same_tag(tag) for tag in stay}, {same_tag(tag) for tag in split_tags(before)}
    if left == old:
        return before
    kept = [tag for tag in split_tags(before) if same_tag(tag) in left]
    return join_tags([*kept, *(tag for tag in dict.fromkeys(stay) if same_tag(tag) not in old)])
