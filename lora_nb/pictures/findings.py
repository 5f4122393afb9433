"""What was found wrong with the pictures, from the files in report/ to the screen in one shape."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lora_nb import files
from lora_nb.pictures.pairing import Distances
from lora_nb.project import Folders

REPORT, LOOKED = "curate.json", "check.json"  # what was moved, which an undo brings back; what was only found
SPOILS, HURTS, MINOR = 3, 2, 1  # what a finding does to a LoRA

Action = Literal["set_aside", "keep_other", "crop", "show"]


@dataclass(frozen=True)
class Finding:
    """One thing found: its kind, the pictures it is about (none: the whole set), in words, how bad, what mends it.

    `harm` is SPOILS, HURTS or MINOR; `action` is what its button does.
    """

    kind: str
    pictures: tuple[Path, ...]
    sentence: str
    harm: int
    action: Action


@dataclass(frozen=True)
class Unread:
    """A file that could not be read: where it lay, why, and where it was set aside."""

    path: Path
    reason: str
    set_aside: Path | None = None


@dataclass(frozen=True)
class Copy:
    """A picture that shows the same as the kept one: `how` says in what it differs."""

    path: Path
    how: str
    set_aside: Path | None = None


@dataclass(frozen=True)
class Cluster:
    """Pictures that show the same: the best one, why it is the best, and the others."""

    kept: Path
    copies: tuple[Copy, ...]
    reason: str


@dataclass(frozen=True)
class Findings:
    """What is wrong with a dataset's pictures. Paths are absolute here and relative to the project in the file.

    `others` is what a check found beside broken pictures and copies; `distances` where the pairs of pictures lay.
    """

    broken: tuple[Unread, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    others: tuple[Finding, ...] = ()
    distances: Distances | None = None

    @property
    def moved(self) -> int:
        """How many pictures were set aside."""
        places = [one.set_aside for one in self.broken]
        places += [copy.set_aside for cluster in self.clusters for copy in cluster.copies]
        return sum(place is not None for place in places)

    @property
    def all(self) -> tuple[Finding, ...]:
        """Everything in one shape, the worst first."""
        found = [Finding("broken", (one.path,), one.reason, SPOILS, "set_aside") for one in self.broken]
        found += [of_cluster(cluster) for cluster in self.clusters]
        return tuple(sorted((*found, *self.others), key=lambda one: -one.harm))


def of_cluster(cluster: Cluster) -> Finding:
    """A group of copies as a finding; its first picture is the best."""
    pictures = (cluster.kept, *(copy.path for copy in cluster.copies))
    sentence = f"{len(pictures)} pictures show the same; {cluster.kept.name} is {cluster.reason}"
    return Finding("copies", pictures, sentence, HURTS, "keep_other")


def with_earlier(folders: Folders, found: Findings) -> Findings:
    """`found`, and what an earlier search set aside that still lies there."""
    earlier = _read(folders, REPORT)
    broken = [one for one in earlier.broken if one.set_aside and one.set_aside.exists()]
    clusters = [one for one in earlier.clusters if one.kept.exists() and _any_aside(one)]
    return replace(found, broken=(*found.broken, *broken), clusters=(*found.clusters, *clusters))


def replaced(folders: Folders, old: Cluster, new: Cluster) -> Findings:
    """What was set aside so far, with another cluster in place of `old`."""
    found = _read(folders, REPORT)
    others = [one for one in found.clusters if one != old]
    return replace(found, clusters=(new, *others))


def _any_aside(cluster: Cluster) -> bool:
    return any(copy.set_aside and copy.set_aside.exists() for copy in cluster.copies)


def write(
    folders: Folders,
    found: Findings,
    put: Callable[[Path, bytes], None] = files.write_bytes,
    name: str = REPORT,
) -> None:
    """Keep what was found, for `read`; by `put`."""

    def named(value: Any) -> str:
        return value.relative_to(folders.base.absolute()).as_posix()

    text = json.dumps(asdict(found), indent=1, default=named)
    put(folders.report / name, text.encode())


def read(folders: Folders) -> Findings:
    """What was set aside last, and what was found since that still stands; nothing when there was no search.

    What does not lie in this project is left out. Absolute paths of an earlier version are read where they lead into
    a project's dataset or set_aside, whatever it was called then.
    """
    moved, looked = _read(folders, REPORT), _read(folders, LOOKED)
    broken = tuple(one for one in looked.broken if one.path.exists())
    clusters = tuple(
        one for one in looked.clusters if one.kept.exists() and all(copy.path.exists() for copy in one.copies)
    )
    others = tuple(one for one in looked.others if all(path.exists() for path in one.pictures))
    return Findings(
        (*moved.broken, *broken), (*moved.clusters, *clusters), (*moved.others, *others),
        looked.distances if clusters or moved.distances is None else moved.distances,
    )  # fmt: skip


def _read(folders: Folders, name: str) -> Findings:
    folders = Folders(folders.base.absolute())
    try:
        report = files.from_json((folders.report / name).read_bytes())
    except (FileNotFoundError, ValueError):
        report = {}
    broken = [one for entry in _dicts(report, "broken") if (one := _unread(folders, entry))]
    clusters = [one for entry in _dicts(report, "clusters") if (one := _cluster(folders, entry))]
    others = [one for entry in _dicts(report, "others") if (one := _finding(folders, entry))]
    distances = _distances(report.get("distances") if isinstance(report, dict) else None)
    return Findings(tuple(broken), tuple(clusters), tuple(others), distances)


def _unread(folders: Folders, entry: dict[str, Any]) -> Unread | None:
    fine = isinstance(entry.get("path"), str) and isinstance(entry.get("reason"), str)
    if not fine or not _known_place(folders, entry):
        return None
    path = _place(folders.dataset, entry["path"]) or Path(entry["path"])
    return Unread(path, entry["reason"], _place(folders.set_aside, entry.get("set_aside")))


def _cluster(folders: Folders, entry: dict[str, Any]) -> Cluster | None:
    kept = _place(folders.dataset, entry.get("kept"))
    if kept is None or not isinstance(entry.get("reason"), str):
        return None
    copies = [one for copy in _dicts(entry, "copies") if (one := _copy(folders, copy))]
    return Cluster(kept, tuple(copies), entry["reason"])


def _copy(folders: Folders, entry: dict[str, Any]) -> Copy | None:
    how, bits = entry.get("how"), entry.get("distance")  # the latter of a version that knew hashes alone
    how = how if isinstance(how, str) else f"{bits} of 64 bits differ" if isinstance(bits, int) else None
    if how is None or not isinstance(entry.get("path"), str) or not _known_place(folders, entry):
        return None
    path = _place(folders.dataset, entry["path"]) or Path(entry["path"])
    return Copy(path, how, _place(folders.set_aside, entry.get("set_aside")))


def _known_place(folders: Folders, entry: dict[str, Any]) -> bool:
    """Whether it says that the picture was not moved, or where to, which is in this project."""
    if "set_aside" in entry and entry["set_aside"] is None:
        return _place(folders.dataset, entry.get("path")) is not None
    return _place(folders.set_aside, entry.get("set_aside")) is not None


def _finding(folders: Folders, entry: dict[str, Any]) -> Finding | None:
    names = entry.get("pictures")
    pictures = [_place(folders.dataset, name) for name in names] if isinstance(names, list) else [None]
    words = (entry.get("kind"), entry.get("sentence"), entry.get("action"))
    if (
        None in pictures
        or not all(isinstance(one, str) for one in words)
        or type(entry.get("harm")) is not int
    ):
        return None
    return Finding(words[0], tuple(pictures), words[1], entry["harm"], words[2])


def _distances(entry: Any) -> Distances | None:
    try:
        found = Distances(**entry)
        ends = [float(one) for one in (found.low, found.high, found.threshold)]
        counts = tuple(int(one) for one in found.counts)
    except (TypeError, ValueError):
        return None
    return replace(found, low=ends[0], high=ends[1], threshold=ends[2], counts=counts, label=str(found.label))


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
