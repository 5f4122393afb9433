"""What is done to the queue of runs: added to, put in order, paused, taken up again, called off."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lora_nb import project, runs, settings
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.events import StepLog
from lora_nb.project import Folders
from lora_nb.runs import RunFolder
from lora_nb.shell import jobs, queue_file
from lora_nb.shell.queue_file import Change, Entry, Queue, changing
from lora_nb.training import plan

OPEN = ("paused", "failed", "cancelled")
HEAD = "# lora_nb queued run 1"
SAME_RUN = {each.name for each in settings_of(TrainConfig) if each.said.same_run}


def add(config: TrainConfig, first: bool = False) -> tuple[Path, Entry]:
    """The queue's folder and the new entry of a run, which waits behind the others, or before them.

    Where another run has its name, it gets the next free one, which the entry says. Raises ValueError for what cannot
    be trained, and for the very run that stands in the queue already.
    """
    plan.plan_run(config)  # what cannot be trained is to be told now, not at night
    config = plan.resolve(config)
    place = config.place
    config = settings.replace(
        config,
        train_data_dir=os.path.abspath(place.train_data_dir),
        output_dir=os.path.abspath(place.output_dir),
    )
    folder = project.queue_of(project.folders_of_output(Path(config.place.output_dir)))
    with changing(folder) as change:
        config = settings.replace(config, output_name=_free_name(config, change.queue, folder))
        number = max((each.number for each in change.queue.entries), default=0) + 1
        made = _entry(config, number, folder)
        settings.save(_kept(config, folder), queue_file.settings_of(folder, number), HEAD)
        change.put(made)
        if first:
            _move(change, made, "first")
    return folder, made


def add_all(configs: Sequence[TrainConfig]) -> list[Entry]:
    """The entries of several runs; none is added where one of them could not be trained (ValueError)."""
    for config in configs:
        plan.plan_run(config)
    return [add(config)[1] for config in configs]


def _entry(config: TrainConfig, number: int, folder: Path) -> Entry:
    return Entry(
        number=number,
        name=config.place.output_name,
        output=inside(Path(config.place.output_dir), folder),
        base=config.base.pretrained_model_name_or_path,
        added=time.time(),
        cwd=os.getcwd(),
    )


def inside(path: Path, folder: Path) -> str:
    """`path` relative to where the queue lies, so that all of it can be moved; else as it is."""
    full, home = Path(os.path.abspath(path)), folder.absolute().parent
    return full.relative_to(home).as_posix() if full.is_relative_to(home) else str(full)


def _kept(config: TrainConfig, folder: Path) -> TrainConfig:
    place = config.place
    return settings.replace(
        config,
        train_data_dir=inside(Path(place.train_data_dir), folder),
        output_dir=inside(Path(place.output_dir), folder),
    )


def config_of(folder: Path, entry: Entry) -> TrainConfig:
    """The settings of an entry. Raises ValueError when their file cannot be used."""
    config, home = (
        settings.load(TrainConfig, queue_file.settings_of(folder, entry.number)),
        folder.absolute().parent,
    )
    place = config.place
    return settings.replace(
        config, train_data_dir=str(home / place.train_data_dir), output_dir=str(home / place.output_dir)
    )


def folders_of(folder: Path, entry: Entry) -> Folders:
    """The project that an entry belongs to."""
    return project.folders_of_output(folder.absolute().parent / entry.output)


def run_of(folder: Path, entry: Entry) -> RunFolder:
    """The folder of the run of an entry."""
    return runs.run_folder(folder.absolute().parent / entry.output, entry.name)


def job_of(folder: Path, entry: Entry) -> jobs.Job | None:
    """The process that was started last for an entry."""
    return jobs.at(folder.absolute().parent / entry.job) if entry.job else None


def _free_name(config: TrainConfig, queue: Queue, folder: Path) -> str:
    """The run's own name, or the first `name-2`, `name-3`, ... that is no other run's."""
    name, number, wanted = config.place.output_name, 2, config
    while not _is_free(wanted, queue, folder):
        wanted = settings.replace(config, output_name=f"{name}-{number}")
        number += 1
    return wanted.place.output_name


def _is_free(config: TrainConfig, queue: Queue, folder: Path) -> bool:
    """Whether a run may have its name: nobody's, or its own from before. Raises ValueError for one in the queue."""
    output = inside(Path(config.place.output_dir), folder)
    same = [each for each in queue.listed if (each.output, each.name) == (output, config.place.output_name)]
    for each in same:
        if each.state in queue_file.LIVE:
            if is_same_run(config, config_of(folder, each)):
                raise ValueError(
                    f"this very run is in the queue already: {each.number}, {each.name} ({each.state})"
                )
            return False
    own = runs.run_folder(Path(config.place.output_dir), config.place.output_name)
    if config.resuming.on_existing == "restart":
        return True
    if own.settings.is_file():
        return is_same_run(config, settings.load_known(TrainConfig, own.settings)[0])
    return not project.run_files(Path(config.place.output_dir), config.place.output_name)


def is_same_run(one: TrainConfig, other: TrainConfig) -> bool:
    """Whether two settings, told of one folder and name, learn the same."""
    left, right = (settings.values_of(each) for each in (one, other))
    return all(left[name] == right[name] for name in left.keys() - SAME_RUN)


def again(folder: Path, number: int, changes: dict[str, object] | None = None) -> Entry:
    """A new entry with the settings of another and some changed; its name is a free one."""
    entry = queue_file.read(folder).entry(number)
    config = settings.replace(config_of(folder, entry), **{"on_existing": "resume", **(changes or {})})
    return add(config)[1]


def move(folder: Path, number: int, to: Literal["up", "down", "first"]) -> Entry:
    """Bring a run that waits before the one above it, behind the one below it, or to the front."""
    with changing(folder) as change:
        entry = change.queue.entry(number)
        if entry.state not in ("waiting", "paused"):
            raise ValueError(
                f"run {number} ({entry.name}) does not wait, it is {entry.state}: its place has no effect"
            )
        _move(change, entry, to)
    return entry


def _move(change: Change, entry: Entry, to: str) -> None:
    order = [each for each in change.queue.entries if each != entry]
    wait = [at for at, each in enumerate(order) if each.state in ("waiting", "paused") and not each.removed]
    own = change.queue.entries.index(entry)
    above, below = [at for at in wait if at < own], [at for at in wait if at >= own]
    places = {"first": above[:1], "up": above[-1:], "down": [at + 1 for at in below[:1]]}[to]
    order.insert(places[0] if places else own, entry)
    change.queue = replace(change.queue, entries=tuple(order))


def pause(folder: Path, number: int) -> Entry:
    """Leave a run for later: one that runs saves its state and ends; going on is exact."""
    return _halt(folder, number, "pause")


def cancel(folder: Path, number: int) -> Entry:
    """Call a run off: one that runs ends, and what was finished stays."""
    return _halt(folder, number, "cancel")


def _halt(folder: Path, number: int, wanted: Literal["pause", "cancel"]) -> Entry:
    state = {"pause": "paused", "cancel": "cancelled"}[wanted]
    with changing(folder) as change:
        entry = change.queue.entry(number)
        if entry.state == "running":
            job = job_of(folder, entry)
            if change.queue.has_worker(entry):
                return change.put(entry, wanted=wanted)  # its worker hands it on
            if job and jobs.is_running(job):
                hand_on(job)
                return change.put(entry, wanted=wanted)
            return change.put(entry, state=state, ended=time.time())
        if entry.state not in ("waiting", "paused") or entry.state == state:
            raise ValueError(f"run {number} ({entry.name}) is {entry.state}: there is nothing to {wanted}")
        return change.put(entry, state=state, ended=time.time())


def hand_on(job: jobs.Job) -> None:
    """Ask a training to stop with its state saved; before the first step, and after the last, it ends at once."""
    told = [event for event in jobs.events(job)[0] if isinstance(event, StepLog)]
    if told and told[-1].step < told[-1].total_steps:
        jobs.request(job, "stop")
    else:
        jobs.stop(job)


def resume(folder: Path, number: int) -> Entry:
    """Let a run that is paused, cancelled or failed wait again; it goes on from its state."""
    with changing(folder) as change:
        entry = change.queue.entry(number)
        if entry.state == "running" and entry.wanted:
            return change.put(entry, wanted="")
        if entry.state not in OPEN:
            raise ValueError(f"run {number} ({entry.name}) is {entry.state}: there is nothing to go on with")
        others = [each for each in change.queue.listed if each != entry and each.state in queue_file.LIVE]
        taken = [each.number for each in others if (each.output, each.name) == (entry.output, entry.name)]
        if taken:
            raise ValueError(
                f"run {taken[0]} of the queue has the name {entry.name} now: use `again` instead"
            )
        return change.put(entry, state="waiting", wanted="", text="", job="", deaths=0, ended=0.0)


def remove(folder: Path, number: int) -> Entry:
    """Take a run off the list; its files stay where they are, and its settings in the queue's folder."""
    with changing(folder) as change:
        entry = change.queue.entry(number)
        if entry.state == "running":
            raise ValueError(f"run {number} ({entry.name}) runs: cancel it first")
        return change.put(entry, removed=True)


def hide(folder: Path, run: RunFolder) -> None:
    """Take a run that never stood in the queue off the list until it is trained again."""
    with changing(folder) as change:
        hidden = {**change.queue.hidden, inside(run.base, folder): time.time()}
        change.queue = replace(change.queue, hidden=hidden)


def numbers(queue: Queue, number: int, states: Sequence[str]) -> list[int]:
    """The run that is meant: one, or with 0 all in these states."""
    return [number] if number else [each.number for each in queue.listed if each.state in states]
