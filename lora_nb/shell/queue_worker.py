"""The process that trains what waits in the queue, one run after the other."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from lora_nb.events import Event, Finished, Notice, StepLog, Tell
from lora_nb.patience import lasting
from lora_nb.project import Folders
from lora_nb.shell import jobs, memory, queue, queue_file, queue_turns
from lora_nb.shell.queue_file import Entry, Worker

TICK = 0.5
MOST_DEATHS = 3
SECONDS_TO_STOP = 120.0
SECONDS_AWAY = 300.0
ALL, CPU = "all", "cpu"
Start = Callable[..., jobs.Job]
T = TypeVar("T")


@dataclass
class Shift:
    """A worker's time on a device: what it trained. `start` begins a child process as `jobs.start` does."""

    folder: Path
    device: str
    tell: Tell
    start: Start = jobs.start
    tick: float = TICK
    me: Worker = field(default_factory=Worker.this_process)
    done: int = 0
    failed: int = 0

    def work(self) -> None:
        """Train what waits until nothing does. A KeyboardInterrupt lets the run at work save its state first."""
        while entry := self._lasting(lambda: queue_turns.take(self.folder, self.device, self.me)):
            self.tell(Notice(f"Run {entry.number}, {entry.name}: {'goes on' if entry.job else 'begins'}"))
            try:
                self._train(entry)
            except KeyboardInterrupt:
                self._lay_down(entry.number)
                raise
            except (ValueError, OSError) as error:
                self._settle(entry.number, "failed", str(error))

    def _train(self, entry: Entry) -> None:
        """Bring one run to an end: done, failed, or what was asked of it."""
        job = queue.job_of(self.folder, entry)
        lost = job is not None and not jobs.is_running(job)  # with the worker before: no fault of the run
        while True:
            if job is not None:
                self._follow(entry.number, job)
                if self._lasting(partial(self._settled, entry.number, job, 0 if lost else 1)):
                    return
                lost = False
            if not self._wait_for_its_folder(entry.number):
                return
            job = self._lasting(partial(self._begin, self._now(entry.number)))

    def _begin(self, entry: Entry) -> jobs.Job:
        config, folders = (
            queue_turns.config_to_start(self.folder, entry),
            queue.folders_of(self.folder, entry),
        )
        cwd = Path(entry.cwd) if entry.cwd and Path(entry.cwd).is_dir() else None
        where = Folders(folders.base.absolute())
        job = self.start("train", config, where, processes_on(self.device), seen_by(self.device), cwd)
        queue_turns.update(self.folder, entry.number, job=queue.inside(job.folder, self.folder))
        return job

    def _wait_for_its_folder(self, number: int) -> bool:
        """Wait while a training that the queue knows nothing of has the run's folder; False where it was called off."""
        said = False
        while queue_turns.is_busy(queue.run_of(self.folder, entry := self._now(number))) and not entry.wanted:
            if not said:
                self.tell(
                    Notice(
                        f"Run {number}, {entry.name}: another training has it at work; waiting for its end"
                    )
                )
            said = True
            self._rest()
        if entry.wanted:
            self._settle(number, ASKED[entry.wanted], "")
        return not entry.wanted

    def _follow(self, number: int, job: jobs.Job) -> None:
        """Pass on what a training tells, and to it what is asked of it, until its process has ended."""
        offset, handed_on, last = 0, "", 0
        while True:
            running = jobs.is_running(job)
            fresh, offset = self._lasting(partial(jobs.events, job, offset))
            for event in fresh:
                last = event.step if isinstance(event, StepLog) else last
                self._pass_on(event)
            if not running:
                break
            wanted = self._now(number).wanted
            if wanted and wanted != handed_on:
                self._lasting(partial(queue.hand_on, job))
                handed_on = wanted
            self._rest()
        self._note_steps(number, last)

    def _note_steps(self, number: int, last: int) -> None:
        entry = self._now(number)
        if last > entry.reached:
            self._lasting(lambda: queue_turns.update(self.folder, number, reached=last, deaths=0))

    def _pass_on(self, event: Event) -> None:
        if not isinstance(event, Finished):
            self.tell(event)

    def _settled(self, number: int, job: jobs.Job, death: int) -> bool:
        """Note how a run ended, with `death` more if it said nothing; False where it is to be started once more."""
        entry, end = self._now(number), jobs.finished(job)
        if end is not None and end.status == "stopped":
            return self._settle(number, ASKED[entry.wanted or "pause"], end.text)
        if end is not None:
            return self._settle(number, "done", end.text)
        if entry.wanted:
            return self._settle(number, ASKED[entry.wanted], "")
        spoke = (job.folder / jobs.ERROR).is_file()
        if spoke and queue_turns.is_busy(queue.run_of(self.folder, entry)):
            return False  # another training of this run was first; what it does counts
        if spoke or memory.shortage(job.folder) or entry.deaths + death >= MOST_DEATHS:
            return self._settle(number, "failed", jobs.last_error(job))
        queue_turns.update(self.folder, number, deaths=entry.deaths + death)
        return False

    def _settle(self, number: int, state: queue_file.State, text: str) -> bool:
        values = {"state": state, "text": text, "wanted": "", "ended": time.time()}
        entry = self._lasting(lambda: queue_turns.update(self.folder, number, **values))
        self.done += state == "done"
        self.failed += state == "failed"
        level = "warning" if state == "failed" else "info"
        self.tell(Notice(f"Run {number}, {entry.name}: {state}. {text}".strip(), level))
        return True

    def _lay_down(self, number: int) -> None:
        """Leave the run at work to a later worker, its state saved."""
        entry = self._now(number)
        job = queue.job_of(self.folder, entry)
        if job and jobs.is_running(job):
            queue.hand_on(job)
            until = time.monotonic() + SECONDS_TO_STOP
            while jobs.is_running(job) and time.monotonic() < until:
                time.sleep(self.tick)
        if entry.state == "running":
            queue_turns.update(self.folder, number, state="waiting", job="")
        queue_turns.sign_off(self.folder, self.device, self.me)

    def _now(self, number: int) -> Entry:
        """The entry as it stands; where its file is away (a Drive that comes and goes), wait for it."""
        until = time.monotonic() + SECONDS_AWAY
        while time.monotonic() < until:
            with suppress(OSError):
                found = queue_file.read(self.folder).entries
                if entry := next((each for each in found if each.number == number), None):
                    return entry
            time.sleep(self.tick)
        raise ValueError(f"{self.folder} is gone: the training goes on, and `queue start` finds it again")

    def _rest(self) -> None:
        time.sleep(self.tick)
        if time.time() - self.me.seen > queue_file.BEAT:
            self.me = self._lasting(lambda: queue_turns.beat(self.folder, self.device, self.me))

    def _lasting(self, ask: Callable[[], T]) -> T:
        """What `ask` returns, also where the disk is away for a while, whose folder is not made anew then."""
        return lasting(ask, self.folder, self.tell, SECONDS_AWAY)


ASKED = {"pause": "paused", "cancel": "cancelled"}


def devices() -> list[str]:
    """The devices of this machine that train a run each: its GPUs by their numbers, or "cpu"."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()] or [CPU]
    return [str(number) for number in range(jobs.gpu_count())] or [CPU]


def seen_by(device: str) -> Mapping[str, str]:
    """What makes a child process see its device alone."""
    return {} if device in (ALL, CPU) else {"CUDA_VISIBLE_DEVICES": device}


def processes_on(device: str) -> int:
    """How many processes train a run: one, or with "all" one on each GPU, by accelerate."""
    return max(1, len([name for name in devices() if name != CPU])) if device == ALL else 1


def start(
    folder: Path, environment: Mapping[str, str] | None = None, together: bool = False
) -> list[subprocess.Popen]:
    """Begin a worker for each device that has none and for which a run waits; they outlive the kernel.

    With `together` it is one worker for all GPUs, where there are several and none is at work. They write what they
    tell to `worker-<device>.log` in the queue's folder. Tokens go by their `environment` only.
    """
    found = queue_file.read(folder)
    busy = {name for name, each in found.workers.items() if each.works()}
    if ALL in busy or (together and busy):
        return []
    names = [ALL] if together and processes_on(ALL) > 1 else devices()
    free = [name for name in names if name not in busy]
    lost = [each for each in found.listed if each.state == "running" and not found.has_worker(each)]
    due = [*lost, *(each for each in found.listed if each.state == "waiting")]
    return [_spawn(folder, device, environment or {}) for device, _ in zip(free, due, strict=False)]


def _spawn(folder: Path, device: str, environment: Mapping[str, str]) -> subprocess.Popen:
    with open(folder / f"worker-{device}.log", "ab") as output:
        root = str(folder.absolute().parent)
        line = [sys.executable, "-m", "lora_nb", "queue work", "--root", root, "--device", device]
        return subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=jobs.child_environment(environment), start_new_session=True,
        )  # fmt: skip
