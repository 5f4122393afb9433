"""One edit of many captions: planned, looked at, made, so that it can be undone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_nb.captioning.edit_kinds import Known, edit_of
from lora_nb.captioning.parts import tag_counts, take_apart
from lora_nb.captioning.scope import read_scope
from lora_nb.captioning.triggers import Triggers
from lora_nb.config.captioning import EditTagsConfig
from lora_nb.dataset import gate, images
from lora_nb.dataset.captions import write_caption
from lora_nb.dataset.gate import Changes
from lora_nb.dataset.images import ImageItem
from lora_nb.events import Tell, silent
from lora_nb.project import folders_of_dataset


@dataclass(frozen=True)
class Change:
    """One caption: its picture's name in the dataset, and its text before and after."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class EditPlan:
    """What an edit does: the captions that change, the captions with each tag before and after, those it saw."""

    changes: tuple[Change, ...]
    before: Mapping[str, int]
    after: Mapping[str, int]
    seen: int

    @property
    def deltas(self) -> dict[str, tuple[int, int]]:
        """(before, after) of each tag whose number of captions changes, the largest change first."""
        names = [name for name in {**self.before, **self.after} if self._of(name)[0] != self._of(name)[1]]
        names.sort(key=lambda name: -abs(self._of(name)[1] - self._of(name)[0]))
        return {name: self._of(name) for name in names}

    def _of(self, name: str) -> tuple[int, int]:
        return self.before.get(name, 0), self.after.get(name, 0)


def plan_edit(config: EditTagsConfig, tell: Tell = silent) -> EditPlan:
    """What the edit would change; nothing is written. Raises ValueError for one that lacks what it needs."""
    edit_of(config, Known())  # what it lacks is said before anything is read
    meant = read_scope(config.where)
    found = _scanned(config, tell)
    items = [item for item in found.items if item.path not in found.unsure]
    _check_names(config, items)
    counts = tag_counts(item.caption or "" for item in items)
    triggers = Triggers.read(folders_of_dataset(Path(config.train_data_dir)), tell)
    edit = edit_of(config, Known(counts, triggers.of))
    changes = []
    for item in items:
        old = item.caption or ""
        chosen = not config.names or _name(config, item) in config.names
        if chosen and meant(take_apart(old).tags) and (new := edit(old, item.subset)) != old:
            changes.append(Change(_name(config, item), old, new))
    texts = {_name(config, item): item.caption or "" for item in items}
    after = tag_counts({**texts, **{change.name: change.new for change in changes}}.values())
    return EditPlan(tuple(changes), counts, after, len(items))


def apply_edit(config: EditTagsConfig, tell: Tell = silent) -> EditPlan:
    """Make the edit and return what it changed. The captions from before are kept for `undo`."""
    folder = Path(config.train_data_dir)
    edit_of(config, Known())
    with gate.step(folder, "edit_tags") as changes:
        plan = plan_edit(config, tell)
        write_changes(folder, plan, changes)
    return plan


def write_changes(folder: Path, plan: EditPlan, changes: Changes) -> None:
    """Write the captions of a plan."""
    for change in plan.changes:
        write_caption(folder / change.name, change.new, write=changes.write)


def _scanned(config: EditTagsConfig, tell: Tell) -> images.Scan:
    folder = Path(config.train_data_dir)
    return images.scan(folder, verify=False, tell=tell, caption_encoding=config.caption_encoding)


def _name(config: EditTagsConfig, item: ImageItem) -> str:
    return item.path.relative_to(config.train_data_dir).as_posix()


def _check_names(config: EditTagsConfig, items: Sequence[ImageItem]) -> None:
    if unknown := set(config.names) - {_name(config, item) for item in items}:
        raise ValueError(
            f"{min(unknown)} is no picture of {config.train_data_dir}: give names as 5_cat/01.png"
        )
