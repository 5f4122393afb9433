"""The pictures of a dataset as a list: each with its caption, its repeats and what was found about it."""

import hashlib
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
    try:
        content = captions.caption_path(picture).read_bytes()
    except FileNotFoundError:
        return None, ""
    read = encodings.read(content)
    return (read.text.strip() if read else None), revision_of(content)


class Reader:
    """Reads the list again and again; a picture keeps its id, and what did not change is not read twice."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.ids: dict[str, int] = {}
        self.read_captions: dict[Path, tuple[Stamp | None, str | None, str]] = {}
        self.entries: dict[int, Entry] = {}

    def read(self) -> dict[int, Entry]:
        """The entries by their ids: the dataset in its order, then what is set aside. Mends what a killed step left."""
        gate.mend(self.folders.dataset)
        found = self._found()
        fresh = {entry.id: self._known(entry) for entry in (*self._dataset(found), *self._aside(found))}
        self.entries = fresh
        return fresh

    def _known(self, entry: Entry) -> Entry:
        """The entry of before where it is equal: it knows its tokens and its size already."""
        before = self.entries.get(entry.id)
        return before if before == entry else entry

    def _dataset(self, found: dict[Path, tuple[str, ...]]) -> Iterator[Entry]:
        dataset = self.folders.dataset
        for place, repeats in images.places(dataset, 1) if dataset.is_dir() else ():
            folder = "" if place == dataset else place.name
            for path in images.list_images(place):
                name = f"{folder}/{path.name}" if folder else path.name
                if entry := self._entry(f"/{name}", path, name):
                    kinds = (*found.get(path, ()), *entry.found)
                    yield replace(entry, folder=folder, repeats=repeats, found=kinds)

    def _aside(self, found: dict[Path, tuple[str, ...]]) -> Iterator[Entry]:
        for item in aside.list_aside(self.folders):
            path = self.folders.set_aside / item.name
            if entry := self._entry(item.name, path, item.name):
                folder = item.original.rpartition("/")[0]
                kinds = (*found.get(path, ()), *entry.found)
                yield replace(entry, folder=folder, found=kinds, is_aside=True, reason=item.reason)

    def _entry(self, key: str, path: Path, name: str) -> Entry | None:
        """The entry as its files say it; None for a picture that is gone meanwhile."""
        stamp = stamp_of(path)
        if stamp is None:
            return None
        text, revision = self._caption(path)
        unsure = (UNSURE,) if text is None and revision else ()
        number = self.ids.setdefault(key, len(self.ids))
        return Entry(number, path, name, "", 1, stamp, text, revision, unsure)

    def _caption(self, path: Path) -> tuple[str | None, str]:
        place = captions.caption_path(path)
        stamp, known = stamp_of(place), self.read_captions.get(place)
        if known is None or known[0] != stamp or stamp is None:
            known = (stamp, *caption_of(path)) if stamp else (None, None, "")
            self.read_captions[place] = known
        return known[1:]

    def _found(self) -> dict[Path, tuple[str, ...]]:
        """The kinds of what the last look at the pictures found, by where the pictures lie now."""
        report, kinds = findings.read(self.folders), {}
        for one in report.broken:
            kinds[one.set_aside] = (BROKEN,)
        for cluster in report.clusters:
            kinds[cluster.kept] = (KEPT,)
            for copy in cluster.copies:
                kinds[copy.set_aside or copy.path] = kinds[copy.path] = (COPY,)
        return kinds


def stamp_of(path: Path) -> Stamp | None:
    """When a file was changed and its bytes; None when it is not there."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size
