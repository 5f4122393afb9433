"""Files written whole: a reader sees the old content or the new one, never a part."""

import errno
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FAULTS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.ENOTCONN,
    errno.EROFS,
)  # of a disk: a write names no file then
UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp", re.DOTALL)  # as `replacing` calls them


@contextmanager
def replacing(path: Path, keep: Path | None = None) -> Iterator[Path]:
    """Temporary path beside `path`; on a clean exit it is flushed to disk and takes the place of `path`.

    When the body raises (a full disk, Ctrl-C), `path` keeps its old content and the temporary file goes; a fault of the
    disk then names `path`. With `keep` the old content then lies there; a kill between the two leaves it there alone.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            os.replace(path, keep)
        _put(temporary, path, keep)
    except OSError as error:
        if error.errno in FAULTS and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # where the disk is gone, the error that said so counts
            temporary.unlink(missing_ok=True)


def _put(temporary: Path, path: Path, kept: Path | None) -> None:
    try:
        os.replace(temporary, path)
    except OSError:
        if kept is not None and kept.exists() and not path.exists():
            with suppress(OSError):
                os.replace(kept, path)
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def check_writable(folder: Path, name: str) -> None:
    """Make `folder` and see that a file called `name` could be written whole in it. Raises ValueError saying why not.

    A full disk is an OSError, as from any write.
    """
    probe = _beside(Path(folder) / name)
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise ValueError(f"{folder} cannot be written: {_why(Path(folder), error)}") from None


def _why(folder: Path, error: OSError) -> str:
    wrong = next(
        (place for place in (folder, *folder.parents) if place.exists() and not place.is_dir()), None
    )
    if wrong:
        return f"{wrong} is a file where a folder is needed; move it away, or choose another folder"
    if error.errno == errno.ENAMETOOLONG:
        return "the file system there does not take names as long as this run's; choose a shorter output_name"
    return f"{error.strerror or error}; allow writing there, or choose another folder"


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the content of `path` by `content`. Raises OSError and keeps the old content when it cannot."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace the content of `path` by `content` in UTF-8 with the line ends as given."""
    write_bytes(path, content.encode("utf-8"))


def from_json(text: str | bytes) -> Any:
    """The value in a JSON text that anyone may have written. Raises ValueError, also for what is nested too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def append_line(path: Path, line: str) -> None:
    """Add a line, on disk when this returns; a last line that a kill cut off is closed first."""
    with open(path, "a+b") as file:
        whole = file.tell() == 0 or (file.seek(-1, os.SEEK_END), file.read(1))[1] == b"\n"
        file.write(("" if whole else "\n").encode() + line.encode("utf-8") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def inner_parts(name: str) -> tuple[str, ...] | None:
    """The parts of a file's name that was read somewhere, written with / or \\; None when it leads out of its folder.

    An absolute name, `..` and a drive letter lead out; empty parts and "." say nothing and are left out.
    """
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or ".." in parts or re.match(r"[A-Za-z]:", name):
        return None
    return tuple(part for part in parts if part not in ("", "."))


def within(folder: Path, name: str) -> Path | None:
    """The path of a name that was read from a file, relative to `folder`; None for one that leads out of it.

    Beside what `inner_parts` knows, a link to elsewhere leads out. Empty parts and "." are not written here.
    """
    parts = inner_parts(name)
    if not parts or "\0" in name or "/".join(parts) != name.replace("\\", "/"):
        return None
    path = Path(folder, *parts)
    try:
        return path if path.parent.resolve().is_relative_to(Path(folder).resolve()) else None
    except (OSError, RuntimeError):  # a link that leads to itself
        return None


def free_name(path: Path) -> Path:
    """`path` if nothing stands there, else the first free `stem-2.ext`, `stem-3.ext`, ..."""
    if not path.exists():
        return path
    number = 2
    while (candidate := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return candidate


def sweep(folder: Path, mine: Callable[[str], bool]) -> None:
    """Remove what a killed process left of its unfinished writes to files whose names are `mine`."""
    for path in Path(folder).glob(".*.tmp"):
        match = UNFINISHED.fullmatch(path.name)
        if match and mine(match[1]):
            path.unlink(missing_ok=True)
