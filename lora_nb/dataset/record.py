"""What a step does to the files of a project, written down in its folder before it is done."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.project import Folders

RECORD = "changes.jsonl"
KEPT, STAGED, UNDONE = (
    "before",
    "new",
    "undone",
)  # old bytes; what an import unpacks; new files of an undone step
STEP, OLD_STEP = "step-", "captions-"  # the latter held captions alone, by their names in the dataset
OPEN, TAKEN_BACK = ".unfinished", "-undone"
SNAPSHOTS, OBJECTS, TEXTS = "snapshots", "objects", "texts.jsonl"  # of versions, beside the steps
OWN = "@"  # the first part of a name that lies in the step's own folder
TIME = "%Y%m%d-%H%M%S-%f"


@dataclass
class Written:
    """A file that was made or replaced: was there one before, and the digests of what was written."""

    name: str
    existed: bool
    after: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Way:
    """The way of one file from `source` to `target`. `after` is its digest where an undo must know it again."""

    source: str
    target: str
    copied: bool = False
    after: str = ""


@dataclass(frozen=True)
class Pair:
    """A picture's way, then those of its captions: they follow the picture."""

    ways: tuple[Way, ...]


class Record:
    """A step's folder in `versions/`. All names in it are relative to the project, so that this can be moved."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.base = folder, folder.parents[1]
        self.head, self.changes = _read(folder)
        self.dataset = str(self.head.get("dataset", ""))

    @property
    def note(self) -> dict[str, Any]:
        """What else the step changed, as it said."""
        return self.head["note"] if isinstance(self.head.get("note"), dict) else {}

    @property
    def pairs(self) -> list[Pair]:
        return [change for change in self.changes.values() if isinstance(change, Pair)]

    def path(self, name: str) -> Path | None:
        """Where a file of this name lies; None for a name that leads out of where a step changes files."""
        root, _, rest = name.partition("/")
        folders = Folders(self.base)
        known = (self.dataset, folders.set_aside.name, folders.report.name)
        folder = self.folder if root == OWN else self.base / root if root and root in known else None
        return files.within(folder, rest) if folder else None

    def kept(self, name: str) -> Path | None:
        """Where the bytes from before the step lie."""
        inner = name.partition("/")[2] if self.folder.name.startswith(OLD_STEP) else name
        return files.within(self.folder / KEPT, inner)

    def append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write down what comes next; on disk when this returns."""
        if lines:
            files.append_line(self.folder / RECORD, "\n".join(map(json.dumps, lines)))

    def rename(self, state: str) -> None:
        """Give the folder the name of its state: OPEN, TAKEN_BACK, or "" for a step that is done."""
        plain = self.folder.name.removesuffix(OPEN)
        target = files.free_name(self.folder.with_name(plain + state))
        os.rename(self.folder, target)
        self.folder = target


def begin(versions: Path, head: Mapping[str, Any]) -> Record:
    """The record of a new step, which is open."""
    stamps = [_stamp(folder) for folder in steps(versions)]
    later = max(stamps, default=datetime.min) + timedelta(microseconds=1)  # though a clock was set back
    name = f"{STEP}{max(datetime.now(), later).strftime(TIME)}-{head['verb']}{OPEN}"
    folder = versions / name
    folder.mkdir(parents=True)
    files.append_line(folder / RECORD, json.dumps(head))
    return Record(folder)


def steps(versions: Path) -> list[Path]:
    """The folders of the steps so far, the last one first."""
    found = [path for prefix in (STEP, OLD_STEP) for path in Path(versions).glob(f"{prefix}*")]
    return sorted(found, key=lambda path: path.name.partition("-")[2], reverse=True)


def unfinished(versions: Path) -> list[Path]:
    """The folders of the steps that are under way, or whose process is dead."""
    return [folder for folder in steps(versions) if folder.name.endswith(OPEN)]


def line_of(pair: Pair) -> dict[str, Any]:
    """A pair as its line in the record."""
    return {"pair": [asdict(way) for way in pair.ways]}


def digest(content: bytes) -> str:
    """What tells one content from another."""
    return hashlib.sha256(content).hexdigest()


def digest_of(path: Path) -> str:
    """The digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(folder: Path) -> datetime:
    try:
        return datetime.strptime("-".join(folder.name.split("-")[1:4]), TIME)
    except ValueError:
        return datetime.min


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Written | Pair]]:
    head, *lines = [*_lines(folder / RECORD)] or [{}]
    changes: dict[str, Written | Pair] = {}
    for line in lines:
        ways = _ways(line.get("pair"))
        name = line.get("write")
        if isinstance(line.get("name"), str) and isinstance(head.get("dataset"), str):
            name = f"{head['dataset']}/{line['name']}"  # as OLD_STEP says it
        if ways:
            changes[ways[0].target] = Pair(ways)
        elif isinstance(name, str) and isinstance(line.get("after"), str):
            change = changes.setdefault(name, Written(name, bool(line.get("existed"))))
            if isinstance(change, Written):
                change.after.add(line["after"])
    return head, changes


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return
    for line in lines:
        try:
            fields = files.from_json(line)
        except ValueError:  # the last line of a session that was killed while it wrote
            continue
        if isinstance(fields, dict):
            yield fields


def _ways(found: Any) -> tuple[Way, ...]:
    """The ways in a line; none where one of them makes no sense."""
    try:
        ways = tuple(Way(**fields) for fields in found or ())
    except TypeError:
        return ()
    texts = (text for way in ways for text in (way.source, way.target, way.after))
    return ways if all(isinstance(text, str) for text in texts) else ()
