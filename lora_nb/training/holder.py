"""Who holds the folder of a run, as noted beside its lock."""

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from lora_nb import files, processes
from lora_nb.runs import RunFolder


@dataclass(frozen=True)
class Holder:
    """The process that holds a folder. `started` is its creation time, which tells it from a later one."""

    host: str
    pid: int
    started: float
    since: str

    @classmethod
    def this_process(cls) -> "Holder":
        pid, now = os.getpid(), time.strftime("%Y-%m-%d %H:%M")
        return cls(socket.gethostname(), pid, processes.creation_time(pid), now)

    def is_here(self) -> bool:
        """Whether it is known to work: of a process on another machine nothing is known."""
        return self.host == socket.gethostname() and processes.is_alive(self.pid, self.started)

    def is_gone(self) -> bool:
        """Whether it is known to have ended."""
        return self.host == socket.gethostname() and not processes.is_alive(self.pid, self.started)


def note(run: RunFolder) -> None:
    """Write that this process holds the folder of the run."""
    with suppress(OSError):  # only a word in a sentence depends on it
        run.holder.write_text(json.dumps(asdict(Holder.this_process())), encoding="utf-8")


def noted(run: RunFolder) -> Holder | None:
    """Who noted last to hold the folder; it may be gone."""
    try:
        found = Holder(**files.from_json(run.holder.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    kinds = {"host": str, "pid": int, "started": float, "since": str}
    return found if all(type(getattr(found, name)) is kind for name, kind in kinds.items()) else None
