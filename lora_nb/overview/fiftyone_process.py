"""A server of FiftyOne's as a process of this machine: a port for it, whether it answers, its end."""

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(port: int) -> bool:
    """Whether something listens at a port of this machine."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def begin(
    line: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen:
    """Start a process in `folder`, in a group of its own: Ctrl-C and the end of a job do not reach it."""
    apart = {"process_group": 0} if os.name == "posix" else {}
    return subprocess.Popen(
        line, cwd=folder, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **apart,
    )  # fmt: skip


def end(pid: int) -> None:
    """End a process with its children; each may write first what it holds."""
    import psutil  # a notebook's first cell is not to wait for it

    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        every = [process, *process.children(recursive=True)]
        for each in every:
            with suppress(psutil.NoSuchProcess):
                each.terminate()
        for each in psutil.wait_procs(every, timeout=20)[1]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
