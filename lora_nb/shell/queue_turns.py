"""Which run a worker trains next, and which workers there are."""

import time
from dataclasses import replace
from pathlib import Path

from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.runs import RunFolder
from lora_nb.shell.queue import config_of, run_of
from lora_nb.shell.queue_file import Entry, Queue, Worker, changing, file_of
from lora_nb.training import holder


def take(folder: Path, device: str, me: Worker) -> Entry | None:
    """The run that is next for a worker, marked as running: one whose worker is gone before those that wait.

    With None the worker is signed off, under the same lock by which runs are added: none is left waiting unseen.
    """
    with changing(folder) as change:
        queue = change.queue
        lost = [each for each in queue.listed if each.state == "running" and not _is_held(queue, each, me)]
        at_work = {(each.output, each.name) for each in queue.listed if each.state == "running"}
        waiting = [
            each
            for each in queue.listed
            if each.state == "waiting" and (each.output, each.name) not in at_work
        ]
        chosen = next(iter([*lost, *waiting]), None)
        others = {name: each for name, each in queue.workers.items() if name != device}
        if chosen is None:
            change.queue = replace(queue, workers=others)
            return None
        change.queue = replace(queue, workers={**others, device: replace(me, seen=time.time())})
        started = chosen.started or time.time()
        return change.put(chosen, state="running", device=device, started=started, ended=0.0)


def _is_held(queue: Queue, entry: Entry, me: Worker) -> bool:
    worker = queue.workers.get(entry.device)
    return worker is not None and not me.is_same(worker) and worker.works()


def sign_on(folder: Path, device: str, me: Worker) -> bool:
    """Be the worker of a device; False where another one is."""
    with changing(folder) as change:
        there = change.queue.workers.get(device)
        if there is not None and not there.is_same(me) and there.works():
            return False
        change.queue = replace(change.queue, workers={**change.queue.workers, device: me})
        return True


def sign_off(folder: Path, device: str, me: Worker) -> None:
    """Be the worker no longer."""
    with changing(folder) as change:
        if me.is_same(change.queue.workers.get(device)):
            workers = {name: each for name, each in change.queue.workers.items() if name != device}
            change.queue = replace(change.queue, workers=workers)


def beat(folder: Path, device: str, me: Worker) -> Worker:
    """Note that the worker works, for those on other machines; the worker as noted."""
    now = replace(me, seen=time.time())
    if file_of(folder).is_file():  # where it is away, none is to be made in its place
        with changing(folder) as change:
            change.queue = replace(change.queue, workers={**change.queue.workers, device: now})
    return now


def update(folder: Path, number: int, **values: object) -> Entry:
    """Change what is noted of an entry."""
    with changing(folder) as change:
        return change.put(next(each for each in change.queue.entries if each.number == number), **values)


def is_busy(run: RunFolder) -> bool:
    """Whether a training on this machine holds the folder of a run."""
    found = holder.noted(run)
    return found is not None and found.is_here()


def config_to_start(folder: Path, entry: Entry) -> TrainConfig:
    """The settings to start a run with now: what was begun anew once is gone on with."""
    config, state = config_of(folder, entry), run_of(folder, entry).state
    begun = state.is_file() and state.stat().st_mtime >= entry.started
    return settings.replace(config, on_existing="resume") if begun else config
