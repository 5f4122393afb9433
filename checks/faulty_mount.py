"""The process that answers for a folder mounted by FUSE, and lets go wrong what faulty_disk.py asks for.

python checks/faulty_mount.py BACKING MOUNTED PLAN     (needs fusepy and libfuse2)
"""

import errno
import json
import os
import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from faulty_disk import FILLER, WRITES, Plan
from fuse import FUSE, FuseOSError, Operations

OF_FILE = tuple(
    f"st_{name}" for name in ("mode", "nlink", "uid", "gid", "size", "atime", "mtime", "ctime", "ino")
)
OF_DISK = tuple(
    f"f_{name}" for name in ("bavail", "bfree", "blocks", "bsize", "favail", "ffree", "files", "frsize")
)


class Through(Operations):
    """Each call is made on the folder behind, unless something is to go wrong."""

    def __init__(self, backing: str, plan_file: str) -> None:
        self.backing, self.plan_file = backing, plan_file
        self.seen, self.plan, self.since = 0, Plan(), 0.0

    def __call__(self, call: str, path: str, *given: Any) -> Any:
        name = "open_to_write" if call == "open" and given[0] & (os.O_WRONLY | os.O_RDWR) else call
        named = (path, given[0]) if call == "rename" else (path,)
        self._go_wrong(name, [each for each in named if each])
        if not hasattr(self, call):
            raise FuseOSError(errno.ENOSYS)
        try:
            return getattr(self, call)(path, *given)
        except OSError as error:
            raise FuseOSError(error.errno) from None

    def _go_wrong(self, call: str, paths: list[str]) -> None:
        self._read_plan()
        plan = self.plan
        if not plan.fault:
            return
        if not self.since:
            if call not in plan.calls or not any(re.search(plan.path, each) for each in paths):
                return
            self.since = time.monotonic()
            Path(self.plan_file).with_name("hit").write_text(f"{call} {paths[-1]}")
            if plan.fault == "die":
                os._exit(1)
            if plan.fault == "fill":
                _fill(Path(self.backing) / FILLER)
        if plan.seconds and time.monotonic() - self.since > plan.seconds:
            if plan.fault == "fill":
                (Path(self.backing) / FILLER).unlink(missing_ok=True)
            self.plan = Plan()
        elif plan.fault == "away" or (plan.fault == "broken" and call in WRITES):
            raise FuseOSError(getattr(errno, plan.error))

    def _read_plan(self) -> None:
        with suppress(OSError):
            stamp = os.stat(self.plan_file).st_mtime_ns
            if stamp != self.seen:
                values = json.loads(Path(self.plan_file).read_text())
                self.plan = Plan(**{**values, "calls": tuple(values["calls"])})
                self.seen, self.since = stamp, 0.0

    def _at(self, path: str) -> str:
        return self.backing + path

    def getattr(self, path: str, handle: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._at(path))
        return {name: getattr(found, name) for name in OF_FILE}

    def readdir(self, path: str, handle: int) -> list[str]:
        return [".", "..", *(name for name in os.listdir(self._at(path)) if name != FILLER)]

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._at(path))
        return {name: getattr(found, name) for name in OF_DISK}

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags & ~os.O_APPEND)  # the kernel sends the place with each write

    def create(self, path: str, mode: int, info: Any = None) -> int:
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, path: str, size: int, offset: int, handle: int) -> bytes:
        return os.pread(handle, size, offset)

    def write(self, path: str, content: bytes, offset: int, handle: int) -> int:
        return os.pwrite(handle, content, offset)

    def truncate(self, path: str, length: int, handle: int | None = None) -> None:
        os.truncate(self._at(path), length)

    def fsync(self, path: str, only_content: int, handle: int) -> None:
        os.fsync(handle)

    def flush(self, path: str, handle: int) -> None:
        return None

    def release(self, path: str, handle: int) -> None:
        os.close(handle)

    def unlink(self, path: str) -> None:
        os.unlink(self._at(path))

    def rename(self, old: str, new: str) -> None:
        os.replace(self._at(old), self._at(new))

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._at(path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._at(path))

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._at(path), mode)

    def utimens(self, path: str, times: tuple[float, float] | None = None) -> None:
        os.utime(self._at(path), times)

    def access(self, path: str, mode: int) -> None:
        if not os.access(self._at(path), mode):
            raise FuseOSError(errno.EACCES)


def serve(backing: str, mounted: str, plan_file: str) -> None:
    """Answer for the mounted folder until it is unmounted."""
    through = Through(backing, plan_file)
    FUSE(through, mounted, foreground=True, nothreads=True, attr_timeout=0, entry_timeout=0)


def _fill(path: Path) -> None:
    """Take all the room there is."""
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    if file.write(b"\0" * size) < size:
                        break


if __name__ == "__main__":
    serve(*sys.argv[1:4])
