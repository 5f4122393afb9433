"""Versions on disk: which files a dataset held at one moment, every content kept once.

A version is one JSON file in `versions/snapshots/`, written last, so that one cut off is none. Captions and the like
lie in `versions/texts.jsonl`, pictures in `versions/objects/<sha256>`: copied, as a hard link would follow whatever a
program writes into the picture later. A light version only names its pictures: the project still holds the bytes of
each one that a step set aside or replaced.
"""

import base64
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.dataset import record
from lora_nb.dataset.record import TIME
from lora_nb.events import Progress, Tell, silent
from lora_nb.project import Folders, folders_of_dataset

# Kept in one file, as Drive is slow with many.
WORDS = (".txt", ".caption", ".json", ".jsonl", ".toml", ".csv", ".md", ".yaml")
MOST_WORDS = 1 << 20  # bytes
FIRST_OF_THE_DAY = "before the first change of the day"


@dataclass(frozen=True)
class Held:
    """One file as it was: bytes, time of its last change, digest of its content."""

    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Snapshot:
    """A version. `files` are by their names in the dataset; `whole` says that the bytes of all of them were kept.

    `dataset` is the name of its folder. `automatic` is why it was made where nobody asked for it. `project`
    is the digest of project.toml, "" for none.
    """

    id: str
    dataset: str
    name: str = ""
    note: str = ""
    automatic: str = ""
    whole: bool = False
    project: str = ""
    files: Mapping[str, Held] = field(default_factory=dict)

    @property
    def made(self) -> datetime:
        """When it was made, in local time."""
        return datetime.strptime(self.id, TIME)

    @property
    def title(self) -> str:
        """What people call it: its name, else its time."""
        return self.name or f"{self.made:%Y-%m-%d %H:%M}"


def look(dataset: Path, known: Mapping[str, Held] | None = None, tell: Tell = silent) -> dict[str, Held]:
    """The files of a dataset, hidden ones left out; one as large and as old as in `known` has the same digest."""
    paths = list(_paths(dataset))
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda path: _held(path, (known or {}).get(_name(dataset, path))), paths)
        looked = {}
        for done, (path, held) in enumerate(zip(paths, found, strict=True), start=1):
            looked[_name(dataset, path)] = held
            tell(Progress("Looking at the files", done, len(paths)))
    return looked


def names(dataset: Path) -> Iterator[str]:
    """The names of the files of a dataset, hidden ones left out."""
    return (_name(dataset, path) for path in _paths(dataset))


def _paths(dataset: Path) -> Iterator[Path]:
    for place, inner, found in os.walk(dataset):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        found = (Path(place, name) for name in sorted(found) if not name.startswith("."))
        yield from (path for path in found if path.is_file())


def _name(dataset: Path, path: Path) -> str:
    return path.relative_to(dataset).as_posix()


def _held(path: Path, known: Held | None) -> Held:
    seen = path.stat()
    same = known is not None and (known.size, known.mtime_ns) == (seen.st_size, seen.st_mtime_ns)
    return Held(seen.st_size, seen.st_mtime_ns, known.sha256 if same else record.digest_of(path))


def make(dataset: Path, about: Mapping[str, str], whole: bool, tell: Tell = silent) -> Snapshot:
    """Keep the dataset as it is now; `about` is name, note and automatic of the version.

    For whoever has the turn at this dataset (gate.alone): nothing may change meanwhile.
    """
    folders = folders_of_dataset(dataset)
    last = next(iter(listed(dataset)), None)
    found = look(dataset, last.files if last else None, tell)
    texts = {held.sha256: dataset / name for name, held in found.items() if _is_words(name, held)}
    project = ""
    if folders.handover.is_file():
        project = record.digest_of(folders.handover)
        texts[project] = folders.handover
    _keep_texts(folders, texts)
    if whole:
        _keep_pictures(dataset, found, tell)
    made = Snapshot(_free_id(folders), dataset.name, **about, whole=whole, project=project, files=found)
    _write(folders, made)
    return made


def daily(dataset: Path) -> None:
    """Before the first change of a day: a light version, so that there is one of how each day began."""
    today = f"{datetime.now():%Y%m%d}"
    if any(path.stem.startswith(today) for path in _manifests(folders_of_dataset(dataset))) and any(
        made.id.startswith(today) for made in listed(dataset)
    ):
        return
    if dataset.is_dir() and next(_paths(dataset), None):
        make(dataset, {"automatic": FIRST_OF_THE_DAY}, whole=False)


def listed(dataset: Path) -> Iterator[Snapshot]:
    """The versions of a dataset, the last one first. What is no version is passed over."""
    found = (_read(path) for path in sorted(_manifests(folders_of_dataset(dataset)), reverse=True))
    return (snapshot for snapshot in found if snapshot and snapshot.dataset == dataset.name)


def contents(folders: Folders) -> dict[str, bytes]:
    """The words that were kept, by their digests."""
    try:
        lines = (folders.versions / record.TEXTS).read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    found = filter(None, map(_text_of, lines))
    return {record.digest(content): content for content in found}


def kept_picture(folders: Folders, digest: str) -> Path | None:
    """Where the bytes of a picture were kept; None where they were not."""
    path = folders.versions / record.OBJECTS / digest
    return path if path.is_file() else None


def _manifests(folders: Folders) -> list[Path]:
    return [path for path in (folders.versions / record.SNAPSHOTS).glob("*.json") if path.name[0] != "."]


def _is_words(name: str, held: Held) -> bool:
    return name.lower().endswith(WORDS) and held.size <= MOST_WORDS


def _free_id(folders: Folders) -> str:
    """A new name, after all those there are though a clock was set back."""
    last = max((path.stem for path in _manifests(folders)), default="")
    stamp = datetime.now().strftime(TIME)
    return stamp if stamp > last else f"{last[:-6]}{int(last[-6:]) + 1:06d}"


def _keep_texts(folders: Folders, wanted: Mapping[str, Path]) -> None:
    known = contents(folders)
    new = [_text_line(path.read_bytes()) for digest, path in wanted.items() if digest not in known]
    if new:
        folders.versions.mkdir(parents=True, exist_ok=True)
        files.append_line(folders.versions / record.TEXTS, "\n".join(new))


def _text_line(content: bytes) -> str:
    try:
        return json.dumps({"text": content.decode("utf-8")})
    except UnicodeDecodeError:
        return json.dumps({"base64": base64.b64encode(content).decode()})


def _text_of(line: bytes) -> bytes | None:
    try:
        fields = files.from_json(line)
        return fields["text"].encode() if "text" in fields else base64.b64decode(fields["base64"])
    except (ValueError, TypeError, KeyError, AttributeError):  # the last line of a session that was killed
        return None


def _keep_pictures(dataset: Path, found: Mapping[str, Held], tell: Tell) -> None:
    objects = folders_of_dataset(dataset).versions / record.OBJECTS
    objects.mkdir(parents=True, exist_ok=True)
    large = {held.sha256: name for name, held in found.items() if not _is_words(name, held)}
    new = [(name, objects / digest) for digest, name in large.items() if not (objects / digest).exists()]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(lambda pair: _copy(dataset / pair[0], pair[1]), new), 1):
            tell(Progress("Keeping the pictures", done, len(new)))


def _copy(path: Path, target: Path) -> None:
    with files.replacing(target) as temporary:
        shutil.copyfile(path, temporary)


def _write(folders: Folders, made: Snapshot) -> None:
    held = {name: vars(one) for name, one in made.files.items()}
    fields = {"version": 1, **{key: value for key, value in vars(made).items() if key not in ("id", "files")}}
    path = folders.versions / record.SNAPSHOTS / f"{made.id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps({**fields, "files": held}))


def _read(path: Path) -> Snapshot | None:
    try:
        datetime.strptime(path.stem, TIME)
        fields = files.from_json(path.read_bytes())
        held = {name: one for name, given in fields["files"].items() if (one := _held_of(given))}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    texts = {key: str(fields.get(key, "")) for key in ("dataset", "name", "note", "automatic", "project")}
    return Snapshot(path.stem, **texts, whole=fields.get("whole") is True, files=held)


def _held_of(given: Any) -> Held | None:
    """A file as a version's list says it; None for what makes no sense. What else is said of it is left out."""
    try:
        size, mtime_ns, sha256 = given["size"], given["mtime_ns"], given["sha256"]
    except (TypeError, KeyError):
        return None
    fine = isinstance(size, int) and isinstance(mtime_ns, int) and isinstance(sha256, str)
    return Held(size, mtime_ns, sha256) if fine and sha256.isalnum() else None


def elsewhere(folders: Folders) -> Iterator[Path]:
    """The files of steps, in which the old bytes of pictures lie that were replaced or taken away."""
    return chain.from_iterable(_paths(step) for step in record.steps(folders.versions))
