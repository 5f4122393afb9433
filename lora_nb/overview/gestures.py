"""What a person does to chosen pictures: each gesture one step through the gate, taken back by one undo."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_nb.dataset import aside, captions, gate, images
from lora_nb.dataset.places import Places
from lora_nb.events import Progress, Tell, silent
from lora_nb.overview import reframe
from lora_nb.overview.entries import UNSURE, caption_of, revision_of
from lora_nb.overview.reframe import Box
from lora_nb.project import Folders
from lora_nb.wording import some

BY_HAND = "by hand"
NUMBERED = re.compile(r"\d+_(.+)")
MOST_REPEATS = 1000


@dataclass(frozen=True)
class Done:
    """What a gesture changed: so many pictures or captions, and what was left alone as (name, reason)."""

    changed: int
    left: tuple[tuple[str, str], ...] = ()


class ConflictError(ValueError):
    """A caption is not what the edit was based on: somebody else wrote `text` there meanwhile, now at `revision`."""

    def __init__(self, name: str, text: str, revision: str) -> None:
        super().__init__(f"the caption of {name} was changed meanwhile: choose which text stays")
        self.text, self.revision = text, revision


def edit_caption(
    folders: Folders, picture: Path, text: str, base: str | None = None, goes_on: bool = False
) -> str:
    """Write the picture's caption; its new revision. One that `goes_on` is undone together with the edit before.

    Raises ConflictError when the caption is not at revision `base` any more, UnsureError when it cannot be read.
    """
    place = captions.caption_path(picture)
    with gate.step(folders.dataset, "edit_caption", goes_on=place if goes_on else None) as changes:
        old, revision = caption_of(picture)
        if old is None and revision:
            raise captions.UnsureError(f"{place}: {captions.UNSURE}")
        if base is not None and base != revision:
            raise ConflictError(picture.name, old or "", revision)
        content = captions.in_file(text)
        if (old or "") != text.strip():
            changes.write(place, content)
            revision = revision_of(content)
    return revision


def add_tags(folders: Folders, pictures: Sequence[Path], tags: Sequence[str], front: bool = False) -> Done:
    """Add the tags that a caption lacks, at its end or in `front`."""
    added = captions.join_tags(_some_tags(tags))

    def edit(old: str) -> str:
        return captions.add_trigger(old, added) if front else captions.merge_tags(old, added)

    return _edit_all(folders, pictures, "add_tags", edit)


def remove_tags(folders: Folders, pictures: Sequence[Path], tags: Sequence[str]) -> Done:
    """Take the tags out of the captions that have them; what they hold besides stays as it is written."""
    unwanted = _some_tags(tags)
    return _edit_all(folders, pictures, "remove_tags", lambda old: captions.remove_tags(old, unwanted))


def _some_tags(tags: Sequence[str]) -> list[str]:
    found = captions.split_tags(captions.join_tags(tags))
    if not found:
        raise ValueError("no tag is given: write which, with commas between several")
    return found


def _edit_all(folders: Folders, pictures: Sequence[Path], verb: str, edit: Callable[[str], str]) -> Done:
    changed, left = 0, []
    with gate.step(folders.dataset, verb) as changes:
        for place, picture in {captions.caption_path(one): one for one in pictures}.items():
            old, revision = caption_of(picture)
            if old is None and revision:
                left.append((place.name, UNSURE))
                continue
            new = edit(old or "")
            if new != (old or ""):
                changes.write(place, captions.in_file(new))
                changed += 1
    return Done(changed, tuple(left))


def set_aside(folders: Folders, pictures: Sequence[Path], reason: str = BY_HAND) -> Done:
    """Move pictures out of the dataset, each with its caption; `bring_back` and undo bring them back."""
    with gate.step(folders.dataset, "set_aside") as changes:
        planned = aside.plan_aside(folders, [(path, reason) for path in pictures], changes)
        aside.move_aside(folders, planned, changes)
    return Done(len(planned))


def bring_back(folders: Folders, names: Sequence[str]) -> Done:
    """Put pictures back that are set aside, by their names there. Raises ValueError for one that is not."""
    return Done(aside.bring_back(folders, names))


def turn(folders: Folders, pictures: Sequence[Path], quarters: int, tell: Tell = silent) -> Done:
    """Turn pictures by quarters clockwise. Raises ValueError when none of them can be read."""
    return _reframe(folders, pictures, "rotate", lambda path: reframe.turned(path, quarters), tell)


def crop(folders: Folders, pictures: Sequence[Path], box: Box, tell: Tell = silent) -> Done:
    """Keep the part of each upright picture within (left, top, right, bottom). Raises ValueError when none has it."""
    return _reframe(folders, pictures, "crop", lambda path: reframe.cropped(path, box), tell)


def _reframe(
    folders: Folders, pictures: Sequence[Path], verb: str, make: Callable[[Path], bytes], tell: Tell
) -> Done:
    left = []
    with gate.step(folders.dataset, verb) as changes:
        for done, path in enumerate(pictures, start=1):
            try:
                for place, content in [(each, make(each)) for each in _with_mask(path)]:
                    changes.write(place, content)
            except ValueError as error:
                left.append((path.name, str(error)))
            tell(Progress("Writing pictures", done, len(pictures)))
    if left and len(left) == len(pictures):
        raise ValueError(left[0][1])
    return Done(len(pictures) - len(left), tuple(left))


def _with_mask(picture: Path) -> list[Path]:
    """The picture, and its mask where it has one: what is cut off the one is cut off the other."""
    return [path for path in (picture, images.mask_path(picture)) if path.exists()]


def change_repeats(folders: Folders, pictures: Sequence[Path], number: int) -> Done:
    """Move pictures with their captions to the sub-folder that is called after so many repeats."""
    if not 1 <= number <= MOST_REPEATS:
        raise ValueError(
            f"{number} repeats make no sense: write a number from 1 to {MOST_REPEATS}; a picture that is not to be "
            "used is set aside"
        )
    moves = []
    with gate.step(folders.dataset, "repeats") as changes:
        places = Places(changes.dropped)
        for path in pictures:
            target = folders.dataset.absolute() / _folder_for(folders, path, number) / path.name
            if target.parent != path.absolute().parent:
                moves.append(places.move(path.absolute(), places.free(target, path.absolute())))
        changes.move(moves)
    return Done(len(moves))


def _folder_for(folders: Folders, path: Path, number: int) -> str:
    """`N_name`: the name that the picture's folder has already; the project's for one in no sub-folder."""
    here = path.absolute().parent
    if here == folders.dataset.absolute():
        return f"{number}_{folders.base.name}"
    match = NUMBERED.fullmatch(here.name)
    return f"{number}_{match[1] if match else here.name}"


def sentence(done: Done, what: str, nothing: str) -> str:
    """What was changed, in words: `what` holds {}, and {s}, {are}, {have} as one needs; `nothing` is said for 0."""
    words = (
        {"s": "", "are": "is", "have": "has"}
        if done.changed == 1
        else {"s": "s", "are": "are", "have": "have"}
    )
    left = (
        f" Left alone: {some([f'{name} ({reason})' for name, reason in done.left], 3)}." if done.left else ""
    )
    return (what.format(done.changed, **words) if done.changed else nothing) + left
