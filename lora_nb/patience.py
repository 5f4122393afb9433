"""Writes that wait for a disk that is away for a while, as a mounted Google Drive is at times."""

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lora_nb.events import Notice, Tell

T = TypeVar("T")
# What a disk in the net or a mount answers that may be there again in a moment; a full disk is not among it.
AWAY = frozenset(
    getattr(errno, name)
    for name in (
        "EIO", "ENOTCONN", "ESTALE", "ETIMEDOUT", "ENODEV", "ENXIO", "EHOSTDOWN", "EHOSTUNREACH", "EREMOTEIO", "EBUSY",
        "EAGAIN", "ENETDOWN", "ENETUNREACH", "ECONNRESET", "ECONNABORTED",
    )
    if hasattr(errno, name)
)  # fmt: skip
LONGEST = 120.0  # seconds until a disk that is away is given up
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0


def is_away(error: BaseException) -> bool:
    """Whether an error says that the disk does not answer, and not that it is full or may not be written."""
    return isinstance(error, OSError) and error.errno in AWAY


def lasting(write: Callable[[], T], home: Path, tell: Tell, longest: float | None = None) -> T:
    """What `write` returns, which is tried again while the disk with the folder `home` is away; told once.

    `write` may be called several times, and writes whole files. A lost `home` counts as away: it is not made anew,
    which would be a folder of this machine where the mounted one was. Raises OSError when `longest` seconds (LONGEST)
    have passed.
    """
    until, pause, longest = 0.0, FIRST_PAUSE, LONGEST if longest is None else longest
    while True:
        try:
            if not home.is_dir():
                raise OSError(errno.ENOTCONN, "its folder is not there any more", str(home))
            done = write()
        except OSError as error:
            now = time.monotonic()
            if not is_away(error) or (until and now >= until):
                raise
            if not until:
                until = now + longest
                tell(Notice(_waiting(error, home, longest), "warning"))
            time.sleep(max(0.0, min(pause, until - now)))
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            if until:
                tell(Notice(f"{home} answers again: it goes on."))
            return done


def _waiting(error: OSError, home: Path, longest: float) -> str:
    return (
        f"{error.filename or home} cannot be reached now ({error.strerror or error}): the disk or Google Drive does "
        f"not answer. It is tried again for up to {longest / 60:.0f} minutes."
    )


def in_words(error: OSError) -> str:
    """The sentence for a disk that stayed away."""
    return (
        f"{error.filename or 'The disk'} cannot be reached ({error.strerror or error}): the disk or Google Drive does "
        "not answer. What was saved before is whole: connect it again (mount the Drive anew), and run the same line "
        "again, which goes on from there."
    )
