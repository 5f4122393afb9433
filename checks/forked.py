"""Work of lora_nb in forks of a process that has everything imported: real processes that begin at once."""

import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lora_nb import files, patience, settings
from lora_nb.__main__ import main as command_line
from lora_nb.processes import creation_time
from lora_nb.project import Folders
from lora_nb.shell import jobs


def load() -> None:
    """Import what a training needs."""
    import pytorch_optimizer  # noqa: F401
    import torch

    import lora_nb.drawing.grid
    import lora_nb.training.train  # noqa: F401

    torch.set_num_threads(1)


def fork(output: Path, work: Callable[[], int]) -> int:
    """The number of a process in a session of its own that does `work`, with what it says in `output`."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = _alone(output, work)
    except BaseException:  # as at the end of a process; none of it is to reach what the parent was about
        with suppress(OSError):
            traceback.print_exc()
    os._exit(code)


def _alone(output: Path, work: Callable[[], int]) -> int:
    os.setsid()
    place = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(place, 1)
    os.dup2(place, 2)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w", buffering=1) for number in (1, 2))
    return work()


def begin(
    config: Any, place: Path, before: Callable[[], None] | None = None, longest: float = 0.0
) -> jobs.Job:
    """A training begun in the folder `place` of jobs; `before` is done in it first, `longest` is its patience.

    It waits until the job is noted: the fault that it is to meet would else meet the note.
    """
    folder = files.free_name(place / f"{time.time_ns()}-train")
    folder.mkdir(parents=True)
    settings.save(config, folder / "job.toml")

    noted, tell = os.pipe()

    def work() -> int:
        os.close(tell)
        os.read(noted, 1)
        if before:
            before()
        patience.LONGEST = longest or patience.LONGEST
        return command_line(["train", str(folder / "job.toml"), "--job_dir", str(folder)])

    pid = fork(folder / jobs.OUTPUT, work)
    try:
        return jobs.noted(jobs.Job(folder, "train", pid, creation_time(pid)))
    finally:
        os.close(noted)
        os.close(tell)


def start(
    verb: str,
    config: Any,
    folders: Folders,
    processes: int = 1,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> jobs.Job:
    """What `jobs.start` does."""
    return begin(config, folders.jobs)


def reaped(pid: int) -> bool:
    """Whether a process of `fork` has ended."""
    return os.waitpid(pid, os.WNOHANG)[0] == pid
