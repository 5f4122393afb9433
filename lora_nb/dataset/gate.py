"""The one way in which files of a dataset change: intent on disk, the change, the intent cleared.

A process that is killed, or meets a full disk, leaves a step open; whoever touches the dataset next closes it. Then
each picture stands with its caption, before or after: a caption whose picture has gone its way follows it.
"""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.dataset import record, snapshots
from lora_nb.dataset.record import KEPT, OPEN, OWN, STAGED, TAKEN_BACK, UNDONE, Pair, Record, Way
from lora_nb.dataset.turn import TakenError, turn
from lora_nb.project import Folders, folders_of_dataset

STAGING = re.compile(r"\.import-[a-z0-9_]{8}")  # of an import before there was a gate


@dataclass(frozen=True)
class Move:
    """A file's way. A copy leaves its source; `after` is the digest of a file that an undo takes away if unchanged."""

    source: Path
    target: Path
    copied: bool = False
    after: str = ""


@contextmanager
def step(
    dataset: Path, verb: str, note: Mapping[str, Any] | None = None, goes_on: Path | None = None
) -> Iterator["Changes"]:
    """The changes of one step, by the only process that changes this dataset now.

    A step that `goes_on` writing one file is one with the last step, if that was of the same verb and wrote this file
    alone: both are undone together. What a dead process left is made whole first. Raises TakenError when another
    process is at work.
    """
    with alone(dataset, verb):
        changes = Changes(dataset, verb, note)
        if goes_on:
            changes.join(goes_on)
        try:
            yield changes
        except BaseException:
            with suppress(OSError):  # the disk that is full: whoever comes next closes the step
                changes.close()
            raise
        changes.close()


@contextmanager
def alone(dataset: Path, verb: str) -> Iterator[None]:
    """Be the only process that changes this dataset, which is whole and without leftovers of dead ones."""
    folders = folders_of_dataset(dataset)
    with turn(folders.base, verb):
        for folder in record.unfinished(folders.versions):
            close(Record(folder))
        _sweep(folders, Path(dataset).absolute())
        yield


def mend(dataset: Path) -> None:
    """Make whole what a dead process left, for a reader. A living one that is at work is left to it."""
    folders = folders_of_dataset(dataset)
    half_kept = (folders.versions / record.SNAPSHOTS).glob(".*.tmp")
    if record.unfinished(folders.versions) or any(half_kept):
        with suppress(TakenError), turn(folders.base, "mend", wait=0):
            for folder in record.unfinished(folders.versions):
                close(Record(folder))
            _sweep(folders, Path(dataset).absolute())


class Changes:
    """What one step does to files of a dataset and of what was set aside. Everything can be taken back.

    `note` is what else the step changes, for who undoes it.
    """

    def __init__(self, dataset: Path, verb: str, note: Mapping[str, Any] | None = None) -> None:
        self.folders = folders_of_dataset(dataset)
        self.head = {"verb": verb, "dataset": Path(dataset).absolute().name, "note": dict(note or {})}
        self.record: Record | None = None
        self.kept: set[str] = set()

    def join(self, path: Path) -> None:
        """Be one with the last step, if that was of the same verb and wrote this file alone."""
        last = next(map(Record, record.steps(self.folders.versions)), None)
        name = self._name(path)
        own = last and last.head.get("verb") == self.head["verb"] and last.dataset == self.head["dataset"]
        if own and not last.folder.name.endswith(TAKEN_BACK) and [*last.changes] == [name]:
            last.rename(OPEN)
            self.record, self.kept = last, {name}

    def write(self, path: Path, content: bytes) -> None:
        """Replace the content of a file, or make it. What stood there is kept first."""
        name, there = self._name(path), path.exists()
        begun = self._begin()
        if there and name not in self.kept:
            _keep(path, begun.folder / KEPT / name)
        self.kept.add(name)
        begun.append([{"write": name, "existed": there, "after": record.digest(content)}])
        files.write_bytes(path, content)

    def move(self, pairs: Sequence[Sequence[Move]], each: Callable[[], None] = lambda: None) -> None:
        """Move pictures, each with its captions after it; no file is overwritten. `each` is called after a pair."""
        if not pairs:
            return
        begun = self._begin()
        ways = [Pair(tuple(self._way(move) for move in moves)) for moves in pairs]
        begun.append([record.line_of(pair) for pair in ways])
        for moves in pairs:
            for move in moves:
                _forward(move.source, move.target, move.copied)
            each()

    def staging(self) -> Path:
        """A folder for new files, from which `move` brings them in; what stays there is gone at the end."""
        folder = self._begin().folder / STAGED
        folder.mkdir(exist_ok=True)
        return folder

    def dropped(self, path: Path) -> Path:
        """Where `move` brings a file that is not needed any more."""
        return self._begin().folder / KEPT / self._name(path)

    def close(self) -> None:
        """The step is over: from now on it can be undone."""
        if self.record is not None:
            close(Record(self.record.folder))
            self.record = None

    def _begin(self) -> Record:
        if self.record is None:
            snapshots.daily(self.folders.base / self.head["dataset"])
            self.record = record.begin(self.folders.versions, self.head)
        return self.record

    def _way(self, move: Move) -> Way:
        return Way(self._name(move.source), self._name(move.target), move.copied, move.after)

    def _name(self, path: Path) -> str:
        """A file's name as in the record."""
        path = Path(path).absolute()
        if self.record and path.is_relative_to(self.record.folder):
            return f"{OWN}/{path.relative_to(self.record.folder).as_posix()}"
        return path.relative_to(self.folders.base).as_posix()


def _keep(path: Path, place: Path) -> None:
    """The bytes of a file that is about to be replaced; a second name for them is cheaper than a copy."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.is_symlink():
            raise OSError(errno.EMLINK, "the bytes are wanted, not the link")
        os.link(path, place)
    except OSError:  # Drive has one name a file
        files.write_bytes(place, path.read_bytes())


def _forward(source: Path, target: Path, copied: bool) -> None:
    if target.exists():
        raise FileExistsError(errno.EEXIST, "a file stands there already; move it away", str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    if copied:
        files.write_bytes(target, source.read_bytes())
    else:
        os.rename(source, target)


def close(open_step: Record) -> None:
    """End a step, or its undoing, that may have been cut off anywhere: the captions follow their pictures."""
    for pair in open_step.pairs:
        _gather(open_step, pair)
    shutil.rmtree(open_step.folder / STAGED, ignore_errors=True)
    _remove_unfinished(open_step.folder)
    bare = {path.name for path in open_step.folder.iterdir()} <= {record.RECORD}
    if bare and not open_step.changes:
        shutil.rmtree(open_step.folder)
        with suppress(OSError):  # other steps lie there
            open_step.folder.parent.rmdir()
    elif open_step.folder.name.endswith(OPEN):
        open_step.rename("")


def _gather(open_step: Record, pair: Pair) -> None:
    """Bring the captions of a picture to where it is: its source or its target."""
    places = [(open_step.path(way.source), open_step.path(way.target)) for way in pair.ways]
    if not all(source and target for source, target in places):
        return
    at_source, at_target = (path.exists() for path in places[0])
    for way, (source, target) in list(zip(pair.ways, places, strict=True))[1:]:
        if at_target and not at_source and source.exists() and not target.exists():
            _forward(source, target, way.copied)
        elif at_source and not at_target and target.exists():
            back(open_step, way)


def back(undone: Record, way: Way) -> None:
    """Bring a file back to its source; a copy goes into the step's folder. One that stands there stays."""
    source, target = undone.path(way.source), undone.path(way.target)
    if way.copied and record.digest_of(target) == way.after:
        source = files.free_name(undone.folder / UNDONE / way.target)
    if not source.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        os.rename(target, source)


def _sweep(folders: Folders, dataset: Path) -> None:
    """Remove what dead processes left: half-written files, and the folder an import unpacked into."""
    for place in folders.base.glob(".import-*"):
        if STAGING.fullmatch(place.name):
            shutil.rmtree(place, ignore_errors=True)
    kept = (folders.versions / record.OBJECTS, folders.versions / record.SNAPSHOTS)
    old = folders.versions.glob(f"{record.OLD_STEP}*")
    for place in (dataset, folders.set_aside, folders.report, folders.export, *kept, *old):
        _remove_unfinished(place)
    files.sweep(folders.base, {folders.handover.name}.__contains__)


def _remove_unfinished(folder: Path) -> None:
    for path in folder.rglob(".*.tmp"):
        if files.UNFINISHED.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)
