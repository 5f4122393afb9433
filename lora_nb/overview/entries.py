"""The pictures of a dataset as a list: each with its caption, its repeats and what was found about it."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lora_nb.bases import token_count
from lora_nb.dataset import aside, captions, encodings, gate, images
from lora_nb.pictures import findings
from lora_nb.project import Folders

COPY, KEPT, BROKEN, UNSURE = "copy", "kept", "unreadable", "encoding"
Stamp = tuple[int, int]  # of a file: when it was changed (ns), and its bytes
Kinds = dict[Path | None, tuple[str, ...]]


@dataclass(frozen=True)
class Entry:
    """A picture in the dataset or set aside.

    `name` is relative to the dataset, or to set_aside/ where it `is_aside`, with `reason`. `revision` tells one content
    of the caption file from another, "" where there is none; `found` are the kinds of what was found about it.
    """

    id: int
    path: Path
    name: str
    folder: str
    repeats: int
    stamp: Stamp
    caption: str | None
    revision: str
    found: tuple[str, ...] = ()
    is_aside: bool = False
    reason: str = ""

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The parts of the caption between commas."""
        return tuple(captions.split_tags(self.caption or ""))

    @cached_property
    def same_tags(self) -> frozenset[str]:
        """The tags in the one spelling that all their spellings share."""
        return frozenset(map(captions.same_tag, self.tags))

    @cached_property
    def tokens(self) -> int:
        """How many tokens the caption has."""
        return token_count.count(self.caption) if self.caption else 0

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture; (0, 0) where it cannot be read."""
        try:
            measured = images.measure_header(self.path)
        except OSError:
            return (0, 0)
        return (0, 0) if isinstance(measured, str) else measured


def revision_of(content: bytes | None) -> str:
    """What tells one content of a caption file from another; "" for no file."""
    return "" if content is None else hashlib.sha256(content).hexdigest()[:16]


def caption_of(picture: Path) -> tuple[str | None, str]:
    """The caption as it is on disk now, and its revision; None too where it is not sure what it says."""
    return _read_caption(str(captions.caption_path(picture)))


def _read_caption(place: str) -> tuple[str | None, str]:
    try:
        with open(place, "rb", buffering=0) as file:
            content = file.read()
    except FileNotFoundError:
        return None, ""
    read = encodings.read(content)
    return (read.text.strip() if read else None), revision_of(content)


class Reader:
    """Reads the list again and again; a picture keeps its id, and what did not change is not read twice."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.ids: dict[str, int] = {}
        self.read_captions: dict[str, tuple[Stamp, str | None, str]] = {}
        self.entries: dict[int, Entry] = {}

    def read(self) -> dict[int, Entry]:
        """The entries by their ids: the dataset in its order, then what is set aside. Mends what a killed step left."""
        gate.mend(self.folders.dataset)
        found = self._found()
        fresh = {entry.id: self._known(entry) for entry in (*self._dataset(found), *self._aside(found))}
        self.entries = fresh
        return fresh

    def again(self, number: int) -> Entry:
        """The entry with its caption as it is now."""
        entry = self.entries[number]
        text, revision = caption_of(entry.path)
        fresh = self._known(replace(entry, caption=text, revision=revision))
        self.entries[number] = fresh
        return fresh

    def _known(self, entry: Entry) -> Entry:
        """The entry of before where it is equal: it knows its tokens and its size already."""
        before = self.entries.get(entry.id)
        return before if before == entry else entry

    def _dataset(self, found: Kinds) -> Iterator[Entry]:
        dataset = self.folders.dataset
        for place, repeats in images.places(dataset, 1) if dataset.is_dir() else ():
            folder = "" if place == dataset else place.name
            stamps = _stamps(place)
            for file in sorted(stamps):
                ending = os.path.splitext(file)[1]  # of ten thousand captions no Path need be made
                if ending != captions.CAPTION_EXTENSION and images.is_picture(path := place / file):
                    name = f"{folder}/{file}" if folder else file
                    said = self._said(path, file, stamps, found)
                    yield Entry(self._id(f"/{name}"), path, name, folder, repeats, stamps[file], *said)

    def _aside(self, found: Kinds) -> Iterator[Entry]:
        stamps: dict[Path, dict[str, Stamp]] = {}
        for item in aside.list_aside(self.folders):
            path = self.folders.set_aside / item.name
            here = stamps[path.parent] = stamps.get(path.parent) or _stamps(path.parent)
            if path.name in here:  # else it is gone meanwhile
                folder = item.original.rpartition("/")[0]
                said = self._said(path, path.name, here, found)
                where = (self._id(item.name), path, item.name, folder, 1, here[path.name])
                yield Entry(*where, *said, is_aside=True, reason=item.reason)

    def _id(self, key: str) -> int:
        return self.ids.setdefault(key, len(self.ids))

    def _said(
        self, path: Path, file: str, stamps: dict[str, Stamp], found: Kinds
    ) -> tuple[str | None, str, tuple[str, ...]]:
        """A picture's caption, the revision of that, and the kinds of what was found about the picture."""
        beside = os.path.splitext(file)[0] + captions.CAPTION_EXTENSION
        kinds = found.get(path, ())
        if beside not in stamps:
            return None, "", kinds
        text, revision = self._caption(str(path)[: -len(file)] + beside, stamps[beside])
        return text, revision, (*kinds, UNSURE) if text is None and revision else kinds

    def _caption(self, place: str, stamp: Stamp) -> tuple[str | None, str]:
        known = self.read_captions.get(place)
        if known is None or known[0] != stamp:
            known = self.read_captions[place] = (stamp, *_read_caption(place))
        return known[1:]

    def _found(self) -> Kinds:
        """The kinds of what the last look at the pictures found, by where the pictures may lie now."""
        report, kinds = findings.read(self.folders), {}
        for one in report.broken:
            kinds[one.set_aside] = kinds[one.path] = (BROKEN,)
        for cluster in report.clusters:
            kinds[cluster.kept] = (KEPT,)
            for copy in cluster.copies:
                kinds[copy.set_aside] = kinds[copy.path] = (COPY,)
        for other in report.others:
            for path in other.pictures:
                kinds[path] = (*kinds.get(path, ()), other.kind)
        return kinds


def _stamps(folder: Path) -> dict[str, Stamp]:
    """The files directly in a folder, without hidden ones, each with its stamp."""
    found = {}
    for file in os.scandir(folder) if folder.is_dir() else ():
        if not file.name.startswith(".") and file.is_file():
            about = file.stat()
            found[file.name] = (about.st_mtime_ns, about.st_size)
    return found


def stamp_of(path: Path) -> Stamp | None:
    """When a file was changed and its bytes; None when it is not there."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size
