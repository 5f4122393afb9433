"""Pictures moved out of the dataset, and back."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.dataset import captions
from lora_nb.dataset.images import IMAGE_EXTENSIONS
from lora_nb.project import Folders

REASONS = "reasons.jsonl"
REPORT = "curate.json"


@dataclass(frozen=True)
class Aside:
    """A picture in `set_aside/`: its place there, its place in the dataset (both relative), and why."""

    name: str
    original: str
    reason: str


def set_aside(folders: Folders, paths_with_reasons: Sequence[tuple[Path, str]]) -> int:
    """How many pictures moved out of the dataset, each with its caption; nothing is deleted or overwritten."""
    for path, reason in paths_with_reasons:
        move_aside(folders, path, reason)
    return len(paths_with_reasons)


def move_aside(folders: Folders, path: Path, reason: str) -> Path:
    """The new place of a picture of the dataset. The reason is on disk before the picture moves."""
    original = _within(folders.dataset, path)
    target = _free_place(folders.set_aside / original, captions.caption_path(path))
    aside = Aside(target.relative_to(folders.set_aside).as_posix(), original.as_posix(), reason)
    target.parent.mkdir(parents=True, exist_ok=True)
    files.append_line(folders.set_aside / REASONS, _to_line(aside))
    _move_pair(path, target)
    return target


def _to_line(aside: Aside) -> str:
    return json.dumps(asdict(aside))


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
    aside = {item.name: item for item in list_aside(folders)}
    unknown = [name for name in names or () if name not in aside]
    if unknown:
        raise ValueError(f'"{unknown[0]}" is not set aside: choose from {folders.set_aside}')
    wanted = list(aside.values()) if names is None else [aside[name] for name in dict.fromkeys(names)]
    for item in wanted:
        path = folders.set_aside / item.name
        target = _free_place(folders.dataset / item.original, captions.caption_path(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        _move_pair(path, target)
    if wanted:
        lines = [_to_line(item) + "\n" for item in list_aside(folders)]
        files.write_text(folders.set_aside / REASONS, "".join(lines))
    return len(wanted)


def read_report(folders: Folders) -> dict[str, Any]:
    """What the last curation found, without what does not lie in this project; empty when there was none.

    `{"broken": [{"path", "reason", "set_aside"}], "clusters": [{"kept", "reason", "copies": [{"path",
    "distance", "set_aside"}]}]}` with absolute paths: `path` before, `set_aside` after the move.
    """
    try:
        report = files.from_json((folders.report / REPORT).read_bytes())
    except (FileNotFoundError, ValueError):
        report = {}
    clusters = [
        {**cluster, "copies": _entries(folders, cluster, "copies", "distance")}
        for cluster in _dicts(report, "clusters")
        if isinstance(cluster.get("reason"), str) and _lies_in(folders.dataset, cluster.get("kept"))
    ]
    return {"broken": _entries(folders, report, "broken", "reason"), "clusters": clusters}


def _entries(folders: Folders, holder: Any, key: str, needed: str) -> list[dict[str, Any]]:
    """The entries of a report whose pictures lie where they say and may be shown."""
    return [
        entry
        for entry in _dicts(holder, key)
        if isinstance(entry.get("path"), str)
        and needed in entry
        and _lies_in(folders.set_aside, entry.get("set_aside"))
    ]


def _dicts(holder: Any, key: str) -> list[dict[str, Any]]:
    found = holder.get(key) if isinstance(holder, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _lies_in(folder: Path, path: Any) -> bool:
    try:
        return files.within(folder, Path(path).relative_to(folder).as_posix()) is not None
    except (ValueError, TypeError):
        return False


def write_report(folders: Folders, report: dict[str, Any]) -> None:
    """Keep what a curation found, for `read_report`."""
    files.write_text(folders.report / REPORT, json.dumps(report, indent=1))


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
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_EXTENSIONS]


def _free_place(target: Path, caption: Path) -> Path:
    """`target`, or the first numbered name beside it where picture and caption find no stranger."""
    folder = target.parent
    present = list(folder.iterdir()) if folder.is_dir() else []
    if not _is_taken(target, caption, present):
        return target
    taken = {path.stem.casefold() for path in present}
    return target.with_name(captions.free_stem(target.stem, taken) + target.suffix)


def _is_taken(target: Path, caption: Path, present: list[Path]) -> bool:
    there = captions.caption_path(target)
    if caption.exists() and there.exists() and not target.exists():
        return caption.read_bytes() != there.read_bytes()
    return target.exists() or any(_share_stem(path, target) for path in present)


def _share_stem(path: Path, image: Path) -> bool:
    return path.stem == image.stem and path.suffix.lower() in IMAGE_EXTENSIONS


def _move_pair(path: Path, target: Path) -> None:
    """Move a picture and its caption; a caption that another picture of the same stem needs is copied."""
    caption, new_caption = captions.caption_path(path), captions.caption_path(target)
    shared = any(other != path and _share_stem(other, path) for other in path.parent.iterdir())
    os.rename(path, target)
    if caption.exists() and not new_caption.exists():
        files.write_bytes(new_caption, caption.read_bytes())
    if caption.exists() and not shared:
        caption.unlink()
