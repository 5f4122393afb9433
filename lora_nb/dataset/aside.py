"""Pictures moved out of the dataset, and back."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lora_nb import files
from lora_nb.dataset import gate
from lora_nb.dataset.gate import Changes, Move
from lora_nb.dataset.images import IMAGE_EXTENSIONS, is_picture
from lora_nb.dataset.places import Places
from lora_nb.project import Folders, folders_of_dataset

REASONS = "reasons.jsonl"


@dataclass(frozen=True)
class Aside:
    """A picture in `set_aside/`: its place there, its place in the dataset (both relative), and why."""

    name: str
    original: str
    reason: str


@dataclass(frozen=True)
class Leaving:
    """A picture that is to be set aside: where it lies, where it will, why, and its moves."""

    path: Path
    target: Path
    reason: str
    moves: tuple[Move, ...]


def project_of(dataset: Path) -> Folders:
    """The project whose dataset this is. Raises ValueError for a folder of another name."""
    folders = folders_of_dataset(dataset)
    if Path(dataset).absolute() != folders.dataset:
        raise ValueError(
            f"{dataset} is not called {folders.dataset.name}, as the dataset of a project is, beside which pictures "
            "can be set aside: rename it, or import it into a project"
        )
    return folders


def set_aside(folders: Folders, paths_with_reasons: Sequence[tuple[Path, str]]) -> int:
    """How many pictures moved out of the dataset, each with its caption; nothing is deleted or overwritten."""
    with gate.step(folders.dataset, "curate") as changes:
        move_aside(folders, plan_aside(folders, paths_with_reasons, changes), changes)
    return len(paths_with_reasons)


def plan_aside(
    folders: Folders, paths_with_reasons: Sequence[tuple[Path, str]], changes: Changes
) -> list[Leaving]:
    """How these pictures of the dataset can leave it. Nothing is moved."""
    places, leaving = Places(changes.dropped), []
    for given, reason in paths_with_reasons:
        path = given.absolute()
        target = places.free(folders.set_aside.absolute() / _within(folders.dataset, path), path)
        leaving.append(Leaving(path, target, reason, places.move(path, target)))
    return leaving


def move_aside(folders: Folders, leaving: Sequence[Leaving], changes: Changes) -> None:
    """Move pictures as planned. The reasons are on disk before the pictures move."""
    if leaving:
        lines = "".join(_to_line(_record_of(folders, one)) for one in leaving)
        changes.write(folders.set_aside / REASONS, _whole_lines(folders) + lines.encode())
        changes.move([one.moves for one in leaving])


def _record_of(folders: Folders, leaving: Leaving) -> Aside:
    name, original = (
        path.relative_to(root.absolute()).as_posix()
        for path, root in ((leaving.target, folders.set_aside), (leaving.path, folders.dataset))
    )
    return Aside(name, original, leaving.reason)


def _whole_lines(folders: Folders) -> bytes:
    """The reasons so far; a last line that a kill cut off is closed."""
    path = folders.set_aside / REASONS
    content = path.read_bytes() if path.is_file() else b""
    return content if content.endswith(b"\n") or not content else content + b"\n"


def _to_line(aside: Aside) -> str:
    return json.dumps(asdict(aside)) + "\n"


def _within(dataset: Path, path: Path) -> Path:
    try:
        return Path(path).absolute().relative_to(dataset.absolute())
    except ValueError:
        raise ValueError(
            f"{path} is not in the dataset {dataset}: only its pictures can be set aside"
        ) from None


def list_aside(folders: Folders) -> tuple[Aside, ...]:
    """The pictures that are set aside now, in the order they were; one without a record has an empty reason."""
    recorded = {aside.name: aside for aside in _read_reasons(folders)}
    present = {path.relative_to(folders.set_aside).as_posix() for path in _pictures(folders.set_aside)}
    known = [aside for name, aside in recorded.items() if name in present]
    return (*known, *(Aside(name, name, "") for name in sorted(present - recorded.keys())))


def bring_back(folders: Folders, names: Sequence[str] | None = None) -> int:
    """How many pictures went back to where they were, with their captions: those of `names`, or all.

    A place that is taken by now is not overwritten: the picture gets the next free name. Raises ValueError
    for a name that is not set aside.
    """
    with gate.step(folders.dataset, "restore") as changes:
        return len(put_back(folders, names, changes))


def put_back(folders: Folders, names: Sequence[str] | None, changes: Changes) -> list[Path]:
    """Where the pictures of `names`, or all, went back to; a part of somebody's step, otherwise as `bring_back`."""
    aside = {item.name: item for item in list_aside(folders)}
    unknown = [name for name in names or () if name not in aside]
    if unknown:
        raise ValueError(f'"{unknown[0]}" is not set aside: choose from {folders.set_aside}')
    wanted = list(aside.values()) if names is None else [aside[name] for name in dict.fromkeys(names)]
    places, moves, targets = Places(changes.dropped), [], []
    for item in wanted:
        path = folders.set_aside.absolute() / item.name
        targets.append(places.free(folders.dataset.absolute() / item.original, path))
        moves.append(places.move(path, targets[-1]))
    changes.move(moves)
    if wanted:  # after the moves: until then the records are needed
        changes.write(folders.set_aside / REASONS, records(folders))
    return targets


def records(folders: Folders) -> bytes:
    """The content of reasons.jsonl for the pictures that are set aside now."""
    return "".join(map(_to_line, list_aside(folders))).encode()


def _read_reasons(folders: Folders) -> list[Aside]:
    try:
        lines = (folders.set_aside / REASONS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    reasons = []
    for line in lines:
        try:
            aside = Aside(**files.from_json(line))
        except (ValueError, TypeError):  # the last line of a session that was killed while it wrote
            continue
        if all(isinstance(text, str) for text in (aside.name, aside.original, aside.reason)):
            reasons.append(_checked(folders, aside))
    return reasons


def _checked(folders: Folders, aside: Aside) -> Aside:
    """The record; a place that is no picture within the dataset is replaced by the picture's own name."""
    fine = Path(aside.original).suffix.lower() in IMAGE_EXTENSIONS and files.within(
        folders.dataset, aside.original
    )
    return aside if fine else Aside(aside.name, aside.name, aside.reason)


def _pictures(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if is_picture(path)]
