"""The queue of runs on disk: its entries in order, changed under a lock and written whole."""

import errno
import hashlib
import json
import os
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from lora_nb import files, processes

if TYPE_CHECKING:
    from filelock import FileLock

State = Literal["waiting", "running", "paused", "done", "failed", "cancelled"]
LIVE = ("waiting", "running", "paused")
VERSION, PATIENCE = 1, 30.0
SILENT_FOR = 180.0  # seconds after which a worker of another machine counts as gone
BEAT = 45.0


@dataclass(frozen=True)
class Worker:
    """A process that trains what waits. `started` is its creation time, `seen` when it last noted that it works."""

    host: str
    pid: int
    started: float
    seen: float

    @classmethod
    def this_process(cls) -> "Worker":
        pid = os.getpid()
        return cls(socket.gethostname(), pid, processes.creation_time(pid), time.time())

    def works(self) -> bool:
        """Whether it works still; of another machine only that it was seen lately is known."""
        if self.host == socket.gethostname():
            return processes.is_alive(self.pid, self.started)
        return time.time() - self.seen < SILENT_FOR

    def is_same(self, other: "Worker | None") -> bool:
        """Whether both are one process."""
        return other is not None and (self.host, self.pid, self.started) == (
            other.host,
            other.pid,
            other.started,
        )


@dataclass(frozen=True)
class Entry:
    """One run of the queue. Its settings are in `<number>.toml` beside the queue's file.

    `output` and `job` are relative to the folder the queue lies in, where they are in it; `cwd` is where relative
    paths of its settings lead from. `wanted` is what a person asked of it while it runs; `deaths` counts how often its
    process ended without a word since step `reached`, while its worker lived. A `removed` one is kept and not listed.
    """

    number: int
    name: str
    output: str
    base: str
    state: State = "waiting"
    added: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    cwd: str = ""
    job: str = ""
    device: str = ""
    wanted: Literal["", "pause", "cancel"] = ""
    text: str = ""
    deaths: int = 0
    reached: int = 0
    removed: bool = False


@dataclass(frozen=True)
class Queue:
    """What stands in the queue's file. `workers` are those of each device; `hidden` tells when runs left the list."""

    entries: tuple[Entry, ...] = ()
    workers: dict[str, Worker] = field(default_factory=dict)
    hidden: dict[str, float] = field(default_factory=dict)

    def entry(self, number: int) -> Entry:
        """The entry of a number. Raises ValueError where there is none."""
        found = next((each for each in self.entries if each.number == number and not each.removed), None)
        if found is None:
            there = ", ".join(str(each.number) for each in self.listed) or "none"
            raise ValueError(
                f"number = {number} is no run of this queue; there are: {there} (see: queue list)"
            )
        return found

    @property
    def listed(self) -> tuple[Entry, ...]:
        """The entries that are shown, in their order."""
        return tuple(each for each in self.entries if not each.removed)

    def with_entry(self, changed: Entry) -> "Queue":
        """The queue with this entry in the place of the one with its number, or at the end."""
        if any(each.number == changed.number for each in self.entries):
            entries = [changed if each.number == changed.number else each for each in self.entries]
            return replace(self, entries=tuple(entries))
        return replace(self, entries=(*self.entries, changed))

    def has_worker(self, entry: Entry) -> bool:
        """Whether the worker that took this entry works still."""
        worker = self.workers.get(entry.device)
        return worker is not None and worker.works()


def file_of(folder: Path) -> Path:
    """The file of the queue in `folder`."""
    return folder / "queue.json"


def settings_of(folder: Path, number: int) -> Path:
    """The file with the settings of an entry."""
    return folder / f"{number:04d}.toml"


def read(folder: Path) -> Queue:
    """The queue in `folder`; empty where none is. Raises ValueError naming a file that cannot be used."""
    path = file_of(folder)
    try:
        table = files.from_json(path.read_bytes())
    except FileNotFoundError:
        return Queue()
    except ValueError as error:
        raise ValueError(f"{path} is not readable as a queue ({error}): {MEND}") from None
    try:
        return _queue_of(table)
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is not readable as a queue: {MEND}") from None


MEND = "move it away to begin a new queue; the settings of its runs are in the .toml files beside it"


def _queue_of(table: dict[str, Any]) -> Queue:
    if table["version"] > VERSION:
        raise ValueError("the queue was written by a newer version of lora_nb: update lora_nb to use it")
    entries = tuple(_known(Entry, each) for each in table["entries"])
    if any(each.state not in get_args(State) for each in entries):
        raise TypeError
    workers = {device: _known(Worker, each) for device, each in table["workers"].items()}
    return Queue(entries, workers, dict(table["hidden"]))


def _known(cls: type, values: dict[str, Any]) -> Any:
    """An instance of the values that this version knows."""
    names = {each.name for each in fields(cls)}
    return cls(**{name: value for name, value in values.items() if name in names})


class Change:
    """The queue while it is held: what `queue` is set to is written at the end."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def put(self, entry: Entry, **values: Any) -> Entry:
        """The entry with other values, in the queue."""
        changed = replace(entry, **values)
        self.queue = self.queue.with_entry(changed)
        return changed


@contextmanager
def changing(folder: Path) -> Iterator[Change]:
    """The queue to be changed: nobody else changes it meanwhile, and it is written whole, or not if the body raises."""
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder):
        before = read(folder)
        change = Change(before)
        yield change
        if change.queue != before:
            files.write_text(file_of(folder), _text(change.queue))


def _text(queue: Queue) -> str:
    """One entry a line, for a person who looks."""
    table = asdict(queue)
    entries = ",\n  ".join(json.dumps(each, ensure_ascii=False) for each in table["entries"])
    others = f'"workers": {json.dumps(table["workers"])}, "hidden": {json.dumps(table["hidden"])}'
    return f'{{"version": {VERSION}, {others}, "entries": [\n  {entries}\n]}}\n'


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the queue's lock: beside it, or where there are no locks (Drive), in this machine's own folder."""
    lock = _taken(folder / "queue.lock") or _taken(_own_lock(folder))
    try:
        yield
    finally:
        if lock:
            lock.release()


def _taken(path: Path) -> "FileLock | None":
    """The lock, taken; None where there are none. Raises ValueError when somebody keeps it."""
    from filelock import FileLock, SoftFileLock, Timeout  # a notebook's first cell is not to wait for it

    from lora_nb.training.claim import WITHOUT_LOCKS

    lock = FileLock(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # that a soft lock is taken instead
            lock.acquire(timeout=PATIENCE, poll_interval=0.02)
    except Timeout:
        raise ValueError(f"another process holds the queue for more than {PATIENCE:.0f} s ({path})") from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (*WITHOUT_LOCKS, errno.EPERM):
            raise
        return None
    if isinstance(lock, SoftFileLock):
        lock.release()  # it would stay when the process is killed
        return None
    return lock


def _own_lock(folder: Path) -> Path:
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"lora_nb-queue-{name}.lock"
