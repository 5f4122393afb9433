"""A zip, a folder or what was downloaded of pictures -> the dataset folder."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lora_nb import files
from lora_nb.config.intake import ImportConfig, LookConfig
from lora_nb.dataset import captions, encodings, gate, record
from lora_nb.dataset.gate import Changes, Move
from lora_nb.dataset.images import IMAGE_EXTENSIONS
from lora_nb.events import Progress, Tell, silent
from lora_nb.intake import archive, arrivals, import_report, sources, subsets, tables
from lora_nb.intake.archive import Entry
from lora_nb.intake.content import ENDINGS
from lora_nb.intake.given_captions import Given, Named
from lora_nb.intake.import_report import ImportReport
from lora_nb.intake.known import Known
from lora_nb.intake.sources import NOTHING, Fetched
from lora_nb.intake.subsets import Plan, Subset
from lora_nb.intake.unpack import Unpacker

ORIGINS = "sources.jsonl"  # in report/: where each picture came from


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

    source: Fetched
    dataset: Path
    config: ImportConfig
    tell: Tell
    changes: Changes
    given: Given
    unpacker: Unpacker
    plan: Plan = field(default_factory=Plan)
    added: list[str] = field(default_factory=list)
    known: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)


def import_dataset(
    config: ImportConfig, tell: Tell = silent, keys: Mapping[str, str] = NOTHING
) -> ImportReport:
    """Copy the pictures of `config.source` and their captions into the dataset; no picture there is overwritten.

    What is elsewhere is downloaded first; `keys` are the person's own for image boards. Folders of the source are
    flattened, except those called `N_name`. Captions alone go to the pictures called like them. Captions that are there
    already stay or, as `config.existing` says, are replaced and kept for `undo`.
    Raises ValueError, with nothing imported, for a source that is unsafe, too large, protected or empty.
    """
    _check(config)
    source = sources.fetch(config, keys, tell)
    with gate.step(Path(config.train_data_dir), "import") as changes:
        return _import(source, config, tell, changes)


def list_subsets(
    config: LookConfig, tell: Tell = silent, keys: Mapping[str, str] = NOTHING
) -> tuple[Subset, ...]:
    """The folders called `N_name` in a source, with their pictures; what is elsewhere is downloaded first."""
    if not config.source.strip():
        raise ValueError(NO_SOURCE)
    with _entries(sources.fetch(config, keys, tell), Path(config.train_data_dir or "dataset")) as (
        entries,
        _,
    ):
        return subsets.listed(entries)


def _import(source: Fetched, config: ImportConfig, tell: Tell, changes: Changes) -> ImportReport:
    dataset = Path(config.train_data_dir).absolute()
    given, unpacker = Given(config, dataset, changes), Unpacker(source.shown, config)
    work = _Import(source, dataset, config, tell, changes, given, unpacker)
    with _entries(source, dataset) as (entries, skipped):
        work.skipped += skipped
        unpacker.check(entries, dataset)
        work.plan = subsets.plan(entries, config)
        pictures = _sort_out(entries, work)
        work.dataset.mkdir(parents=True, exist_ok=True)
        staging = changes.staging()
        _place(_unpack(pictures, staging, work), work)
        if not pictures:
            _place_captions(entries, staging, work)
    _note_origins(work)
    report = _report(work)
    if report.added or report.captions or (report.different and config.existing == "replace"):
        import_report.write(changes.folders, report, changes.write)
    return report


def _report(work: _Import) -> ImportReport:
    given = work.given
    return ImportReport(
        added=tuple(work.added), captions=given.written, skipped=tuple(work.skipped), renamed=tuple(work.renamed),
        failed=tuple(work.failed), known=work.known, equal=given.equal, different=tuple(given.different),
        trigger_words=tuple(work.plan.trigger_words.items()),
    )  # fmt: skip


@contextmanager
def _entries(source: Fetched, dataset: Path) -> Iterator[tuple[list[Entry], list[tuple[str, str]]]]:
    """The files of a source, captions in tables as files; and what is passed over as (name, reason)."""
    with archive.contents(source.path, leave_out=dataset) as contents:
        entries, bad = tables.with_captions(contents.entries)
        yield entries, [*contents.skipped, *bad]


NO_SOURCE = (
    "source is empty: give a .zip file or a folder with pictures, a web address, or tags of an image board"
)


def _check(config: ImportConfig) -> None:
    """Raises ValueError for settings that no source can go with."""
    if not config.source.strip():
        raise ValueError(NO_SOURCE)
    if not config.train_data_dir:
        raise ValueError("train_data_dir is empty: give the dataset folder to fill")
    subset = config.subset.strip()
    if subset and not arrivals.is_subset(subset):
        raise ValueError(f'subset = "{subset}" is not usable: write N_name, e.g. 10_cat for 10 repeats')
    source, dataset = Path(config.source.strip()).expanduser(), Path(config.train_data_dir).absolute()
    if not sources.is_remote(config.source) and source.resolve() == dataset.resolve():
        raise ValueError(f"{source} is the dataset folder itself: give the place the pictures come from")
    encodings.check(config.caption_encoding)


def _sort_out(entries: Sequence[Entry], work: _Import) -> list[_Picture]:
    """The pictures with the captions beside them; none for captions alone. Raises ValueError without either."""
    found = [entry for entry in entries if entry.suffix in IMAGE_EXTENSIONS]
    wanted = [entry for entry in found if work.plan.place(entry) is not None]
    work.skipped += [
        (entry.name, "its folder was not chosen") for entry in found if work.plan.place(entry) is None
    ]
    texts = [entry for entry in entries if entry.suffix == captions.CAPTION_EXTENSION]
    exact = {text.stem: text for text in texts}
    near = {text.stem.casefold(): text for text in texts}
    stems = {entry.stem.casefold() for entry in found}
    for entry in entries:
        if found and entry.suffix == captions.CAPTION_EXTENSION and entry.stem.casefold() not in stems:
            work.skipped.append((entry.name, "no picture of this name beside it"))
        elif entry.suffix not in {*IMAGE_EXTENSIONS, captions.CAPTION_EXTENSION}:
            work.skipped.append((entry.name, f"not a picture ({ENDINGS}) or a caption (txt)"))
    if not wanted and (found or not texts):
        named = "".join(f" ({name}: {reason})" for name, reason in work.skipped[:1])
        raise ValueError(f"{work.source.shown} holds no picture: it must hold {ENDINGS} files{named}")
    return [_Picture(entry, exact.get(entry.stem, near.get(entry.stem.casefold()))) for entry in wanted]


def _unpack(pictures: list[_Picture], staging: Path, work: _Import) -> list[_Picture]:
    """The pictures, unpacked under numbers in `staging`."""
    unpacked = []
    for number, picture in enumerate(pictures, start=1):
        image, caption = staging / f"{number}.image", staging / f"{number}.caption"
        digest = hashlib.sha256()
        if _copy(picture.entry, image, work, digest.update):
            text = caption if picture.text and _copy(picture.text, caption, work) else None
            unpacked.append(_Picture(picture.entry, picture.text, image, text, digest.hexdigest()))
        work.tell(Progress("Unpacking", number, len(pictures)))
    return unpacked


def _copy(entry: Entry, target: Path, work: _Import, each=lambda chunk: None) -> bool:
    """Whether an entry could be read and is in `target` now."""
    written = work.unpacker.write(entry, target, each)
    if not written:
        work.failed.append(work.unpacker.failed[-1])
        work.skipped.append(work.failed[-1])
    return written


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
    place = work.dataset / (work.config.subset.strip() or work.plan.place(picture.entry) or "")
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
    work.origins.append(work.source.pages.get(picture.entry.parts[-1], work.source.shown))
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
            f"{work.source.shown} holds no picture ({ENDINGS}), and none of its {len(texts)} captions belongs to a "
            f"picture in {work.dataset} ({work.skipped[-1][0]}: {work.skipped[-1][1]})"
        )
    for number, (entry, image) in enumerate(pairs, start=1):
        copied = staging / f"{number}.caption"
        if _copy(entry, copied, work):
            _give(entry, copied, image, work)
        work.tell(Progress("Importing", number, len(pairs)))


def _give(entry: Entry, caption: Path, image: Path, work: _Import) -> None:
    if reason := work.given.to(caption.read_bytes(), image):
        work.failed.append((entry.name, reason))
        work.skipped.append(work.failed[-1])


def _note_origins(work: _Import) -> None:
    """Keep where the pictures came from, as one line for each, when that is not this machine."""
    if not work.source.remote or not work.added:
        return
    path = work.changes.folders.report / ORIGINS
    lines = [
        json.dumps({"picture": name, "source": origin}, ensure_ascii=False)
        for name, origin in zip(work.added, work.origins, strict=True)
    ]
    before = path.read_bytes() if path.is_file() else b""
    work.changes.write(path, before + "\n".join([*lines, ""]).encode("utf-8"))
