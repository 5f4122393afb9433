"""A dataset repository on the Hugging Face Hub, downloaded as the files it holds."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lora_nb import hub
from lora_nb.dataset.captions import CAPTION_EXTENSION
from lora_nb.dataset.images import IMAGE_EXTENSIONS
from lora_nb.events import Progress, Tell, silent
from lora_nb.intake import tables
from lora_nb.intake.web import Limits

_NAME = r"([\w.-]+/[\w.-]+)"
SHORT = re.compile(rf"hf://datasets/{_NAME}(?:/(.*))?")
PAGE = re.compile(
    rf"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/{_NAME}"
    r"(?:/(?:tree|blob|resolve|viewer)/([^/?#]+)(?:/([^?#]*))?)?(?:[?#].*)?/?"
)
PARQUET = ".parquet"
WANTED = frozenset((*IMAGE_EXTENSIONS, CAPTION_EXTENSION, ".zip"))


@dataclass(frozen=True)
class Repository:
    """A dataset repository, a version of it ("" for the newest), and the folder or file in it that is meant."""

    name: str
    revision: str = ""
    inner: str = ""


def knows(source: str) -> bool:
    """Whether this names a dataset of the Hub."""
    return bool(SHORT.fullmatch(source) or PAGE.fullmatch(source))


def repository(source: str) -> Repository:
    """What a source names."""
    if short := SHORT.fullmatch(source):
        return Repository(short[1], inner=(short[2] or "").strip("/"))
    page = PAGE.fullmatch(source)
    if not page:
        raise ValueError(f"{source} names no dataset: write hf://datasets/owner/name, or its page's address")
    viewer = "/viewer/" in source
    return Repository(page[1], "" if viewer else page[2] or "", "" if viewer else (page[3] or "").strip("/"))


def download(source: str, place: Path, limits: Limits, tell: Tell = silent) -> Path:
    """The folder with the pictures, captions and zips of a dataset repository; a cut download is gone on with.

    A table of pictures (Parquet) is unpacked where pyarrow is installed. Raises ValueError with one sentence.
    """
    wanted = repository(source)
    with hub.legible(f"datasets/{wanted.name}"):
        sizes = _ask(wanted)
        chosen = _chosen(wanted, sizes)
        if sum(chosen.values()) > limits.bytes:
            amount = f"{sum(chosen.values()) / 1e9:.1f} GB and max_gigabytes is {limits.bytes / 1e9:g}"
            raise ValueError(f"{source} is refused: it holds {amount}")
        _fetch(wanted, chosen, place, tell)
    for name in chosen:
        if name.endswith(PARQUET):
            _unpack(place / name, tell)
    return place


def _ask(wanted: Repository) -> dict[str, int]:
    from huggingface_hub import HfApi

    found = HfApi().dataset_info(
        wanted.name, revision=wanted.revision or None, files_metadata=True, timeout=hub.SECONDS_TO_ANSWER
    )
    return {file.rfilename: file.size or 0 for file in found.siblings or ()}


def _chosen(wanted: Repository, sizes: Mapping[str, int]) -> dict[str, int]:
    """The files to take. Raises ValueError when there is none, or only a table and nothing to read it with."""
    inside = {
        name: size
        for name, size in sizes.items()
        if not wanted.inner or name == wanted.inner or name.startswith(f"{wanted.inner}/")
    }
    plain = {name: size for name, size in inside.items() if _ending(name) in WANTED or tables.is_table(name)}
    if any(_ending(name) in {*IMAGE_EXTENSIONS, ".zip"} for name in plain):
        return plain
    parquet = {name: size for name, size in inside.items() if _ending(name) == PARQUET}
    where = f"{wanted.name}/{wanted.inner}".rstrip("/")
    if not parquet:
        raise ValueError(f'the dataset "{where}" on Hugging Face holds no picture and no zip: see its page')
    _reader(where)
    return parquet


def _reader(where: str) -> Any:
    try:
        return importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        raise ValueError(
            f'the dataset "{where}" on Hugging Face keeps its pictures in Parquet tables: pip install pyarrow, then '
            "try again"
        ) from None


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _fetch(wanted: Repository, chosen: Mapping[str, int], place: Path, tell: Tell) -> None:
    from huggingface_hub import hf_hub_download

    tally, whole = hub.Tally(f"Downloading {wanted.name}", sum(chosen.values()), tell), 0
    for name, size in chosen.items():
        hf_hub_download(
            wanted.name, name, repo_type="dataset", revision=wanted.revision or None, local_dir=place,
            etag_timeout=hub.SECONDS_TO_ANSWER, tqdm_class=hub.progress_bar(tally),
        )  # fmt: skip
        whole += size
        tally.there = whole


def _unpack(table: Path, tell: Tell) -> None:
    """Write the pictures of a table beside it, with their captions, and put the table away."""
    with _reader(table.name).ParquetFile(table) as file:
        columns = {field.name: field.type for field in file.schema_arrow}
        picture = next((name for name, kind in columns.items() if "bytes" in str(kind)), "")
        caption = next((name for name in tables.COLUMNS if name in columns), "")
        if not picture:
            raise ValueError(f"{table.name} holds no column of pictures: {', '.join(columns)}")
        target, number = table.with_suffix(""), 0
        target.mkdir(exist_ok=True)
        for batch in file.iter_batches(32, columns=[picture, *filter(None, [caption])]):
            for row in batch.to_pylist():
                number += 1
                _write(row[picture] or {}, row.get(caption), target, number)
            tell(Progress(f"Unpacking {table.name}", number, file.metadata.num_rows))
    table.unlink()


def _write(picture: Mapping[str, Any], caption: Any, target: Path, number: int) -> None:
    bytes_ = picture.get("bytes")
    if not bytes_:
        return
    ending = _ending(picture.get("path") or "") or ".png"
    stem = f"{target.name}-{number:06d}"
    (target / f"{stem}{ending}").write_bytes(bytes_)
    if isinstance(caption, str) and caption.strip():
        (target / f"{stem}{CAPTION_EXTENSION}").write_text(caption.strip(), encoding="utf-8")
