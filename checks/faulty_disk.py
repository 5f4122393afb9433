"""A folder mounted by FUSE, as Google Drive is on Colab, whose disk fills up, breaks or goes away at a given moment.

Needs Linux, root, fusepy (pip) and libfuse2 (apt; FUSE_LIBRARY_PATH names its .so where it is not installed).
faulty_mount.py is the process that answers for the mounted folder.
"""

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

MOUNT = Path(__file__).with_name("faulty_mount.py")
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
        line = [sys.executable, str(MOUNT), str(self.backing), str(self.mounted), str(self.plan)]
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
