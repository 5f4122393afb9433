"""What a version without `runs/` left in a project, moved once to the folders of its runs."""

import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lora_nb import files, processes, project, runs
from lora_nb.events import Notice, Tell, silent
from lora_nb.project import Before, Folders
from lora_nb.runs import RunFolder
from lora_nb.wording import some

PREVIEW = re.compile(r"(.+)_e\d{2,}_s\d{6,}_\d{2,}\.png")
TRY = re.compile(r"(.+)_-?\d+(?:-\d+)?\.png")
GRID = re.compile(r"grid(-\d+)?\.json")
BOARD = re.compile(r"events\.out\.tfevents\.(\d+)\..*")
MOST_NAMED = 3

Move = tuple[Path, Path]


def take_over(folders: Folders, tell: Tell = silent) -> None:
    """Move what an older version left to where it lies now; what belongs to no known run stays.

    A move that was cut short is finished by the next call. A taken name is not overwritten, and told. While a job
    of the older version works, nothing is moved.
    """
    if not at_work(folders):
        _move_all(folders, [*_of_runs(folders), *_of_jobs(folders)], tell)


def take_over_runs(folders: Folders, tell: Tell = silent) -> None:
    """`take_over` without the jobs, of which one may have started this very process.

    Raises ValueError while a job of the older version works, which writes where it always did.
    """
    if found := at_work(folders):
        raise ValueError(
            f"an older version of lora_nb still works in {folders.base} ({found}): wait for its end, or stop it"
        )
    _move_all(folders, _of_runs(folders), tell)


def at_work(folders: Folders) -> str:
    """The job of the older version that still works, in words; "" for none."""
    for folder in _inside(Before(folders.base).jobs):
        with suppress(OSError, ValueError, KeyError, TypeError):
            job = files.from_json((folder / "job.json").read_bytes())
            if processes.is_alive(int(job["pid"]), float(job["started"])):
                return f"{job['verb']}, process {job['pid']}"
    return ""


def _move_all(folders: Folders, groups: list[list[Move]], tell: Tell) -> None:
    """Move each group whole, or not at all where one of its names is taken."""
    moved, taken = 0, []
    for group in groups:
        present = [(source, target) for source, target in group if source.exists()]
        stays = [source.relative_to(folders.base).as_posix() for source, target in present if target.exists()]
        taken += stays
        for source, target in present if not stays else ():
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # another process moved it just now
                os.rename(source, target)
                moved += 1
    _leave(Before(folders.base))
    if moved:
        tell(
            Notice(
                f"What an older version of lora_nb left in {folders.base} now lies in runs and jobs there."
            )
        )
    if taken:
        names = some(taken, MOST_NAMED)
        tell(Notice(f"In {folders.base} stay, as runs holds such names already: {names}", "warning"))


def _leave(before: Before) -> None:
    """Take the emptied folders away."""
    logs = before.metrics.parent
    for folder in (before.samples, before.state, before.tensorboard, before.jobs, logs):
        with suppress(OSError):  # it is not there, or not empty
            folder.rmdir()


def _of_jobs(folders: Folders) -> list[list[Move]]:
    return [[(job, folders.jobs / job.name)] for job in _inside(Before(folders.base).jobs)]


def _of_runs(folders: Folders) -> list[list[Move]]:
    """All moves in their order: what tells the runs' names goes last, so that a part done is no riddle."""
    before, known = Before(folders.base), _known(folders)
    owner = _owner_of_metrics(before)
    groups = [[(before.metrics, _run(folders, owner).metrics)]] if owner else []
    for path in _inside(before.samples):
        if name := _owner_of_picture(path.name, known):
            groups.append([(path, _run(folders, name).samples / path.name)])
    groups += [_grid(sheet, _run(folders, name).base) for sheet, name in _grids(before.samples, known)]
    if name := _name_in(before):
        groups.append([(before.run, _run(folders, name).settings)])
    groups += [[(board, _run(folders, board.name).tensorboard)] for board in _inside(before.tensorboard)]
    return groups + [[(path, _run(folders, path.stem).state)] for path in _states(before)]


def _run(folders: Folders, name: str) -> RunFolder:
    return RunFolder(folders.runs / name)


def _known(folders: Folders) -> list[str]:
    """The names of the runs there are, here and where they lay before."""
    before = Before(folders.base)
    found = [path.name for path in (*_inside(folders.runs), *_inside(before.tensorboard))]
    found += [path.stem for path in _states(before)]
    return sorted({name for name in (*found, _name_in(before)) if name})


def _states(before: Before) -> list[Path]:
    return [
        path for path in _inside(before.state) if path.suffix == ".state" and not path.name.startswith(".")
    ]


def _name_in(before: Before) -> str:
    """The run that run.toml is of; "" where there is none that can be read."""
    try:
        name = tomllib.loads(before.run.read_text(encoding="utf-8")).get("output_name", "")
        return project.check_output_name(name or before.base.name)
    except (OSError, ValueError, TypeError, RecursionError):
        return ""


def _owner_of_metrics(before: Before) -> str:
    """The run that opened metrics.jsonl last: of the newest TensorBoard file, begun in the same moment, or state."""
    boards = [
        (int(match[1]), board.name)
        for board in _inside(before.tensorboard)
        for path in _inside(board)
        if (match := BOARD.fullmatch(path.name))
    ]
    states = [(path.stat().st_mtime, path.stem) for path in _states(before)]
    return max(boards or states, default=(0, ""))[1]


def _owner_of_picture(file_name: str, known: list[str]) -> str:
    """The run a sample was drawn of, while it was trained or later; "" for none that is known."""
    if match := PREVIEW.fullmatch(file_name):
        return match[1] if match[1] in known else ""
    match = TRY.fullmatch(file_name)
    return _owner_of_lora(match[1], known) if match else ""


def _owner_of_lora(stem: str, known: list[str]) -> str:
    return next((name for name in known if project.is_of_run(f"{stem}.safetensors", name)), "")


def _grids(samples: Path, known: list[str]) -> Iterator[tuple[Path, str]]:
    """The sheets whose legends call the files of one known run, with its name.

    A sheet that was moved already counts while its legend is still here.
    """
    for legend in _inside(samples):
        if GRID.fullmatch(legend.name):
            owners = {_owner_of_lora(call, known) for call in runs.compared(legend)}
            if len(owners) == 1 and (name := owners.pop()):
                yield legend.with_suffix(".png"), name


def _grid(sheet: Path, target: Path) -> list[Move]:
    """A grid's pictures, its sheet and, last, the legend that says whose it is."""
    parts = (sheet.with_suffix(""), sheet, sheet.with_suffix(".json"))
    return [(part, target / part.name) for part in parts]


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
