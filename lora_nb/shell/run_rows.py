"""The runs of a queue and of a project as a person sees them in a list."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_nb import events, project, settings
from lora_nb.config.training import TrainConfig
from lora_nb.events import EpochLog, Progress, StepLog
from lora_nb.project import Folders
from lora_nb.runs import RunFolder
from lora_nb.shell import jobs, queue, queue_file, queue_turns
from lora_nb.shell.queue_file import Entry, Queue

TAIL = 1 << 16
MOST_OTHERS = 12


@dataclass(frozen=True)
class Row:
    """One run: `state` is the queue's, or "running", "done", "stopped" for a run that never stood in it.

    `number` is 0 for such a one. `step` of `total` optimizer steps are done (0: not known); `when` is the time that
    counts for its state; `text` is what it does or said last, an error with its remedy among it; `lost` says that it
    should run and nobody works at it, `asked` that it was told to pause or to end;
    `files` are its LoRA files.
    """

    number: int
    name: str
    project: str
    base: str
    state: str
    step: int
    total: int
    when: float
    text: str
    run: RunFolder
    output: Path
    lost: bool = False
    asked: bool = False
    files: tuple[Path, ...] = ()


def rows(folder: Path, folders: Folders | None = None) -> list[Row]:
    """What stands in the queue, in order, then the other runs of a project, the newest first."""
    queue_now = queue_file.read(folder)
    queued = [_of_entry(folder, queue_now, each) for each in queue_now.listed]
    if folders is None:
        return queued
    known = {row.run.base for row in queued}
    found = sorted(
        folders.runs.absolute().glob("*/run.toml"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    others = [RunFolder(path.parent) for path in found if path.parent not in known][:MOST_OTHERS]
    newest = _newest_job(folders)
    rows_of_others = [_of_run(each, folders, newest) for each in others]
    hidden = {folder.absolute().parent / path: when for path, when in queue_now.hidden.items()}
    fresh = [row for row in rows_of_others if row.when > hidden.get(row.run.base, 0.0)]
    return queued + sorted(fresh, key=lambda row: row.when, reverse=True)


def _of_entry(folder: Path, queue_now: Queue, entry: Entry) -> Row:
    run, folders = queue.run_of(folder, entry), queue.folders_of(folder, entry)
    job = queue.job_of(folder, entry)
    step, total, doing = _progress(run, job if entry.state == "running" else None)
    lost = entry.state == "running" and not queue_now.has_worker(entry) and not (job and jobs.is_running(job))
    text = _words(entry, doing, lost)
    when = {"waiting": entry.added, "running": entry.started}.get(entry.state, entry.ended)
    output = folder.absolute().parent / entry.output
    return Row(
        entry.number, entry.name, project.name_of(folders), entry.base, entry.state, step, total, when, text, run,
        output, lost, bool(entry.wanted), _files(output, entry.name, step),
    )  # fmt: skip


def _words(entry: Entry, doing: str, lost: bool) -> str:
    if lost:
        return "its process and the queue's are gone; it goes on as soon as the queue is started"
    if entry.state == "running" and entry.wanted:
        return "saving its state, then it pauses" if entry.wanted == "pause" else "stopping"
    return doing if entry.state == "running" else entry.text


def _progress(run: RunFolder, job: jobs.Job | None) -> tuple[int, int, str]:
    """Steps done, steps in all, and what it is at, as its newest events tell."""
    told = tail(job.folder / jobs.EVENTS) if job else []
    last = next((each for each in reversed(told) if isinstance(each, Progress | StepLog)), None)
    steps = next((each for each in reversed(told or tail(run.metrics)) if isinstance(each, StepLog)), None)
    steps = steps or next((each for each in reversed(tail(run.metrics)) if isinstance(each, StepLog)), None)
    doing = last.text if isinstance(last, Progress) else ""
    return (steps.step, steps.total_steps, doing) if steps else (0, 0, doing)


def tail(path: Path) -> list[events.Event]:
    """The newest events in a file of them; none without it."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            return events.read_lines(file.read())
    except OSError:
        return []


def _of_run(run: RunFolder, folders: Folders, newest: tuple[str, jobs.Job] | None) -> Row:
    """A run that was started without the queue; `newest` is the project's last training job with its run's name."""
    try:
        config, fault = settings.load_known(TrainConfig, run.settings)[0], ""
    except ValueError as error:
        config, fault = TrainConfig(), str(error)
    output = folders.base.absolute() / (config.place.output_dir or folders.output.name)
    step, total, _ = _progress(run, None)
    when = max(path.stat().st_mtime for path in (run.settings, run.metrics, run.state) if path.exists())
    state = "running" if queue_turns.is_busy(run) else "done" if _is_whole(run, step, total) else "stopped"
    job = newest[1] if newest and newest[0] == run.base.name and state == "stopped" else None
    text = fault or (jobs.last_error(job) if job else "")
    base = config.base.pretrained_model_name_or_path
    state = "failed" if text else state
    own = _files(output, run.base.name, step)
    return Row(
        0,
        run.base.name,
        project.name_of(folders),
        base,
        state,
        step,
        total,
        when,
        text,
        run,
        output,
        files=own,
    )


def _files(output: Path, name: str, step: int) -> tuple[Path, ...]:
    """The LoRA files of a run that has done a step."""
    return tuple(project.run_files(output, name)) if step else ()


def _is_whole(run: RunFolder, step: int, total: int) -> bool:
    """Whether its last epoch was closed."""
    ended = [each.step for each in tail(run.metrics)[-3:] if isinstance(each, EpochLog)]
    return bool(total) and step >= total and step in ended


def _newest_job(folders: Folders) -> tuple[str, jobs.Job] | None:
    """The project's newest training job and the name of its run: older ones tell nothing of now."""
    job = jobs.latest(folders, "train")
    if job is None:
        return None
    try:
        name = settings.load_known(TrainConfig, job.folder / "job.toml")[0].place.output_name
    except ValueError:
        return None
    return name or folders.base.name, job


def ago(when: float, now: float | None = None) -> str:
    """`just now`, `5 minutes ago`, `2 days ago`."""
    seconds = max(0.0, (time.time() if now is None else now) - when)
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def line(row: Row) -> str:
    """A row as one line of text."""
    steps = f" {row.step}/{row.total} steps" if row.total else ""
    said = f": {row.text}" if row.text else ""
    what = f"{row.number:>3}  {row.state:9} {row.project}/{row.name} ({row.base})"
    return f"{what}{steps}, {ago(row.when)}{said}"


def as_table(found: Sequence[Row]) -> list[dict[str, object]]:
    """Rows as JSON knows them."""
    names = ("number", "name", "project", "base", "state", "step", "total", "when", "text", "lost")
    return [
        {**{name: getattr(row, name) for name in names}, "files": [str(path) for path in row.files]}
        for row in found
    ]
