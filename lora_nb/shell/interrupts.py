"""Ctrl-C as a polite request."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SECOND_THOUGHT = 1.0  # seconds; a launcher may hand one Ctrl-C on several times

WORDS = "Interrupted; run the same line again to go on."


def leave_at_once() -> None:
    """From now on Ctrl-C ends the process with its sentence: for as long as there is nothing to be left half done."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(sys.__stderr__.fileno(), f"{WORDS}\n".encode())
    os._exit(130)


@contextmanager
def raised_on_ctrl_c() -> Iterator[None]:
    """Inside, Ctrl-C raises KeyboardInterrupt, and what a library makes of that while it is imported is one too."""
    asked: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    former = signal.getsignal(signal.SIGINT)
    if former is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Exception as error:
        if asked:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, former)


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Inside, Ctrl-C and SIGTERM only note that a stop is wanted, which the yielded function tells.

    A later Ctrl-C interrupts at once.
    """
    asked: list[float] = []

    def note(number: int, frame: FrameType | None) -> None:
        if not asked:
            asked.append(time.monotonic())
            os.write(
                sys.__stderr__.fileno(), b"\nStopping after this step; Ctrl-C once more stops at once.\n"
            )
        elif number == signal.SIGINT and time.monotonic() - asked[0] > SECOND_THOUGHT:
            raise KeyboardInterrupt

    former = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
