"""A zip or a folder of pictures -> the dataset folder."""

import hashlib
import itertools
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lora_nb import files
from lora_nb.config.intake import ImportConfig
from lora_nb.dataset import captions, encodings, gate, record
from lora_nb.dataset.gate import Changes, Move
from lora_nb.dataset.images import IMAGE_EXTENSIONS
from lora_nb.events import Progress, Tell, silent
from lora_nb.intake import archive, arrivals
from lora_nb.intake.archive import Entry
from lora_nb.intake.given_captions import Given, Named
from lora_nb.intake.known import Known

ENDINGS = ", ".join(sorted(extension[1:] for extension in IMAGE_EXTENSIONS))
CHUNK = 1 << 20


@dataclass(frozen=True)
class ImportReport:
    """What came in (names in the dataset), and what did not, as (name in the source, reason or new name).

    `failed` of them could not be read; `known` pictures were there before. Of the captions that were there, `equal`
    are the same in the source, `different` are not: (name in the dataset, its text, the source's).
    """

    added: tuple[str, ...]
    captions: int
    skipped: tuple[tuple[str, str], ...]
    renamed: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...] = ()
    known: int = 0
    equal: int = 0
    different: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class _Picture:
    """A picture with its caption: in the source, then unpacked."""

    entry: Entry
    text: Entry | None
    image: Path = Path()
    caption: Path | None = None
    digest: str = ""


@dataclass
class _Import:
    """The report while it grows, and what the import works with."""

    source: Path
    dataset: Path
    config: ImportConfig
    tell: Tell
    changes: Changes
    given: Given
    added: list[str] = field(default_factory=list)
    known: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def import_dataset(config: ImportConfig, tell: Tell = silent) -> ImportReport:
    """Copy the pictures of `config.source` and their captions into the dataset; no picture there is overwritten.

    Folders of the source are flattened, except those called `N_name`. Captions alone go to the pictures called like
    them. Captions that are there already stay or, as `config.existing` says, are replaced and kept for `undo`.
    Raises ValueError, with nothing imported, for a source that is unsafe, too large, protected or empty.
    """
    _check(config)
    with gate.step(Path(config.train_data_dir), "import") as changes:
        return _import(config, tell, changes)


def _import(config: ImportConfig, tell: Tell, changes: Changes) -> ImportReport:
    source, dataset = _places(config)
    work = _Import(source, dataset, config, tell, changes, Given(config, dataset, changes))
    with archive.contents(work.source, leave_out=work.dataset) as contents:
        work.skipped += contents.skipped
        _check_size(contents.entries, work)
        pictures = _sort_out(contents.entries, work)
        work.dataset.mkdir(parents=True, exist_ok=True)
        staging = changes.staging()
        _place(_unpack(pictures, staging, work), work)
        if not pictures:
            _place_captions(contents.entries, staging, work)
    return ImportReport(
        added=tuple(work.added), captions=work.given.written, skipped=tuple(work.skipped), renamed=tuple(work.renamed),
        failed=tuple(work.failed), known=work.known, equal=work.given.equal, different=tuple(work.given.different),
    )  # fmt: skip


def _check(config: ImportConfig) -> None:
    """Raises ValueError for settings that no source can go with."""
    if not config.source.strip():
        raise ValueError("source is empty: give a .zip file or a folder with pictures")
    if not config.train_data_dir:
        raise ValueError("train_data_dir is empty: give the dataset folder to fill")
    subset = config.subset.strip()
    if subset and not arrivals.is_subset(subset):
        raise ValueError(f'subset = "{subset}" is not usable: write N_name, e.g. 10_cat for 10 repeats')
    source, dataset = _places(config)
    if source.resolve() == dataset.resolve():
        raise ValueError(f"{source} is the dataset folder itself: give the place the pictures come from")
    encodings.check(config.caption_encoding)


def _places(config: ImportConfig) -> tuple[Path, Path]:
    """The source and the dataset folder."""
    return Path(config.source.strip()).expanduser(), Path(config.train_data_dir).absolute()


def _sort_out(entries: Sequence[Entry], work: _Import) -> list[_Picture]:
    """The pictures with the captions beside them; none for captions alone. Raises ValueError without either."""
    wanted = [entry for entry in entries if entry.suffix in IMAGE_EXTENSIONS]
    texts = [entry for entry in entries if entry.suffix == captions.CAPTION_EXTENSION]
    exact = {text.stem: text for text in texts}
    near = {text.stem.casefold(): text for text in texts}
    stems = {entry.stem.casefold() for entry in wanted}
    for entry in entries:
        if wanted and entry.suffix == captions.CAPTION_EXTENSION and entry.stem.casefold() not in stems:
            work.skipped.append((entry.name, "no picture of this name beside it"))
        elif entry.suffix not in {*IMAGE_EXTENSIONS, captions.CAPTION_EXTENSION}:
            work.skipped.append((entry.name, f"not a picture ({ENDINGS}) or a caption (txt)"))
    if not wanted and not texts:
        named = "".join(f" ({name}: {reason})" for name, reason in work.skipped[:1])
        raise ValueError(f"{work.source} holds no picture: it must hold {ENDINGS} files{named}")
    return [_Picture(entry, exact.get(entry.stem, near.get(entry.stem.casefold()))) for entry in wanted]


def _check_size(entries: Sequence[Entry], work: _Import) -> None:
    limit = work.config.max_files
    if len(entries) > limit:
        raise ValueError(f"{work.source} is refused: it holds {len(entries)} files and max_files is {limit}")
    size = sum(entry.size for entry in entries)
    if size > work.config.max_gigabytes * 1e9:
        raise _too_large(work)
    place = next(parent for parent in work.dataset.parents if parent.exists())
    free = shutil.disk_usage(place).free
    if size > free:
        amounts = f"{size / 1e9:.1f} GB and only {free / 1e9:.1f} GB are free"
        raise ValueError(f"{work.source} needs {amounts} at {place}: make room there first")


def _too_large(work: _Import) -> ValueError:
    limit = f"{work.config.max_gigabytes:g} GB (max_gigabytes)"
    return ValueError(f"{work.source} is refused: it unpacks to more than {limit}; nothing is imported")


class _Unreadable(Exception):
    """A file of the source cannot be read; errors where it is written to stay OSErrors."""


def _unpack(pictures: list[_Picture], staging: Path, work: _Import) -> list[_Picture]:
    """The pictures, unpacked under numbers in `staging`: what an archive declares is measured here."""
    left = int(work.config.max_gigabytes * 1e9)
    unpacked = []
    for number, picture in enumerate(pictures, start=1):
        image, caption = staging / f"{number}.image", staging / f"{number}.caption"
        digest = hashlib.sha256()
        left -= _copy(picture.entry, image, left, work, digest.update)
        if picture.text and image.exists():
            left -= _copy(picture.text, caption, left, work)
        if image.exists():
            text = caption if caption.exists() else None
            unpacked.append(_Picture(picture.entry, picture.text, image, text, digest.hexdigest()))
        work.tell(Progress("Unpacking", number, len(pictures)))
    return unpacked


def _copy(
    entry: Entry, target: Path, limit: int, work: _Import, each: Callable[[bytes], None] = lambda chunk: None
) -> int:
    """The bytes copied; 0, and no file, for an unreadable entry. Raises ValueError beyond `limit`."""
    size = 0
    try:
        with target.open("wb") as file:
            for chunk in _chunks(entry):
                size += len(chunk)
                if size > limit:
                    raise _too_large(work)
                file.write(chunk)
                each(chunk)
    except _Unreadable as error:
        work.failed.append((entry.name, str(error)))
        work.skipped.append(work.failed[-1])
        target.unlink()
        return 0
    return size


def _chunks(entry: Entry) -> Iterator[bytes]:
    try:
        with entry.open() as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        raise _Unreadable(f"it cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise _Unreadable(f"damaged in the source: {error}") from error


def _place(pictures: list[_Picture], work: _Import) -> None:
    """Bring the new pictures into the dataset, and give the captions of known ones to those."""
    known, progress = Known(work.dataset), itertools.count(1)
    taken: dict[Path, set[str]] = {}
    new = []

    def tell() -> None:
        work.tell(Progress("Importing", next(progress), len(pictures)))

    for picture in pictures:
        there = known.find(picture.image, picture.digest)
        if there is None:
            new.append(_add(picture, taken, work))
            continue
        inside = there.is_relative_to(work.dataset)
        if inside and picture.caption and picture.text:
            _give(picture.text, picture.caption, there, work)
        work.known += 1
        work.skipped.append((picture.entry.name, "already in the dataset" if inside else "set aside before"))
        tell()
    work.changes.move(new, tell)


def _add(picture: _Picture, taken: dict[Path, set[str]], work: _Import) -> list[Move]:
    """How a picture comes into the dataset with its caption, under a name that nothing there has."""
    place = work.dataset / (work.config.subset.strip() or arrivals.subset_of(picture.entry))
    if place not in taken:
        taken[place] = {path.stem.casefold() for path in (place.iterdir() if place.is_dir() else ())}
    target = place / arrivals.file_name(picture.entry, taken[place])
    taken[place].add(target.stem.casefold())
    moves = [Move(picture.image, target, after=picture.digest)]
    if picture.caption:
        content = work.given.in_utf8(came := picture.caption.read_bytes())
        if content != came:
            files.write_bytes(picture.caption, content)
        moves.append(Move(picture.caption, captions.caption_path(target), after=record.digest(content)))
        work.given.written += 1
    work.added.append(target.relative_to(work.dataset).as_posix())
    if target.name != picture.entry.parts[-1]:
        work.renamed.append((picture.entry.name, work.added[-1]))
    return moves


def _place_captions(entries: Sequence[Entry], staging: Path, work: _Import) -> None:
    """Captions alone, given to the pictures of the dataset that are called like them."""
    texts = [entry for entry in entries if entry.suffix == captions.CAPTION_EXTENSION]
    named = Named(work.dataset)
    found = [(entry, named.find(entry.parts)) for entry in texts]
    work.skipped += [(entry.name, reason) for entry, reason in found if isinstance(reason, str)]
    pairs = [(entry, image) for entry, image in found if isinstance(image, Path)]
    if not pairs:
        raise ValueError(
            f"{work.source} holds no picture ({ENDINGS}), and none of its {len(texts)} captions belongs to a picture "
            f"in {work.dataset} ({work.skipped[-1][0]}: {work.skipped[-1][1]})"
        )
    left = int(work.config.max_gigabytes * 1e9)
    for number, (entry, image) in enumerate(pairs, start=1):
        copied = staging / f"{number}.caption"
        left -= _copy(entry, copied, left, work)
        if copied.exists():
            _give(entry, copied, image, work)
        work.tell(Progress("Importing", number, len(pairs)))


def _give(entry: Entry, caption: Path, image: Path, work: _Import) -> None:
    if reason := work.given.to(caption.read_bytes(), image):
        work.failed.append((entry.name, reason))
        work.skipped.append(work.failed[-1])
