"""Ctrl-C as a polite request."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SECOND_THOUGHT = 1.0  # seconds; a launcher may hand one Ctrl-C on several times


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Inside, Ctrl-C and SIGTERM only note that a stop is wanted, which the yielded function tells.

    A later Ctrl-C interrupts at once.
    """
    asked: list[float] = []

    def note(number: int, frame: FrameType | None) -> None:
        if not asked:
            asked.append(time.monotonic())
            os.write(2, b"\nStopping after this step; Ctrl-C once more stops at once.\n")
        elif number == signal.SIGINT and time.monotonic() - asked[0] > SECOND_THOUGHT:
            raise KeyboardInterrupt

    former = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
