"""How much memory the machine has, noted in a job's folder so that a killed job can be told from a full machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lora_nb import files

RECORD = "memory.json"
SECONDS = 1.0
WORTH_NOTING = 0.02  # of all memory: a smaller change is not written, the folder may be on a slow Drive
SCARCE = 0.06  # of all memory: what the kernel keeps for itself when it begins to end processes
VMSTAT = Path("/proc/vmstat")
CGROUP = Path("/sys/fs/cgroup")
# A container's limit and what of its use is not a cache: cgroup 2, then cgroup 1.
LIMITS = (
    ("memory.max", "memory.stat", "anon"),
    ("memory/memory.limit_in_bytes", "memory/memory.stat", "total_rss"),
)


@dataclass(frozen=True)
class Memory:
    """Bytes of this machine or container, and how many processes its kernel has ended for lack of them."""

    total: int
    available: int
    oom_kills: int

    @property
    def is_scarce(self) -> bool:
        return self.available < SCARCE * self.total

    @property
    def in_words(self) -> str:
        if not self.is_scarce:  # measured a moment too early: the kernel was quicker
            return "the system ended a process for lack of it"
        return (
            f"{(self.total - self.available) / 1e9:.1f} of {self.total / 1e9:.1f} GB were in use at the end"
        )


def measure() -> Memory:
    """The memory as it is now."""
    import psutil  # a notebook's first cell is not to wait for it

    whole = psutil.virtual_memory()
    total, available = whole.total, whole.available
    for limit, stat, key in LIMITS:
        with suppress(OSError, ValueError, KeyError):  # no such file, or "max": no limit
            most = int((CGROUP / limit).read_text())
            if most < total:
                total, available = most, min(available, most - _figures(CGROUP / stat)[key])
    return Memory(total, max(available, 0), _oom_kills())


def _oom_kills() -> int:
    try:
        return _figures(VMSTAT)["oom_kill"]
    except (OSError, ValueError, KeyError):  # not Linux, or an older one
        return 0


def _figures(path: Path) -> dict[str, int]:
    return {
        name: int(value) for name, _, value in (line.partition(" ") for line in path.read_text().splitlines())
    }


@contextmanager
def watched(folder: Path | None) -> Iterator[None]:
    """Inside, what memory is left is noted in `folder` every second; without a folder nothing is."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    first, ended = measure(), threading.Event()
    _note(folder, first)
    threading.Thread(target=_watch, args=(folder, first, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _watch(folder: Path, first: Memory, ended: threading.Event) -> None:
    noted = first
    while not ended.wait(SECONDS):
        now = replace(measure(), oom_kills=first.oom_kills)
        if abs(now.available - noted.available) > WORTH_NOTING * now.total:
            _note(folder, now)
            noted = now


def _note(folder: Path, memory: Memory) -> None:
    with suppress(OSError):  # a full disk is told by those who write what matters
        if folder.is_dir():  # renamed meanwhile, it is not to come back
            write(folder, memory)


def write(folder: Path, memory: Memory) -> None:
    """Note `memory`, whose `oom_kills` are those at the job's beginning."""
    files.write_text(folder / RECORD, json.dumps(asdict(memory)))


def shortage(folder: Path) -> Memory | None:
    """The last note of a job if the kernel ended processes since it began, or had next to nothing left; else None."""
    try:
        noted = Memory(**files.from_json((folder / RECORD).read_bytes()))
        return noted if noted.is_scarce or _oom_kills() > noted.oom_kills else None
    except (OSError, ValueError, TypeError):
        return None
