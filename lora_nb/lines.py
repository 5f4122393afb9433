"""A file of lines that grows: a disk that is away for a while, or full, ends nothing over them."""

import os
from contextlib import suppress
from pathlib import Path

from lora_nb.events import Notice, Tell
from lora_nb.patience import lasting


class Lines:
    """A file of lines that grows. What it does not take now is kept in memory, and written with the next line.

    `fault` is the last error of a write, if there was one.
    """

    def __init__(self, path: Path, tell: Tell):
        self.path, self.tell, self.file, self.fault = path, tell, None, None
        self.waiting, self.size = b"", path.stat().st_size if path.exists() else 0

    def write(self, line: str) -> None:
        """Add a line, now or later."""
        self.waiting += line.encode("utf-8") + b"\n"
        try:
            self._put()
        except OSError as error:
            if self.fault is None:
                why = f"{self.path} cannot be written now ({error.strerror or error})"
                self.tell(
                    Notice(f"{why}: its lines are kept, and written as soon as they can be.", "warning")
                )
            self.fault = error

    def settle(self) -> None:
        """Have every line in the file. Raises OSError where that cannot be."""
        lasting(self._put, self.path.parent, self.tell)

    def finish(self) -> None:
        """Close the file with every line in it. Raises OSError where that cannot be; it is closed all the same."""
        try:
            if self.waiting:
                self.settle()
        finally:
            self._leave()

    def close(self) -> None:
        """Write what can be written, and close the file."""
        with suppress(OSError):
            self._put()
        self._leave()

    def _put(self) -> None:
        """Write what waits. A line that was cut off is taken away first, so that none is there by half or twice."""
        try:
            if self.file is None:
                self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115 - closed by `_leave`
                if os.fstat(self.file.fileno()).st_size > self.size:
                    self.file.truncate(self.size)
            left = self.waiting
            while left:
                left = left[self.file.write(left) :]
        except OSError:
            self._leave()
            raise
        self.size, self.waiting = self.size + len(self.waiting), b""

    def _leave(self) -> None:
        file, self.file = self.file, None
        with suppress(OSError):
            if file is not None:
                file.close()
