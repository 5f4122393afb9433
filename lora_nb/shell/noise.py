"""What other libraries say kept apart from what is said to the person."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from lora_nb.redact import redact
from lora_nb.shell import jobs

SHOW = "LORA_NB_DEBUG"


def log_file(job_dir: Path | None, shown: bool = False) -> Path | None:
    """Where the noise goes: a job's output.log, else a new temporary file. None where everything shall be seen.

    That is: when asked for (`shown`, LORA_NB_DEBUG=1), when stdout is that log already, and inside of another program.
    """
    if shown or os.environ.get(SHOW) or sys.stdout is not sys.__stdout__:
        return None
    if job_dir is None:
        number, name = tempfile.mkstemp(".log", "lora_nb-")
        os.close(number)
        return Path(name)
    log = job_dir / jobs.OUTPUT
    with suppress(OSError):
        if os.path.samestat(os.fstat(1), log.stat()):
            return None
    job_dir.mkdir(parents=True, exist_ok=True)
    return log


@contextmanager
def apart(log: Path | None, explain: Callable[[Exception], str]) -> Iterator[TextIO]:
    """The person's stdout; all else that is written inside, by compiled code too, goes into `log`.

    An error that `explain` has no sentence for leaves its traceback in the log, and gets a note that says where; a
    temporary log without one is removed. `sys.__stderr__` is the person's throughout.
    """
    if log is None:
        yield sys.stdout
        return
    kept = log.name == jobs.OUTPUT
    screen = _take_over(log)
    try:
        yield screen[0]
    except Exception as error:
        if not explain(error):
            print(redact(traceback.format_exc()), file=sys.stderr)
            error.add_note(f"the details are in {log}")
            kept = True
        raise
    finally:
        sys.stdout, sys.stderr = screen
        if not kept:
            with suppress(OSError):
                log.unlink()


def _take_over(log: Path) -> tuple[TextIO, TextIO]:
    """The person's stdout and stderr, apart from now on; 1 and 2 stay with the log, for what is said at the exit."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    screen = _text(os.dup(1), "w"), _text(os.dup(2), "w")
    noise = _text(log, "a")
    for number in (1, 2):
        os.dup2(noise.fileno(), number)
    sys.__stdout__, sys.__stderr__ = screen
    sys.stdout = sys.stderr = noise
    return screen


def _text(file: Path | int, mode: str) -> TextIO:
    return open(file, mode, encoding="utf-8", errors="replace", buffering=1)
