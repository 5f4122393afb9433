"""The files in a zip or a folder, by names that are safe to use."""

import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lora_nb import files

JUNK = frozenset(("thumbs.db", "desktop.ini", "icon\r"))
READ_FAILURES = (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


@dataclass(frozen=True)
class Entry:
    """One file: the parts of its path in the source, its declared bytes, and how to open it."""

    parts: tuple[str, ...]
    size: int
    open: Callable[[], IO[bytes]]

    @property
    def name(self) -> str:
        return printable(self.parts)

    @property
    def suffix(self) -> str:
        return Path(self.parts[-1]).suffix.lower()

    @property
    def stem(self) -> str:
        """The whole name without its ending: what an image and its caption share."""
        return str(Path(self.name).with_suffix(""))


def printable(parts: Sequence[str]) -> str:
    """The path of a file in its source; bytes of a name that are not UTF-8 are written out."""
    return "/".join(parts).encode("utf-8", errors="backslashreplace").decode()


@dataclass(frozen=True)
class Contents:
    """The files of a source, in order, and what is passed over as (name, reason).

    The hidden files and folders that macOS and Windows leave behind are in neither.
    """

    entries: tuple[Entry, ...]
    skipped: tuple[tuple[str, str], ...]


@contextmanager
def contents(source: Path, leave_out: Path) -> Iterator[Contents]:
    """The contents of a zip or folder, to be opened inside the `with`; the folder `leave_out` is not read.

    A zip in a folder counts as a folder of its name. Raises ValueError for a source that is neither, and for an
    archive that is damaged, protected by a password or names a file outside of itself.
    """
    if source.is_dir():
        with ExitStack() as archives:
            yield _sorted(_unzipped(source, _in_folder(source, leave_out), archives))
    else:
        with _opened(source) as archive:
            yield _sorted(_in_zip(source, archive))


def _unzipped(
    source: Path, found: Iterator[tuple[tuple[str, ...], Entry | str]], archives: ExitStack
) -> Iterator[tuple[tuple[str, ...], Entry | str]]:
    """What was found in a folder, with the files of its zips in their place."""
    for parts, item in found:
        if isinstance(item, str) or item.suffix != ".zip":
            yield parts, item
            continue
        path = source.joinpath(*parts)
        try:
            inside = list(_in_zip(path, archives.enter_context(_opened(path))))
        except ValueError as error:
            yield parts, str(error).removeprefix(f"{path} ")
            continue
        yield from (
            ((*parts[:-1], path.stem, *inner), _below(parts[:-1], path.stem, each)) for inner, each in inside
        )


def _below(outer: tuple[str, ...], name: str, item: Entry | str) -> Entry | str:
    return item if isinstance(item, str) else Entry((*outer, name, *item.parts), item.size, item.open)


def _sorted(found: Iterator[tuple[tuple[str, ...], Entry | str]]) -> Contents:
    visible = sorted((item for item in found if not _is_junk(item[0])), key=lambda item: item[0])
    skipped = ((printable(parts), reason) for parts, reason in visible if isinstance(reason, str))
    return Contents(tuple(entry for _, entry in visible if isinstance(entry, Entry)), tuple(skipped))


def _is_junk(parts: tuple[str, ...]) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return hidden or parts[-1].lower() in JUNK


def _opened(source: Path) -> zipfile.ZipFile:
    if not source.exists():
        raise ValueError(
            f"{source} does not exist: give the path of a .zip file or of a folder with pictures"
        )
    if not zipfile.is_zipfile(source):
        raise ValueError(f"{source} is not a whole zip archive: upload it again, or give a .zip or a folder")
    try:
        return zipfile.ZipFile(source)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ValueError(f"{source} is not a readable zip archive ({error}): pack it again") from error


def _in_folder(source: Path, leave_out: Path) -> Iterator[tuple[tuple[str, ...], Entry | str]]:
    errors: list[OSError] = []
    for place, folders, names in os.walk(source, onerror=errors.append):
        folders[:] = [name for name in folders if Path(place, name).resolve() != leave_out.resolve()]
        for path in (Path(place, name) for name in names):
            parts = path.relative_to(source).parts
            yield parts, _file(path, parts)
    for error in errors:
        if Path(error.filename) == source:
            raise ValueError(f"{source} cannot be read ({error.strerror}): give a folder that you may open")
        yield (
            Path(error.filename).relative_to(source).parts,
            f"a folder that cannot be read: {error.strerror}",
        )


def _file(path: Path, parts: tuple[str, ...]) -> Entry | str:
    """The entry of a file in a folder, or why it is none."""
    try:
        status = path.lstat()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if stat.S_ISREG(status.st_mode):
        return Entry(parts, status.st_size, lambda: path.open("rb"))
    return "a link" if stat.S_ISLNK(status.st_mode) else "not a file"


def _in_zip(source: Path, archive: zipfile.ZipFile) -> Iterator[tuple[tuple[str, ...], Entry | str]]:
    for info in archive.infolist():
        parts = _safe_parts(source, _name(info))
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or not parts:
            continue
        if info.flag_bits & 0x1:
            raise ValueError(f"{source} is protected by a password: unpack it yourself and give the folder")
        if kind in (0, stat.S_IFREG):
            yield parts, Entry(parts, info.file_size, lambda info=info: archive.open(info))
        else:
            yield parts, "a link" if kind == stat.S_IFLNK else "not a file"


def _name(info: zipfile.ZipInfo) -> str:
    """The name as packed: macOS writes UTF-8 without saying so, and zipfile then reads it as cp437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _safe_parts(source: Path, name: str) -> tuple[str, ...]:
    parts = files.inner_parts(name)
    if parts is None:
        raise ValueError(f'{source} is refused: its entry "{name}" points outside of it; nothing is imported')
    return parts
