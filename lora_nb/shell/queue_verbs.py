"""The subcommands on the queue of runs: a config in, the work done, what came of it out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lora_nb import project, runs, settings
from lora_nb.config.queue import (
    QueueAgainConfig,
    QueueConfig,
    QueueListConfig,
    QueueMoveConfig,
    QueueStartConfig,
    QueueWorkConfig,
    SweepConfig,
)
from lora_nb.config.training import TrainConfig
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.shell import queue, queue_file, queue_turns, queue_worker, run_rows
from lora_nb.shell.verb import Verb
from lora_nb.training import sweep
from lora_nb.wording import counted

RESTING = "nobody works at the queue: `queue start` begins, `queue work` does it in the foreground"


def queue_add(config: TrainConfig, tell: Tell, poll: Poll) -> Finished:
    """Put a run into the queue."""
    folder, entry = queue.add(config)
    return Finished("done", f"{_put(entry, config)} {_outlook(folder)}")


def _put(entry: queue_file.Entry, config: TrainConfig) -> str:
    asked = config.place.output_name
    renamed = f' (the name "{asked}" is another run\'s)' if asked and asked != entry.name else ""
    return f"Run {entry.number} waits in the queue; its files will be called {entry.name}{renamed}."


def _outlook(folder: Path) -> str:
    found = queue_file.read(folder)
    before = sum(each.state in ("waiting", "running") for each in found.listed) - 1
    working = any(each.works() for each in found.workers.values())
    ahead = f"{before} before it" if before > 0 else "It is the next"
    return f"{ahead}; {'the queue is at work' if working else RESTING}."


def queue_list(config: QueueListConfig, tell: Tell, poll: Poll) -> Finished:
    """List the runs of the queue, with what each is at."""
    folder = _folder(config)
    found = run_rows.rows(folder)
    if config.json:
        return Finished("done", json.dumps(run_rows.as_table(found), ensure_ascii=False))
    for row in found:
        tell(Notice(run_rows.line(row)))
    if not found:
        return Finished(
            "nothing", f"The queue in {folder.parent} is empty: `queue add run.toml` puts a run into it."
        )
    working = [name for name, each in queue_file.read(folder).workers.items() if each.works()]
    who = f"At work on: {', '.join(working)}." if working else f"{RESTING[0].upper()}{RESTING[1:]}."
    return Finished("done", who)


def _folder(config: Any) -> Path:
    return project.queue_in(Path(config.root or "."))


def _on_each(
    act: Callable[[Path, int], queue_file.Entry], states: tuple[str, ...], words: str
) -> Callable[[QueueConfig, Tell, Poll], Finished]:
    """A verb that does `act` to the run that is meant, or to all in `states`."""

    def carry_out(config: QueueConfig, tell: Tell, poll: Poll) -> Finished:
        folder = _folder(config)
        meant = queue.numbers(queue_file.read(folder), config.number, states)
        if not meant:
            return Finished("nothing", f"No run of the queue is {' or '.join(states)}.")
        names = [f"{number} ({act(folder, number).name})" for number in meant]
        return Finished("done", f"{words}: {', '.join(names)}.")

    carry_out.__doc__ = (act.__doc__ or "").splitlines()[0]
    return carry_out


def queue_move(config: QueueMoveConfig, tell: Tell, poll: Poll) -> Finished:
    """Change a run's place in the queue: up, down or first."""
    folder = _folder(config)
    queue.move(folder, config.number, config.to)
    order = [
        f"{each.number} {each.name}" for each in queue_file.read(folder).listed if each.state == "waiting"
    ]
    return Finished("done", f"They wait in this order: {', '.join(order)}.")


def queue_again(config: QueueAgainConfig, tell: Tell, poll: Poll) -> Finished:
    """Put a run into the queue once more, with other settings."""
    changes = dict(sweep.change(line) for line in config.changes)
    entry = queue.again(_folder(config), config.number, changes)
    return Finished("done", f"Run {entry.number} waits in the queue; its files will be called {entry.name}.")


def queue_sweep(config: SweepConfig, tell: Tell, poll: Poll) -> Finished:
    """Put a run into the queue several times, each with other values of one or two settings."""
    if not config.run:
        raise ValueError("run is empty: give the .toml file with the settings of the run")
    path = Path(config.run)
    path = runs.RunFolder(path).settings if path.is_dir() else path
    made = sweep.sweep(settings.load(TrainConfig, path), dict(sweep.read(line) for line in config.over))
    added = queue.add_all(made)
    names = ", ".join(f"{entry.number} {entry.name}" for entry in added)
    return Finished("done", f"{counted(len(added), 'run waits', 'runs wait')} in the queue: {names}.")


def queue_work(config: QueueWorkConfig, tell: Tell, poll: Poll) -> Finished:
    """Train what waits in the queue, one run after the other, until nothing waits. Ctrl-C saves the state first."""
    folder = _folder(config)
    shift = queue_worker.Shift(folder, config.device or _first_free(folder), tell)
    if not queue_turns.sign_on(folder, shift.device, shift.me):
        return Finished("nothing", f"The queue has a worker for {shift.device} already.")
    shift.work()
    if not shift.done and not shift.failed:
        return Finished("nothing", f"Nothing waits in the queue of {folder.parent}.")
    return Finished(
        "done",
        f"Nothing waits any more: {counted(shift.done, 'run is', 'runs are')} done, {shift.failed} failed.",
    )


def _first_free(folder: Path) -> str:
    workers = queue_file.read(folder).workers
    names = queue_worker.devices()
    return next((name for name in names if not (name in workers and workers[name].works())), names[0])


def queue_start(config: QueueStartConfig, tell: Tell, poll: Poll) -> Finished:
    """Begin to train what waits, in the background: a run on each GPU, or one after the other over all of them."""
    folder = _folder(config)
    begun = queue_worker.start(folder, together=config.gpus == "all")
    if begun:
        return Finished("done", f"{len(begun)} at work; what they tell is in {folder}/worker-*.log.")
    waits = any(each.state == "waiting" for each in queue_file.read(folder).listed)
    why = "the queue is at work already" if waits else "nothing waits in the queue"
    return Finished("nothing", f"Nothing was begun: {why}.")


VERBS = {
    "queue add": Verb(TrainConfig, queue_add, takes_presets=True),
    "queue list": Verb(QueueListConfig, queue_list),
    "queue start": Verb(QueueStartConfig, queue_start),
    "queue work": Verb(QueueWorkConfig, queue_work),
    "queue pause": Verb(QueueConfig, _on_each(queue.pause, ("waiting", "running"), "Paused")),
    "queue resume": Verb(QueueConfig, _on_each(queue.resume, ("paused",), "Waiting again")),
    "queue cancel": Verb(QueueConfig, _on_each(queue.cancel, ("waiting", "paused", "running"), "Cancelled")),
    "queue remove": Verb(QueueConfig, _on_each(queue.remove, ("done", "cancelled"), "Taken off the list")),
    "queue move": Verb(QueueMoveConfig, queue_move),
    "queue again": Verb(QueueAgainConfig, queue_again),
    "queue sweep": Verb(SweepConfig, queue_sweep),
}
