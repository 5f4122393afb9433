"""The steps on a dataset so far, and how the last one is taken back."""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.dataset import gate, record
from lora_nb.dataset.captions import caption_path
from lora_nb.dataset.images import IMAGE_EXTENSIONS, MASK, is_picture
from lora_nb.dataset.record import OPEN, OWN, TAKEN_BACK, UNDONE, Pair, Record, Way, Written
from lora_nb.project import folders_of_dataset

LEADS_OUT = "its name leads out of the dataset"
CHANGED, GONE = "it was changed since", "it is not there any more"


@dataclass(frozen=True)
class Undone:
    """A step that was undone: its verb, things as before, things left as (name, reason), and its `note`.

    Of the `restored`, `pictures` are pictures that went back with their captions; the others are captions.
    """

    verb: str
    restored: int
    left: tuple[tuple[str, str], ...]
    note: dict[str, Any]
    pictures: int = 0


def undo(dataset: Path) -> Undone | None:
    """Take back the last step that is not undone; None when there is none. What changed since is left as it is."""
    dataset = Path(dataset).absolute()
    with gate.alone(dataset, "undo"):
        for folder in record.steps(folders_of_dataset(dataset).versions):
            last = Record(folder)
            if not folder.name.endswith(TAKEN_BACK) and last.dataset == dataset.name and last.changes:
                return _take_back(last)
    return None


def _take_back(last: Record) -> Undone:
    last.rename(OPEN)
    try:
        _plan_way_back(last)
        reasons = {
            name: _revert(last, change) for name, change in reversed(Record(last.folder).changes.items())
        }
    except BaseException:
        with suppress(OSError):  # the disk that is full: whoever comes next closes it
            gate.close(Record(last.folder))
        raise
    last.rename(TAKEN_BACK)
    left = tuple(
        (name.removeprefix(f"{last.dataset}/"), reason) for name, reason in reasons.items() if reason
    )
    done = [name for name, reason in reasons.items() if not reason and _counts(last, name)]
    pictures = sum(isinstance(last.changes[name], Pair) or is_picture(Path(name)) for name in done)
    return Undone(str(last.head.get("verb", "")), len(done), left, last.note, pictures)


def _counts(last: Record, name: str) -> bool:
    """Whether a change is one of a picture or a caption, not of what is noted about them."""
    change = last.changes[name]
    if isinstance(change, Pair):
        return True
    copied = is_picture(Path(name)) and not change.existed  # its original, which went, counts
    return name.startswith(f"{last.dataset}/") and not copied and not name.endswith(MASK)


def _plan_way_back(last: Record) -> None:
    """Note where each picture and its captions go: what an import brought stays in the step's folder."""
    plans = [_way_back(last, pair) for pair in last.pairs]
    last.append([record.line_of(plan) for plan, pair in zip(plans, last.pairs, strict=True) if plan != pair])


def _way_back(last: Record, pair: Pair) -> Pair:
    """As `pair`, with a caption that the picture got since; an import's own way back is into the step's folder."""
    if pair.ways[0].source.startswith(f"{OWN}/"):
        return Pair(tuple(replace(way, source=f"{OWN}/{UNDONE}/{way.target}") for way in pair.ways))
    source, target = (_caption(name) for name in (pair.ways[0].source, pair.ways[0].target))
    known = any(way.source == source or way.target == target for way in pair.ways[1:])
    written = None if known else last.path(target)
    if written and written.exists() and not _shared(last, pair):
        return Pair((*pair.ways, Way(source, target)))
    return pair


def _caption(name: str) -> str:
    return caption_path(Path(name)).as_posix()


def _shared(last: Record, pair: Pair) -> bool:
    """Whether another picture at the target has the same caption."""
    path = last.path(pair.ways[0].target)
    endings = {ending for small in IMAGE_EXTENSIONS for ending in (small, small.upper())} - {path.suffix}
    return any(path.with_suffix(ending).exists() for ending in endings)


def _revert(last: Record, change: Written | Pair) -> str:
    """Why something is left as it is now; "" when it is as it was before."""
    if isinstance(change, Written):
        return _revert_written(last, change)
    reason = _hindrance(last, change)
    if not reason and last.path(change.ways[0].target).exists():
        for way in change.ways:
            if last.path(way.target).exists():
                gate.back(last, way)
    return reason


def _hindrance(last: Record, pair: Pair) -> str:
    """Why a picture cannot go back with all that is its own; "" too where it is back already."""
    places = [(last.path(way.source), last.path(way.target)) for way in pair.ways]
    if not all(source and target for source, target in places):
        return LEADS_OUT
    (source, target), picture = places[0], pair.ways[0]
    if not target.exists():
        return "" if source.exists() or picture.source.startswith(f"{OWN}/") else GONE
    if any(way.after and _differs(place, way) for way, (_, place) in zip(pair.ways, places, strict=True)):
        return CHANGED
    if len(pair.ways) == 1 and picture.after and caption_path(target).exists():
        return "it has a caption since"
    if any(
        not way.copied and last.path(way.target).exists() and last.path(way.source).exists()
        for way in pair.ways
    ):
        return "another file stands in its old place"
    takes_caption = any(_caption(picture.target) == way.target and not way.copied for way in pair.ways[1:])
    return "another picture shares its caption by now" if takes_caption and _shared(last, pair) else ""


def _differs(path: Path, way: Way) -> bool:
    return not path.is_file() or record.digest_of(path) != way.after


def _revert_written(last: Record, change: Written) -> str:
    path, kept = last.path(change.name), last.kept(change.name)
    if path is None or kept is None:
        return LEADS_OUT
    now = path.read_bytes() if path.is_file() else None
    old = kept.read_bytes() if change.existed and kept.is_file() else None
    if change.existed and old is None:
        return "its old content is not in versions/ any more"
    if now == old:
        return ""
    if now is None:
        return GONE
    if record.digest(now) not in change.after:
        return CHANGED
    if old is None:
        taken = files.free_name(last.folder / UNDONE / change.name)
        taken.parent.mkdir(parents=True, exist_ok=True)
        os.rename(path, taken)
    else:
        files.write_bytes(path, old)
    return ""
