"""Whose turn it is to change a project's dataset: one process at a time."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lora_nb import files

PATIENCE = 2.0  # seconds: a job that has just said its end, or a reader that mends


class TakenError(ValueError):
    """Another process changes this dataset now."""


@contextmanager
def turn(base: Path, verb: str, wait: float = PATIENCE) -> Iterator[None]:
    """Be the only process of this machine that changes the project `base`. Raises TakenError saying who does.

    The lock is the system's and ends with its process, however that ends. It lies in the machine's own folder for
    temporary files, as Drive knows no locks.
    """
    from filelock import FileLock, Timeout  # here: the notebook's first cell does without it

    place = _place(base)
    lock = FileLock(f"{place}.lock")
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise TakenError(
            f"{base} is being changed by {_holder(place)}: wait until that has ended, or stop it, and do this again"
        ) from None
    try:
        _say_who(place, verb)
        yield
    finally:
        lock.release()


def _place(base: Path) -> str:
    user = getattr(os, "getuid", lambda: "")()  # a lock of another person could not be opened
    key = hashlib.sha256(os.fsencode(Path(base).resolve())).hexdigest()[:20]
    return os.path.join(tempfile.gettempdir(), f"lora_nb-{user}-{key}")


def _say_who(place: str, verb: str) -> None:
    about = {"verb": verb, "pid": os.getpid(), "since": time.strftime("%H:%M")}
    with suppress(OSError):  # only a word in a sentence depends on it
        Path(f"{place}.json").write_text(json.dumps(about), encoding="utf-8")


def _holder(place: str) -> str:
    try:
        about = files.from_json(Path(f"{place}.json").read_bytes())
        return f"`{about['verb']}` (process {about['pid']}, since {about['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
