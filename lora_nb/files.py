"""Files written whole: a reader sees the old content or the new one, never a part."""

import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp", re.DOTALL)  # as `replacing` calls them


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Temporary path beside `path`; on a clean exit it is flushed to disk and takes the place of `path`.

    When the body raises (a full disk, Ctrl-C), `path` keeps its old content and the temporary file goes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the content of `path` by `content`. Raises OSError and keeps the old content when it cannot."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace the content of `path` by `content` in UTF-8 with the line ends as given."""
    write_bytes(path, content.encode("utf-8"))


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
