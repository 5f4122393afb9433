"""Folders on the machine's own disk for what is on its way into a dataset, kept for a while and known again."""

import hashlib
import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "lora_nb-"
DAYS_KEPT = 7


def place(purpose: str, key: str, folder: str = "") -> Path:
    """The folder of this key, made if need be, below `folder` or where the machine keeps temporary files.

    What was there for the same purpose and was not used for a week is removed.
    """
    root = Path(folder).expanduser() if folder else Path(tempfile.gettempdir()) / f"{PREFIX}{purpose}"
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    found = root / f"{purpose}-{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:20]}"
    found.mkdir(exist_ok=True)
    (found / ".used").touch()
    return found


def free(folder: Path) -> int:
    """The free bytes of the disk that a folder lies on."""
    return shutil.disk_usage(folder).free


def _sweep(root: Path) -> None:
    oldest = time.time() - DAYS_KEPT * 86400
    for mark in root.glob("*-*/.used"):
        if mark.stat().st_mtime < oldest:
            shutil.rmtree(mark.parent, ignore_errors=True)
