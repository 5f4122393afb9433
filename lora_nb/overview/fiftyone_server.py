"""The server of FiftyOne's App, on this machine alone.

FiftyOne's own way to start it gives up after a minute, which a busy machine needs: this one waits longer.
"""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lora_nb.events import Progress, Tell
from lora_nb.overview.fiftyone_process import answers, begin, end, free_port

PATIENCE = 240.0  # seconds


@dataclass(frozen=True)
class Server:
    """A server that was started."""

    process: subprocess.Popen
    port: int

    @property
    def address(self) -> str:
        """Where a browser on this machine finds it."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def server(environment: Mapping[str, str], port: int) -> Iterator[Server]:
    """A server at `port`, or a free one for 0, ended at the end. Raises ValueError when the port is taken."""
    if port and answers(port):
        raise ValueError(
            f"port = {port} is in use by another program: choose another one, or 0 for a free one"
        )
    port = port or free_port()
    found = importlib.util.find_spec("fiftyone")
    place = Path(found.submodule_search_locations[0]) / "server"
    line = [sys.executable, "main.py", "--port", str(port), "--address", "127.0.0.1"]
    process = begin(line, place, environment)
    try:
        yield Server(process, port)
    finally:
        end(process.pid)


def wait_for(started: Server, tell: Tell) -> None:
    """Wait until it answers. Raises ValueError when it does not."""
    until = time.monotonic() + PATIENCE
    tell(Progress("Opening FiftyOne's App", 0, 1))
    while not answers(started.port):
        if started.process.poll() is not None or time.monotonic() > until:
            raise ValueError("FiftyOne's App did not start: look at the pictures in the gallery")
        time.sleep(0.2)
    tell(Progress("Opening FiftyOne's App", 1, 1))
