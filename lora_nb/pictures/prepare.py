"""Pictures of a dataset brought to a size, a format, a background; their originals stay in the history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_nb import files
from lora_nb.config.pictures import PrepareConfig
from lora_nb.dataset import gate, images
from lora_nb.dataset.gate import Changes, Move
from lora_nb.events import Progress, Tell, silent
from lora_nb.pictures import before_after
from lora_nb.pictures.making import Made, Maker
from lora_nb.project import folders_of_dataset
from lora_nb.wording import counted

AT_ONCE = 8  # pictures in memory
ASKS_NOTHING = "nothing is asked for: give a size, a format, what to do with transparency, or make_masks"


@dataclass(frozen=True)
class Prepared:
    """How many pictures were changed, and masks written; how many are right as they were; (name, why) of the others."""

    changed: int = 0
    masks: int = 0
    same: int = 0
    failed: tuple[tuple[str, str], ...] = ()


def prepare(config: PrepareConfig, tell: Tell = silent) -> Prepared:
    """Bring pictures to what is asked for, in one step that can be undone; one that is right already is not touched.

    Raises ValueError for a name that is no picture of the dataset, and when nothing is asked for.
    """
    dataset = Path(config.train_data_dir).absolute()
    if not asks(config):
        raise ValueError(ASKS_NOTHING)
    paths, maker = _chosen(config, dataset), Maker(config, tell)
    done: list[Made] = []
    failed: list[tuple[str, str]] = []
    with gate.step(dataset, "prepare") as changes:
        for path, made in _each_made(maker, paths, tell):
            reason = made if isinstance(made, str) else _put(made, changes)
            if reason:
                failed.append((path.relative_to(dataset).as_posix(), reason))
            else:
                done.append(_noted(made))
    _write_sheet(done, dataset)
    changed = sum(one.content is not None for one in done)
    masks = sum(one.mask is not None for one in done)
    same = sum(one.content is None and one.mask is None for one in done)
    return Prepared(changed, masks, same, tuple(failed))


def asks(config: PrepareConfig) -> bool:
    """Whether a config asks for anything."""
    return bool(
        config.size.strip() or config.format != "keep" or config.transparent != "keep" or config.make_masks
        or config.mask_file
    )  # fmt: skip


def _chosen(config: PrepareConfig, dataset: Path) -> list[Path]:
    every = {path.relative_to(dataset).as_posix(): path for path in _pictures(dataset)}
    unknown = [name for name in config.names if name not in every]
    if unknown:
        raise ValueError(f'"{unknown[0]}" is no picture of {dataset}: give its path in there, as 5_cat/a.png')
    if config.mask_file and len(config.names) != 1:
        raise ValueError("mask_file is for one picture: say in names which")
    return [every[name] for name in dict.fromkeys(config.names)] or list(every.values())


def _pictures(dataset: Path) -> list[Path]:
    found = images.scan(dataset, verify=False)
    return sorted([*(item.path for item in found.items), *(one.path for one in found.broken)])


def _each_made(maker: Maker, paths: Sequence[Path], tell: Tell) -> Iterator[tuple[Path, Made | str]]:
    for start in range(0, len(paths), AT_ONCE):
        yield from images.each(maker.make, paths[start : start + AT_ONCE], "")
        tell(Progress("Preparing pictures", min(start + AT_ONCE, len(paths)), len(paths)))


def _put(made: Made, changes: Changes) -> str:
    """Write a picture and its mask; why it cannot be, or ""."""
    if made.content is not None:
        if made.target != made.path and made.target.exists():
            return f"{made.target.name} stands there already"
        changes.write(made.target, made.content)
        if made.target != made.path:
            changes.move([(Move(made.path, changes.dropped(made.path)),)])
    if made.mask is not None:
        changes.write(images.mask_path(made.path), made.mask)
    return ""


def _noted(made: Made) -> Made:
    """What is remembered of a picture that is written: not its bytes."""
    content, mask = (None if one is None else b"" for one in (made.content, made.mask))
    return Made(made.path, made.target, content, mask, made.row)


def _write_sheet(done: Sequence[Made], dataset: Path) -> None:
    rows = [one.row for one in done if one.content is not None or one.mask is not None]
    if rows:
        page = before_after.page(rows, f"{counted(len(rows), 'picture')}, before and after")
        files.write_text(folders_of_dataset(dataset).report / before_after.REPORT, page)
