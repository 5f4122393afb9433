"""What a step changed in a dataset: the bytes from before are kept first, so that the step can be undone."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.project import folders_of_dataset

RECORD, KEPT, NEW = "changes.jsonl", "before", "undone"
PREFIX, DONE = "captions-", "-undone"


@dataclass(frozen=True)
class Undone:
    """A step that was undone: its verb, files as before, files left as (name, reason), and its `note`."""

    verb: str
    restored: int
    left: tuple[tuple[str, str], ...]
    note: dict[str, Any]


class Changes:
    """Writes files of a dataset for one step. What stood there lies in `versions/` before the first of them changes.

    `note` is what else the step changes, for who undoes it.
    """

    def __init__(self, dataset: Path, verb: str, note: Mapping[str, Any] | None = None) -> None:
        self.dataset = Path(dataset).absolute()
        self.head = {"verb": verb, "dataset": self.dataset.name, "note": dict(note or {})}
        self.folder: Path | None = None
        self.kept: set[str] = set()

    def write(self, path: Path, content: bytes) -> None:
        """Replace the content of a file of the dataset, or make it."""
        self._keep(path, content)
        files.write_bytes(path, content)

    def _keep(self, path: Path, content: bytes) -> None:
        name = Path(path).absolute().relative_to(self.dataset).as_posix()
        folder = self.folder = self.folder or self._begin()
        there = path.exists()
        if there and name not in self.kept:
            files.write_bytes(folder / KEPT / name, path.read_bytes())
        self.kept.add(name)
        line = {"name": name, "existed": there, "after": _digest(content)}
        files.append_line(folder / RECORD, json.dumps(line))

    def _begin(self) -> Path:
        time = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        folder = files.free_name(
            folders_of_dataset(self.dataset).versions / f"{PREFIX}{time}-{self.head['verb']}"
        )
        folder.mkdir(parents=True)
        files.append_line(folder / RECORD, json.dumps(self.head))
        return folder


@dataclass
class _Change:
    """What a record says of one file."""

    existed: bool
    after: set[str] = field(default_factory=set)


def undo(dataset: Path) -> Undone | None:
    """Take back the last step that is not undone; None when there is none. A file that changed since is left."""
    dataset = Path(dataset).absolute()
    for folder in sorted(folders_of_dataset(dataset).versions.glob(f"{PREFIX}*"), reverse=True):
        head, changes = _read(folder)
        if not folder.name.endswith(DONE) and head.get("dataset") == dataset.name:
            reasons = {name: _revert(dataset, folder, name, change) for name, change in changes.items()}
            left = tuple((name, reason) for name, reason in reasons.items() if reason)
            os.rename(folder, files.free_name(folder.with_name(folder.name + DONE)))
            note = head["note"] if isinstance(head.get("note"), dict) else {}
            return Undone(str(head.get("verb", "")), len(changes) - len(left), left, note)
    return None


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, _Change]]:
    try:
        lines = (folder / RECORD).read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        lines = []
    head, *rest = [*filter(None, map(_fields, lines))] or [{}]
    changes: dict[str, _Change] = {}
    for line in rest:
        if isinstance(line.get("name"), str) and isinstance(line.get("after"), str):
            change = changes.setdefault(line["name"], _Change(bool(line.get("existed"))))
            change.after.add(line["after"])
    return head, changes


def _fields(line: str) -> dict[str, Any]:
    try:
        fields = files.from_json(line)
    except ValueError:  # the last line of a session that was killed while it wrote
        return {}
    return fields if isinstance(fields, dict) else {}


def _revert(dataset: Path, folder: Path, name: str, change: _Change) -> str:
    """Why a file is left as it is now; "" when it is as it was before."""
    path, kept = files.within(dataset, name), files.within(folder / KEPT, name)
    if path is None or kept is None:
        return "its name leads out of the dataset"
    now = path.read_bytes() if path.is_file() else None
    old = kept.read_bytes() if change.existed and kept.is_file() else None
    if change.existed and old is None:
        return f"its old content is not in {folder} any more"
    if now == old:
        return ""
    if now is None:
        return "it is not there any more"
    if _digest(now) not in change.after:
        return "it was changed since"
    if old is None:
        (folder / NEW / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, folder / NEW / name)
    else:
        files.write_bytes(path, old)
    return ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
