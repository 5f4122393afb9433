"""TensorBoard with all runs of a project, until it is closed."""

import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from lora_nb.config.board import TensorboardConfig
from lora_nb.events import Poll
from lora_nb.overview.fiftyone_process import answers, begin, end, free_port

TICK = 0.3
SECONDS_TO_START = 90


def show(config: TensorboardConfig, poll: Poll, opened: Callable[[str], None]) -> None:
    """Serve TensorBoard to this machine alone until `poll` says stop; `opened` learns its address.

    Raises ValueError where there is no run, no TensorBoard, or it does not start.
    """
    folder = Path(config.runs_dir)
    if not config.runs_dir or not any(folder.glob("*/tensorboard/*")):
        raise ValueError(f"{config.runs_dir or 'runs_dir'} holds no run that wrote figures yet: train first")
    if find_spec("tensorboard") is None:
        raise ValueError("TensorBoard is not installed here: pip install tensorboard")
    port = config.port or free_port()
    if answers(port):
        raise ValueError(f"port = {port} is taken on this machine: give another one, or 0 for a free one")
    line = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder.absolute())]
    process = begin([*line, "--host", "127.0.0.1", "--port", str(port)], folder)
    try:
        _wait_for(process, port)
        opened(f"http://127.0.0.1:{port}/")
        _stay(process, config, poll)
    finally:
        end(process.pid)


def _wait_for(process: subprocess.Popen, port: int) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while not answers(port):
        if process.poll() is not None or time.monotonic() > until:
            raise ValueError("TensorBoard did not start: run `tensorboard --logdir` on the folder to see why")
        time.sleep(TICK)


def _stay(process: subprocess.Popen, config: TensorboardConfig, poll: Poll) -> None:
    until = time.monotonic() + 60 * config.minutes
    while process.poll() is None and time.monotonic() < until and "stop" not in poll():
        time.sleep(TICK)
