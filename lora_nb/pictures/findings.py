"""What a curation found, from report/curate.json to the screen in one shape."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.project import Folders

REPORT = "curate.json"


@dataclass(frozen=True)
class Unread:
    """A file that could not be read: where it lay, why, and where it was set aside."""

    path: Path
    reason: str
    set_aside: Path


@dataclass(frozen=True)
class Copy:
    """A picture that shows the same as the kept one; `distance` bits of 64 lie between their hashes."""

    path: Path
    distance: int
    set_aside: Path | None = None


@dataclass(frozen=True)
class Cluster:
    """Pictures that show the same: the best one, why it is the best, and the others."""

    kept: Path
    copies: tuple[Copy, ...]
    reason: str


@dataclass(frozen=True)
class Findings:
    """What is wrong with a dataset's pictures. Paths are absolute here and relative to the project in the file."""

    broken: tuple[Unread, ...] = ()
    clusters: tuple[Cluster, ...] = ()

    @property
    def moved(self) -> int:
        """How many pictures were set aside."""
        return len(self.broken) + sum(len(cluster.copies) for cluster in self.clusters)


def write(folders: Folders, found: Findings, put: Callable[[Path, bytes], None] = files.write_bytes) -> None:
    """Keep what a curation found, for `read`; by `put`."""

    def named(value: Any) -> str:
        return value.relative_to(folders.base.absolute()).as_posix()

    text = json.dumps(asdict(found), indent=1, default=named)
    put(folders.report / REPORT, text.encode())


def read(folders: Folders) -> Findings:
    """What the last curation found, without what does not lie in this project; nothing when there was none.

    Absolute paths of an earlier version are read where they lead into a project's dataset or set_aside, whatever it
    was called then.
    """
    try:
        report = files.from_json((folders.report / REPORT).read_bytes())
    except (FileNotFoundError, ValueError):
        report = {}
    broken = [one for entry in _dicts(report, "broken") if (one := _unread(folders, entry))]
    clusters = [one for entry in _dicts(report, "clusters") if (one := _cluster(folders, entry))]
    return Findings(tuple(broken), tuple(clusters))


def _unread(folders: Folders, entry: dict[str, Any]) -> Unread | None:
    place = _place(folders.set_aside, entry.get("set_aside"))
    if place is None or not isinstance(entry.get("path"), str) or not isinstance(entry.get("reason"), str):
        return None
    return Unread(_place(folders.dataset, entry["path"]) or Path(entry["path"]), entry["reason"], place)


def _cluster(folders: Folders, entry: dict[str, Any]) -> Cluster | None:
    kept = _place(folders.dataset, entry.get("kept"))
    if kept is None or not isinstance(entry.get("reason"), str):
        return None
    copies = [one for copy in _dicts(entry, "copies") if (one := _copy(folders, copy))]
    return Cluster(kept, tuple(copies), entry["reason"])


def _copy(folders: Folders, entry: dict[str, Any]) -> Copy | None:
    place = _place(folders.set_aside, entry.get("set_aside"))
    if place is None or not isinstance(entry.get("path"), str) or not isinstance(entry.get("distance"), int):
        return None
    return Copy(_place(folders.dataset, entry["path"]) or Path(entry["path"]), entry["distance"], place)


def _dicts(holder: Any, key: str) -> list[dict[str, Any]]:
    found = holder.get(key) if isinstance(holder, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _place(folder: Path, path: Any) -> Path | None:
    """A picture in `folder`, by its path in a report; None for one that lies elsewhere."""
    if not isinstance(path, str):
        return None
    parts = path.removeprefix(f"{folder.parent}/").replace("\\", "/").split("/")
    at = [number for number, part in enumerate(parts[:-1]) if part == folder.name]
    if not at:
        return None
    inner = parts[1:] if at[0] == 0 else parts[at[-1] + 1 :]  # the latter was absolute, in another place
    return files.within(folder, "/".join(inner))
