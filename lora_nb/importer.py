"""A zip or a folder of pictures -> the dataset folder."""

import hashlib
import os
import re
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from lora_nb import captions
from lora_nb.config import ImportConfig
from lora_nb.events import OnEvent, Progress, silent
from lora_nb.images import IMAGE_EXTENSIONS, REPEATS
from lora_nb.project import folders_of_dataset

JUNK = frozenset(("thumbs.db", "desktop.ini", "icon\r"))
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ufffd]')
LONGEST_STEM = 180  # bytes: leaves room for an ending, a number and a temporary name within 255
MOST_REPEATS = 1000
CHUNK = 1 << 20


@dataclass(frozen=True)
class ImportReport:
    """What came in (names in the dataset), and what did not, as (name in the source, reason or new name)."""

    added: tuple[str, ...]
    captions: int
    skipped: tuple[tuple[str, str], ...]
    renamed: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Entry:
    """One file of the source: the parts of its path, its declared bytes, and how to open it."""

    parts: tuple[str, ...]
    size: int
    open: Callable[[], IO[bytes]]

    @property
    def name(self) -> str:
        return "/".join(self.parts)

    @property
    def suffix(self) -> str:
        return Path(self.parts[-1]).suffix.lower()

    @property
    def caption_key(self) -> tuple[str, ...]:
        """What an image and its caption share: folder and stem."""
        return (*self.parts[:-1], Path(self.parts[-1]).stem.casefold())


@dataclass
class _Import:
    """The report while it grows."""

    added: list[str] = field(default_factory=list)
    captions: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)


def import_dataset(config: ImportConfig, on_event: OnEvent = silent) -> ImportReport:
    """Copy the pictures of `config.source` and their captions into the dataset; nothing there is overwritten.

    Folders of the source are flattened, except those called `N_name`. Raises ValueError, with nothing imported,
    for a source that is unsafe, too large, protected, empty, or neither a zip nor a folder.
    """
    dataset = _check_target(config)
    source = Path(config.source.strip()).expanduser()
    growing = _Import()
    with _entries_of(source, dataset, growing) as entries:
        wanted, texts = _sort_out(entries, growing)
        if not wanted:
            raise ValueError(f"{source} holds no picture: it must hold {_endings()} files")
        _check_size(source, [*wanted, *texts.values()], config, dataset)
        dataset.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=dataset.parent) as staging:
            staged = _unpack(source, wanted, texts, Path(staging), config, growing, on_event)
            _place(staged, dataset, config.subset.strip(), growing, on_event)
    return ImportReport(tuple(growing.added), growing.captions, tuple(growing.skipped), tuple(growing.renamed))


def _endings() -> str:
    return ", ".join(sorted(extension[1:] for extension in IMAGE_EXTENSIONS))


def _check_target(config: ImportConfig) -> Path:
    if not config.source.strip():
        raise ValueError("source is empty: give a .zip file or a folder with pictures")
    if not config.train_data_dir:
        raise ValueError("train_data_dir is empty: give the dataset folder to fill")
    subset = config.subset.strip()
    if subset and (not REPEATS.fullmatch(subset) or UNSAFE.search(subset) or subset.endswith(".")):
        raise ValueError(f'subset = "{subset}" is not usable: write N_name, e.g. 10_cat for 10 repeats')
    return Path(config.train_data_dir).absolute()


@contextmanager
def _entries_of(source: Path, dataset: Path, growing: _Import) -> Iterator[list[Entry]]:
    if source.is_dir():
        if source.resolve() == dataset.resolve():
            raise ValueError(f"{source} is the dataset folder itself: give the place the pictures come from")
        yield list(_folder_entries(source, dataset, growing))
    elif not source.exists():
        raise ValueError(f"{source} does not exist: give the path of a .zip file or of a folder with pictures")
    elif not zipfile.is_zipfile(source):
        raise ValueError(f"{source} is not a whole zip archive: upload it again, or give a .zip file or a folder")
    else:
        try:
            archive = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ValueError(f"{source} is not a readable zip archive ({error}): pack it again") from error
        with archive:
            yield _zip_entries(source, archive, growing)


def _folder_entries(source: Path, dataset: Path, growing: _Import) -> Iterator[Entry]:
    for place, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if Path(place, name).resolve() != dataset.resolve())
        for name in sorted(names):
            path = Path(place, name)
            parts = path.relative_to(source).parts
            if path.is_symlink():
                growing.skipped.append(("/".join(parts), "a link"))
            elif path.is_file():
                yield Entry(parts, path.stat().st_size, lambda path=path: open(path, "rb"))


def _zip_entries(source: Path, archive: zipfile.ZipFile, growing: _Import) -> list[Entry]:
    entries = []
    for info in archive.infolist():
        parts = _safe_parts(source, _entry_name(info))
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or not parts:
            continue
        if info.flag_bits & 0x1:
            raise ValueError(f"{source} is protected by a password: unpack it yourself and give the folder")
        if kind not in (0, stat.S_IFREG):
            growing.skipped.append(("/".join(parts), "a link" if kind == stat.S_IFLNK else "not a file"))
        else:
            entries.append(Entry(parts, info.file_size, lambda info=info: archive.open(info)))
    return entries


def _entry_name(info: zipfile.ZipInfo) -> str:
    """The name as packed: macOS writes UTF-8 without saying so, and zipfile then reads it as cp437."""
    if info.flag_bits & 0x800:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _safe_parts(source: Path, name: str) -> tuple[str, ...]:
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise ValueError(f'{source} is refused: its entry "{name}" points outside the archive; nothing was imported')
    return tuple(part for part in parts if part not in ("", "."))


def _sort_out(entries: list[Entry], growing: _Import) -> tuple[list[Entry], dict[tuple[str, ...], Entry]]:
    """The pictures, and the captions that belong to one of them by `caption_key`."""
    entries = sorted((entry for entry in entries if not _is_junk(entry)), key=lambda entry: entry.parts)
    wanted = [entry for entry in entries if entry.suffix in IMAGE_EXTENSIONS]
    keys = {entry.caption_key for entry in wanted}
    texts = {}
    for entry in entries:
        if entry.suffix == captions.CAPTION_EXTENSION and entry.caption_key in keys:
            texts[entry.caption_key] = entry
        elif entry.suffix == captions.CAPTION_EXTENSION:
            growing.skipped.append((entry.name, "no picture of this name beside it"))
        elif entry.suffix not in IMAGE_EXTENSIONS:
            growing.skipped.append((entry.name, f"not a picture ({_endings()}) or a caption (txt)"))
    return wanted, texts


def _is_junk(entry: Entry) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in entry.parts)
    return hidden or entry.parts[-1].lower() in JUNK


def _check_size(source: Path, entries: list[Entry], config: ImportConfig, dataset: Path) -> None:
    size = sum(entry.size for entry in entries)
    if len(entries) > config.max_files:
        raise ValueError(f"{source} is refused: it holds {len(entries)} files and max_files is {config.max_files}")
    if size > config.max_gigabytes * 1e9:
        raise _too_large(source, config)
    place = next(parent for parent in dataset.parents if parent.exists())
    free = shutil.disk_usage(place).free
    if size > free:
        raise ValueError(f"{source} needs {size / 1e9:.1f} GB and only {free / 1e9:.1f} GB are free at {place}")


def _too_large(source: Path, config: ImportConfig) -> ValueError:
    limit = f"max_gigabytes is {config.max_gigabytes:g}"
    return ValueError(f"{source} is refused: it unpacks to more than {limit}; nothing was imported")


@dataclass(frozen=True)
class _Staged:
    """An unpacked picture that waits for its place."""

    entry: Entry
    image: Path
    caption: Path | None


def _unpack(
    source: Path,
    wanted: list[Entry],
    texts: dict[tuple[str, ...], Entry],
    staging: Path,
    config: ImportConfig,
    growing: _Import,
    on_event: OnEvent,
) -> list[_Staged]:
    """Every picture and caption, under numbers in `staging`: what an archive declares is measured here."""
    left = int(config.max_gigabytes * 1e9)
    files: dict[int, Path | None] = {}
    entries = [*wanted, *texts.values()]
    for number, entry in enumerate(entries):
        target = staging / str(number)
        try:
            left -= _copy(entry, target, left)
        except OverflowError:
            raise _too_large(source, config) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, _Unreadable) as error:
            growing.skipped.append((entry.name, f"damaged in the source: {error}"))
            target.unlink(missing_ok=True)
        files[id(entry)] = target if target.exists() else None
        on_event(Progress("Unpacking", number + 1, len(entries)))
    found = ((entry, files[id(entry)], texts.get(entry.caption_key)) for entry in wanted)
    return [_Staged(entry, image, files[id(text)] if text else None) for entry, image, text in found if image]


class _Unreadable(Exception):
    """The source's file cannot be opened or read; the target's errors stay OSErrors."""


def _copy(entry: Entry, target: Path, limit: int) -> int:
    """The bytes copied. Raises OverflowError when they would be more than `limit`."""
    size = 0
    with open(target, "wb") as file:
        for chunk in _chunks(entry):
            size += len(chunk)
            if size > limit:
                raise OverflowError
            file.write(chunk)
    return size


def _chunks(entry: Entry) -> Iterator[bytes]:
    try:
        with entry.open() as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        raise _Unreadable(error.strerror or str(error)) from error


def _place(staged: list[_Staged], dataset: Path, subset: str, growing: _Import, on_event: OnEvent) -> None:
    known = _Known(dataset)
    taken: dict[Path, set[str]] = {}
    for done, picture in enumerate(staged, start=1):
        there = known.find(picture.image)
        if there:
            growing.captions += _bring_caption(picture, there, dataset)
            reason = "already in the dataset" if there.is_relative_to(dataset) else "set aside before"
            growing.skipped.append((picture.entry.name, reason))
        else:
            place = dataset / (subset or _subset_of(picture.entry))
            place.mkdir(exist_ok=True)
            stems = taken.setdefault(place, {Path(name).stem.casefold() for name in os.listdir(place)})
            target = place / _file_name(picture.entry, stems)
            stems.add(target.stem.casefold())
            os.replace(picture.image, target)
            growing.added.append(target.relative_to(dataset).as_posix())
            growing.captions += _bring_caption(picture, target, dataset)
            if target.name != picture.entry.parts[-1]:
                growing.renamed.append((picture.entry.name, growing.added[-1]))
        on_event(Progress("Importing", done, len(staged)))


def _bring_caption(picture: _Staged, image: Path, dataset: Path) -> int:
    """1 when the picture's caption now stands beside `image`, 0 when there is none or one stood there before."""
    target = captions.caption_path(image)
    if picture.caption is None or target.exists() or not image.is_relative_to(dataset):
        return 0
    temporary = picture.caption.with_name(f"{picture.caption.name}.copy")
    shutil.copyfile(picture.caption, temporary)  # pictures of one stem share a caption: each gets its own
    os.replace(temporary, target)
    return 1


def _subset_of(entry: Entry) -> str:
    for part in reversed(entry.parts[:-1]):
        match = REPEATS.fullmatch(part)
        if match and 1 <= int(match[1]) <= MOST_REPEATS:
            return _clean(part)
    return ""


def _file_name(entry: Entry, taken: set[str]) -> str:
    name = Path(_clean(entry.parts[-1]))
    stem = name.stem.encode("utf-8")[:LONGEST_STEM].decode("utf-8", errors="ignore").rstrip(" .")
    return captions.free_stem(stem or "picture", taken) + name.suffix


def _clean(name: str) -> str:
    """`name` in a form that Linux, macOS, Windows and Drive all accept."""
    readable = name.encode("utf-8", errors="replace").decode("utf-8")
    name = UNSAFE.sub("_", unicodedata.normalize("NFC", readable)).strip()
    return f"_{name}" if RESERVED.fullmatch(name) else name


class _Known:
    """The files that were in the dataset or set aside before this import, found again by their bytes."""

    def __init__(self, dataset: Path) -> None:
        self.by_size: dict[int, list[Path]] = {}
        self.digests: dict[Path, bytes] = {}
        for folder in (dataset, folders_of_dataset(dataset).set_aside):
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in IMAGE_EXTENSIONS and path.is_file():
                    self.by_size.setdefault(path.stat().st_size, []).append(path)

    def find(self, image: Path) -> Path | None:
        """The first known file with the same bytes."""
        same_size = self.by_size.get(image.stat().st_size, [])
        return next((path for path in same_size if self._digest(path) == self._digest(image)), None)

    def _digest(self, path: Path) -> bytes:
        if path not in self.digests:
            with open(path, "rb") as file:
                self.digests[path] = hashlib.file_digest(file, "sha256").digest()
        return self.digests[path]
