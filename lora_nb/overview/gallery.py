"""The whole set as a gallery holds it: the list, what changed since, what a filter shows of it, its small copies."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_nb.dataset import handover, history
from lora_nb.dataset.history import Undone
from lora_nb.events import Tell, silent
from lora_nb.overview import gestures
from lora_nb.overview.entries import Entry, Reader, stamp_of
from lora_nb.overview.filters import parse
from lora_nb.overview.gestures import Done
from lora_nb.overview.thumbnails import LARGE, SIDE, Thumbnails
from lora_nb.project import Folders

MOST_TAGS = 400


@dataclass(frozen=True)
class View:
    """What a filter shows: the ids in order, the tags with how many of these pictures have them, the kinds there are.

    `folders` and `findings` are counted over the whole set, for a person to choose from.
    """

    ids: tuple[int, ...]
    tags: tuple[tuple[str, int], ...]
    captionless: int
    folders: tuple[tuple[str, int], ...]
    findings: tuple[tuple[str, int], ...]
    pictures: int
    aside: int


class Gallery:
    """A project's pictures, read again when asked. `epoch` tells galleries apart, `revision` the states of one."""

    def __init__(self, folders: Folders, thumbnails: Thumbnails | None = None) -> None:
        self.folders, self.thumbnails = folders, thumbnails or Thumbnails()
        self.epoch, self.revision = uuid.uuid4().hex[:12], 0
        self.reader = Reader(folders)
        self.entries: dict[int, Entry] = {}
        self.changed: dict[int, int] = {}  # id -> revision at which it came, changed or went
        self.counted = (-1, -1)  # pictures and captions, as project.toml was told last
        self.read_at = 0.0
        self.refresh()

    def refresh(self, unless_within: float = 0.0) -> bool:
        """Read the folders, unless that was done within some seconds; whether anything is other than before."""
        if time.monotonic() - self.read_at < unless_within:
            return False
        self.read_at = time.monotonic()
        before, self.entries = self.entries, self.reader.read()
        other = [number for number, entry in self.entries.items() if before.get(number) is not entry]
        other += [number for number in before if number not in self.entries]
        reordered = not other and [*before] != [*self.entries]
        if other or reordered:
            self.revision += 1
            self.changed.update(dict.fromkeys(other, self.revision))
        return bool(other) or reordered

    def since(self, revision: int) -> tuple[list[Entry], list[int]]:
        """The entries that came or changed after `revision`, and the ids that went."""
        later = [number for number, at in self.changed.items() if at > revision]
        came = [self.entries[number] for number in later if number in self.entries]
        return came, [number for number in later if number not in self.entries]

    def select(self, text: str) -> list[Entry]:
        """The pictures that a filter means, in their order. Raises ValueError for a filter that makes no sense."""
        wanted = parse(text)
        return [entry for entry in self.entries.values() if wanted.holds(entry)]

    def view(self, text: str = "") -> View:
        """What a filter shows, with the counts over it. Raises ValueError as `select` does."""
        shown = self.select(text)
        tags = Counter(tag for entry in shown for tag in dict.fromkeys(entry.tags))
        inside = [entry for entry in self.entries.values() if not entry.is_aside]
        kinds = Counter(kind for entry in self.entries.values() for kind in entry.found)
        return View(
            ids=tuple(entry.id for entry in shown),
            tags=tuple(tags.most_common(MOST_TAGS)),
            captionless=sum(not entry.caption for entry in shown),
            folders=tuple(Counter(entry.folder for entry in inside).items()),
            findings=tuple(kinds.most_common()),
            pictures=len(inside),
            aside=len(self.entries) - len(inside),
        )

    def named(self, names: Sequence[str]) -> list[Entry]:
        """The pictures of these names, as `list` prints them. Raises ValueError for one that is not there."""
        known = {entry.name: entry for entry in reversed(self.entries.values())}  # one in the dataset wins
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f'"{unknown[0]}" is no picture of {self.folders.dataset}: give its name there, e.g. cat.png or '
                "5_cat/1.png"
            )
        return [known[name] for name in dict.fromkeys(names)]

    def small(self, number: int, side: int = SIDE) -> bytes:
        """The small copy of a picture. Raises ValueError or OSError saying why there is none."""
        entry = self.entries[number]
        return self.thumbnails.get(entry.path, stamp_of(entry.path) or entry.stamp, side)

    def large(self, number: int) -> bytes:
        """A copy to look at closely. Raises as `small` does."""
        return self.small(number, LARGE)

    def edit(self, number: int, text: str, base: str | None = None, goes_on: bool = False) -> str:
        """As `gestures.edit_caption`; the list knows the new text afterwards."""
        try:
            return gestures.edit_caption(self.folders, self.entries[number].path, text, base, goes_on)
        finally:
            before = self.entries[number]
            if self.reader.again(number) is not before:
                self.revision += 1
                self.changed[number] = self.revision
            self._remember(silent)

    def do(self, act: Callable[[Folders, Sequence[Path]], Done], numbers: Sequence[int]) -> Done:
        """`act` on the pictures of the dataset among these; the list is as it is then."""
        pictures = [entry.path for entry in self._of(numbers) if not entry.is_aside]
        if not pictures:
            raise ValueError(
                "no picture of the dataset is selected: click one, or several with Shift or Ctrl held"
            )
        try:
            return act(self.folders, pictures)
        finally:
            self._settle()

    def bring_back(self, numbers: Sequence[int]) -> Done:
        """Put those of the pictures back that are set aside."""
        names = [entry.name for entry in self._of(numbers) if entry.is_aside]
        if not names:
            raise ValueError("none of the selected pictures is set aside: show those that are with is:aside")
        try:
            return gestures.bring_back(self.folders, names)
        finally:
            self._settle()

    def undo(self, tell: Tell = silent) -> Undone | None:
        """Take back the last step on the dataset, whoever did it; None when there is none."""
        undone = history.undo(self.folders.dataset)
        earlier = undone.note.get("trigger_word") if undone else None
        self._settle(tell, **({"trigger_word": earlier} if isinstance(earlier, str) else {}))
        return undone

    def _of(self, numbers: Sequence[int]) -> list[Entry]:
        return [self.entries[number] for number in dict.fromkeys(numbers) if number in self.entries]

    def _settle(self, tell: Tell = silent, **learnt: str) -> None:
        self.refresh()
        self._remember(tell, **learnt)

    def _remember(self, tell: Tell, **learnt: str) -> None:
        """Keep project.toml true, where it is not."""
        inside = [entry for entry in self.entries.values() if not entry.is_aside]
        counted = (len(inside), sum(bool(entry.caption) for entry in inside))
        if learnt or counted != self.counted:
            handover.refresh(self.folders, tell, images=counted[0], captioned=counted[1], **learnt)
            self.counted = counted
