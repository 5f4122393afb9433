"""A folder mounted by FUSE, as Google Drive is on Colab, whose disk fills up, breaks or goes away at a given moment.

Needs Linux, root, fusepy (pip) and libfuse2 (apt; FUSE_LIBRARY_PATH names its .so where it is not installed).
python checks/faulty_disk.py BACKING MOUNTED PLAN     is the process that answers for the mounted folder.
"""

import errno
import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILLER = "filler"
WRITES = ("write", "create", "fsync", "flush", "rename", "mkdir", "truncate", "open_to_write")


@dataclass(frozen=True)
class Plan:
    """What goes wrong from the first call on that is one of `calls` on a path that `path` matches.

    "fill": the disk is filled, and what is written gets the kernel's own answer. "broken": each write answers `error`.
    "away": every call does. "die": the process ends, so that the kernel answers for it. It lasts for `seconds`, or
    until the plan is changed (0).
    """

    fault: str = ""
    path: str = ""
    calls: tuple[str, ...] = ("write",)
    error: str = "EIO"
    seconds: float = 0.0


class Disk:
    """A folder on a file system of its own, seen through FUSE."""

    def __init__(self, home: Path, size: str = "48m"):
        """Mount it in `home`: `home/mounted` is what a program sees."""
        self.backing, self.mounted = home / "backing", home / "mounted"
        self.plan, self.hit_note = home / "plan.json", home / "hit"
        self.process: subprocess.Popen | None = None
        for folder in (self.backing, self.mounted):
            folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.backing))
        self.attach()

    def attach(self) -> None:
        """Mount the folder, anew where its process is gone."""
        self.heal()
        _run("umount", "-l", str(self.mounted), fails=True)
        line = [sys.executable, __file__, str(self.backing), str(self.mounted), str(self.plan)]
        self.process = subprocess.Popen(line, start_new_session=True)
        until = time.monotonic() + 20
        while not os.path.ismount(self.mounted):
            if time.monotonic() > until or self.process.poll() is not None:
                raise OSError(errno.ENODEV, "FUSE does not mount here", str(self.mounted))
            time.sleep(0.02)

    def break_down(self, plan: Plan) -> None:
        """Let go wrong what `plan` says."""
        self.hit_note.unlink(missing_ok=True)
        self._write(plan)

    def heal(self) -> None:
        """Let nothing go wrong any more; what filled the disk is taken away."""
        self._write(Plan())
        (self.backing / FILLER).unlink(missing_ok=True)

    @property
    def hit(self) -> str:
        """The call and the path that it went wrong at first, or ""."""
        return self.hit_note.read_text() if self.hit_note.is_file() else ""

    def close(self) -> None:
        """Unmount it; nothing of it is left."""
        _run("umount", "-l", str(self.mounted), fails=True)
        if self.process:
            self.process.terminate()
            self.process.wait()
        _run("umount", "-l", str(self.backing), fails=True)

    def _write(self, plan: Plan) -> None:
        new = self.plan.with_suffix(".new")
        new.write_text(json.dumps(asdict(plan)))
        os.replace(new, self.plan)


def _run(*line: str, fails: bool = False) -> None:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode and not fails:
        raise OSError(done.returncode, done.stderr.strip() or "failed", line[-1])


def serve(backing: str, mounted: str, plan_file: str) -> None:
    """Answer for the mounted folder until it is unmounted."""
    from fuse import FUSE, FuseOSError, Operations

    class Through(Operations):
        """Each call is made on the folder behind, unless something is to go wrong."""

        def __init__(self) -> None:
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
                Path(plan_file).with_name("hit").write_text(f"{call} {paths[-1]}")
                if plan.fault == "die":
                    os._exit(1)
                if plan.fault == "fill":
                    _fill(Path(backing) / FILLER)
            if plan.seconds and time.monotonic() - self.since > plan.seconds:
                if plan.fault == "fill":
                    (Path(backing) / FILLER).unlink(missing_ok=True)
                self.plan = Plan()
            elif plan.fault == "away" or (plan.fault == "broken" and call in WRITES):
                raise FuseOSError(getattr(errno, plan.error))

        def _read_plan(self) -> None:
            with suppress(OSError):
                stamp = os.stat(plan_file).st_mtime_ns
                if stamp != self.seen:
                    values = json.loads(Path(plan_file).read_text())
                    self.plan = Plan(**{**values, "calls": tuple(values["calls"])})
                    self.seen, self.since = stamp, 0.0

        def _at(self, path: str) -> str:
            return backing + path

        def getattr(self, path: str, handle: int | None = None) -> dict[str, Any]:
            found = os.lstat(self._at(path))
            names = (
                "st_mode",
                "st_nlink",
                "st_uid",
                "st_gid",
                "st_size",
                "st_atime",
                "st_mtime",
                "st_ctime",
                "st_ino",
            )
            return {name: getattr(found, name) for name in names}

        def readdir(self, path: str, handle: int) -> list[str]:
            return [".", "..", *(name for name in os.listdir(self._at(path)) if name != FILLER)]

        def statfs(self, path: str) -> dict[str, int]:
            found = os.statvfs(self._at(path))
            names = (
                "f_bavail",
                "f_bfree",
                "f_blocks",
                "f_bsize",
                "f_favail",
                "f_ffree",
                "f_files",
                "f_frsize",
            )
            return {name: getattr(found, name) for name in names}

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

    FUSE(Through(), mounted, foreground=True, nothreads=True, attr_timeout=0, entry_timeout=0)


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
