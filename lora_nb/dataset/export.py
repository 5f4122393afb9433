"""A dataset taken out as one file that other programs take."""

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lora_nb import files
from lora_nb.config.versions import ExportConfig
from lora_nb.dataset import captions, encodings, gate, handover, images
from lora_nb.dataset.captions import split_tags
from lora_nb.dataset.images import REPEATS, ImageItem, no_pictures, scan
from lora_nb.events import Progress, Tell, silent
from lora_nb.project import NO_FILE_SIGNS, Folders, folders_of_dataset, name_of

BEGINNING = (1980, 1, 1, 0, 0, 0)  # equal datasets give equal bytes
JSONL = "metadata.jsonl"
# A mask as it lies beside its picture; in a folder apart, which trainers that know none pass over, and whose name an
# import leaves out.
MASKS = "masks"


@dataclass(frozen=True)
class Exported:
    """The file that was written, how many pictures and captions it holds, and files that are no readable pictures."""

    path: Path
    pictures: int
    captions: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Set:
    """The pictures that go out, and under which names."""

    dataset: Path
    items: tuple[ImageItem, ...]
    config: ExportConfig
    class_name: str
    tell: Tell


def export(config: ExportConfig, tell: Tell = silent) -> Exported:
    """Write the dataset into `export/` as one new file, whole or not at all.

    Raises ValueError for a folder without pictures, or without captions where it is these that are wanted.
    """
    dataset = Path(config.train_data_dir).absolute()
    folders = folders_of_dataset(dataset)
    with gate.alone(dataset, "export"):
        found = scan(
            dataset, config.num_repeats, verify=False, caption_encoding=config.caption_encoding, tell=tell
        )
        if not found.items:
            raise no_pictures(config.train_data_dir)
        captioned = sum(item.caption is not None for item in found.items)
        if not captioned and config.layout in ("captions", "metadata"):
            raise ValueError(
                f"no picture in {config.train_data_dir} has a caption: there is none to take out"
            )
        out = _Set(
            dataset,
            found.items,
            config,
            _as_a_folder(config.class_name.strip() or _class_name(folders)),
            tell,
        )
        target = files.free_name(folders.export / f"{folders.base.name}-{_ENDINGS[config.layout]}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(target) as temporary:
            _WRITERS[config.layout](out, temporary)
    pictures = 0 if config.layout == "captions" else len(found.items)
    left_out = tuple(_relative(out, broken.path) for broken in found.broken)
    return Exported(target, pictures, captioned, left_out)


def _class_name(folders: Folders) -> str:
    """The first trigger word, else the project's name."""
    words = split_tags(handover.read(folders).trigger_word)
    return words[0] if words else name_of(folders).rpartition("/")[2]


def _as_a_folder(name: str) -> str:
    return "".join("_" if sign in NO_FILE_SIGNS else sign for sign in name)


def _kohya(out: _Set, path: Path) -> None:
    def entries(archive: zipfile.ZipFile) -> None:
        written: set[str] = set()
        masks: set[Path] = set()
        for item in _each(out):
            place = _folder(out, item)
            _add_picture(archive, item, f"{place}/{item.path.name}")
            name = f"{place}/{captions.caption_path(item.path).name}"
            mask = images.mask_path(item.path)
            if mask.is_file() and mask not in masks:
                masks.add(mask)
                _add(archive, f"{MASKS}/{place}/{mask.name}", mask.read_bytes(), zipfile.ZIP_STORED)
            if item.caption is not None and name not in written:
                written.add(name)
                _add(archive, name, _caption_bytes(out, item))

    _zip(path, entries)


def _folder(out: _Set, item: ImageItem) -> str:
    """The N_name folder of a picture."""
    place = item.path.parent
    if place == out.dataset:
        return f"{item.num_repeats}_{out.class_name}"
    return place.name if REPEATS.fullmatch(place.name) else f"{item.num_repeats}_{place.name}"


def _imagefolder(out: _Set, path: Path) -> None:
    def entries(archive: zipfile.ZipFile) -> None:
        lines = []
        for item in _each(out):
            name = _relative(out, item.path)
            _add_picture(archive, item, name)
            lines.append(json.dumps({"file_name": name, "text": item.caption or ""}, ensure_ascii=False))
        _add(archive, JSONL, ("\n".join(lines) + "\n").encode())

    _zip(path, entries)


def _captions(out: _Set, path: Path) -> None:
    def entries(archive: zipfile.ZipFile) -> None:
        texts = {captions.caption_path(item.path): item for item in _each(out) if item.caption is not None}
        for place, item in texts.items():
            # In a folder each, by which an import tells captions of one name apart.
            _add(archive, f"{place.parent.name}/{place.name}", _caption_bytes(out, item))

    _zip(path, entries)


def _metadata(out: _Set, path: Path) -> None:
    """What sd-scripts' fine-tuning reads as in_json beside train_data_dir: {name without ending: caption or tags}."""
    entries = {}
    for item in _each(out):
        kind = "tags" if captions.kind_of([item.caption or ""]) == "tags" else "caption"
        key = Path(_relative(out, item.path)).with_suffix("").as_posix()
        entries[key] = {kind: item.caption or ""}
    path.write_text(json.dumps(entries, indent=2, ensure_ascii=False), encoding="utf-8")


_WRITERS: dict[str, Callable[[_Set, Path], None]] = {
    "kohya": _kohya, "imagefolder": _imagefolder, "captions": _captions, "metadata": _metadata,
}  # fmt: skip
_ENDINGS = {
    "kohya": "kohya.zip", "imagefolder": "imagefolder.zip", "captions": "captions.zip", "metadata": "meta.json",
}  # fmt: skip


def _each(out: _Set) -> Iterator[ImageItem]:
    for done, item in enumerate(out.items, start=1):
        yield item
        out.tell(Progress("Writing", done, len(out.items)))


def _relative(out: _Set, path: Path) -> str:
    return path.relative_to(out.dataset).as_posix()


def _caption_bytes(out: _Set, item: ImageItem) -> bytes:
    """The caption's file as it is, in UTF-8 where it is in another encoding."""
    content = captions.caption_path(item.path).read_bytes()
    found = encodings.read(content, out.config.caption_encoding)
    return captions.in_file(item.caption or "") if found and found.encoding != encodings.UTF8 else content


def _zip(path: Path, entries: Callable[[zipfile.ZipFile], None]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        entries(archive)


def _add_picture(archive: zipfile.ZipFile, item: ImageItem, name: str) -> None:
    """A picture as it is: compressing it again would only take time."""
    _add(archive, name, item.path.read_bytes(), zipfile.ZIP_STORED)


def _add(
    archive: zipfile.ZipFile, name: str, content: bytes, compression: int = zipfile.ZIP_DEFLATED
) -> None:
    about = zipfile.ZipInfo(name, BEGINNING)
    about.compress_type, about.external_attr = compression, 0o644 << 16
    archive.writestr(about, content)
