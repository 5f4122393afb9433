"""Files that arrive in pieces from a browser: each piece proven, cut ones gone on with, whole ones kept.

Nothing here knows of widgets: a message is a dict of plain values, a piece a run of bytes, an answer a dict.
"""

import hashlib
import json
import os
import re
import threading
import time
import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.dataset.captions import CAPTION_EXTENSION
from lora_nb.dataset.images import IMAGE_EXTENSIONS
from lora_nb.intake import archive, content, scratch, tables
from lora_nb.wording import counted

PROTOCOL = 1
PART, ABOUT = ".part", ".about"
PIECE, PIECE_ON_COLAB, MOST = 1 << 20, 256 << 10, 4 << 20  # bytes
WINDOW = 4  # pieces on their way at once
LARGEST = 100 * 10**9
HASHES = {
    "sha256": lambda piece: hashlib.sha256(piece).hexdigest(),
    "crc32": lambda piece: f"{zlib.crc32(piece):08x}",
}
NAMED_SO = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')


@dataclass(frozen=True)
class File:
    """A file as the browser knows it: `first`, its first piece's hash, tells it from one of the same name."""

    name: str
    size: int
    modified: int
    first: str

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Arrived:
    """A file that is there whole, and what it is (content.ZIP, ...)."""

    path: Path
    kind: str


class Refused(ValueError):
    """A message that cannot be done, in one sentence; `offset` is where to go on, if that helps."""

    def __init__(self, sentence: str, offset: int | None = None) -> None:
        super().__init__(sentence)
        self.offset = offset


class Uploads:
    """What arrives for one project, in a scratch folder of its own: `parts/` under way, `whole/` for the import."""

    def __init__(self, project: Path, on_colab: bool = False, folder: str = "") -> None:
        self.folder = scratch.place("uploads", str(Path(project).absolute()), folder)
        self.parts, self.whole = self.folder / "parts", self.folder / "whole"
        for place in (self.parts, self.whole):
            place.mkdir(exist_ok=True)
        self.piece = PIECE_ON_COLAB if on_colab else PIECE
        self.epoch = f"{time.time_ns():x}"
        self.lock = threading.Lock()
        self.known: dict[str, File] = {}
        self.read: dict[tuple[str, int], str] = {}  # what zips hold

    def answer(self, message: Mapping[str, Any], pieces: list[Any]) -> dict[str, Any]:
        """The answer to a message of the page: `re` is its `seq`, `ok` whether it was done, `text` why not."""
        asked = {
            "hello": self._hello, "begin": self._begin, "piece": self._piece, "end": self._end,
            "cancel": self._hello, "remove": self._remove, "drop": self._drop,
        }  # fmt: skip
        base = {"re": message.get("seq"), "epoch": self.epoch}
        with self.lock:
            try:
                act = asked.get(str(message.get("op")))
                if act is None:
                    raise Refused(
                        "The page asks for something that this version does not know: reload the page."
                    )
                return {**base, "ok": True, **act(message, pieces)}
            except Refused as refused:
                return {**base, "ok": False, "text": str(refused), "offset": refused.offset}
            except OSError as error:
                return {**base, "ok": False, "text": f"It cannot be written: {error.strerror or error}"}

    def arrived(self) -> list[Arrived]:
        """The whole files, in the order of their names."""
        found = sorted(path for path in self.whole.iterdir() if not path.name.startswith("."))
        return [Arrived(path, _kind(path)) for path in found]

    def source(self) -> Path | None:
        """What an import takes: the one zip, or the folder of all that arrived; None when nothing did."""
        there = self.arrived()
        if len(there) == 1 and there[0].kind == content.ZIP:
            return there[0].path
        return self.whole if there else None

    def clear(self) -> None:
        """Forget the whole files: they were imported. What is under way stays."""
        with self.lock:
            for one in self.arrived():
                one.path.unlink()

    def under_way(self) -> list[tuple[File, int]]:
        """The files of which a part is there, and how many bytes of each."""
        found = [(about.with_suffix(PART), _read(about)) for about in sorted(self.parts.glob(f"*{ABOUT}"))]
        return [(file, part.stat().st_size) for part, file in found if file and part.is_file()]

    def _hello(self, message: Mapping[str, Any], pieces: list[Any]) -> dict[str, Any]:
        whole = [
            {
                "name": one.path.name,
                "size": one.path.stat().st_size,
                "kind": one.kind,
                "holds": self._holds(one),
            }
            for one in self.arrived()
        ]
        parts = [
            {"id": file.key, "name": file.name, "size": file.size, "there": there}
            for file, there in self.under_way()
        ]
        return {
            "protocol": PROTOCOL, "piece": self.piece, "most": PIECE, "window": WINDOW, "whole": whole, "parts": parts,
            "free": scratch.free(self.folder),
        }  # fmt: skip

    def _holds(self, one: Arrived) -> str:
        """What is in a zip, in words; "" for other files. A zip is read once."""
        key = (one.path.name, one.path.stat().st_mtime_ns)
        if one.kind == content.ZIP and key not in self.read:
            self.read[key] = _in_zip(one.path)
        return self.read.get(key, "")

    def _begin(self, message: Mapping[str, Any], pieces: list[Any]) -> dict[str, Any]:
        file = _file(message)
        part = self._part(file.key)
        there = part.stat().st_size if part.is_file() else 0
        if there > file.size:
            part.unlink()
            there = 0
        free = scratch.free(self.folder)
        if file.size - there > free:
            amounts = f"{(file.size - there) / 1e9:.1f} GB and only {free / 1e9:.1f} GB are free"
            raise Refused(f"{file.name} needs {amounts} on this machine: make room there first")
        if not there:
            files.write_text(part.with_suffix(ABOUT), json.dumps(asdict(file)))
            part.touch()
        self.known[file.key] = file
        return {"id": file.key, "offset": there, "piece": self.piece, "window": WINDOW}

    def _piece(self, message: Mapping[str, Any], pieces: list[Any]) -> dict[str, Any]:
        part, file = self._open_part(message)
        there, offset = part.stat().st_size, message.get("offset")
        if offset != there:
            raise Refused(
                "", offset=there
            )  # pieces in another order, or once more: the page goes on from there
        piece = _bytes(pieces)
        algorithm = HASHES.get(str(message.get("algorithm")))
        if algorithm is None or algorithm(piece) != message.get("hash"):
            raise Refused("", offset=there)  # damaged on the way
        if not piece or len(piece) > MOST or there + len(piece) > file.size:
            raise Refused(f"{file.name} was changed while it was read: choose it again")
        if not there:
            self._check_start(file, part, piece)
        with open(part, "ab") as target:
            target.write(piece)
        return {"id": file.key, "offset": there + len(piece)}

    def _check_start(self, file: File, part: Path, piece: bytes) -> None:
        """Say at the first bytes that a file is nothing to import."""
        start = piece[: content.ENOUGH]
        kind = content.kind_of(start)
        text = Path(file.name).suffix.lower() == CAPTION_EXTENSION or tables.is_table(file.name)
        if kind in (content.ZIP, content.PICTURE) or (kind == content.TEXT and text):
            return
        self._forget(part)
        what = (
            "a web page"
            if kind == content.PAGE
            else content.foreign(start) or "neither picture, caption nor zip"
        )
        raise Refused(f"{file.name} is {what}; what can come: {content.ENDINGS}, txt, zip")

    def _end(self, message: Mapping[str, Any], pieces: list[Any]) -> dict[str, Any]:
        part, file = self._open_part(message)
        there = part.stat().st_size
        if there != file.size:
            raise Refused("", offset=there)
        with open(part, "rb+") as written:
            os.fsync(written.fileno())
            start = written.read(content.ENOUGH)
        if not start:
            self._forget(part)
            raise Refused(f"{file.name} is empty")
        target = files.free_name(self.whole / clean(file.name, start))
        os.rename(part, target)
        self._forget(part)
        return {"name": target.name, "size": file.size, "kind": content.kind_of(start)}

    def _remove(self, message: Mapping[str, Any], pieces: list[Any]) -> dict[str, Any]:
        """Take a whole file off the list again."""
        for one in self.arrived():
            if one.path.name == message.get("name"):
                one.path.unlink()
        return self._hello(message, pieces)

    def _drop(self, message: Mapping[str, Any], pieces: list[Any]) -> dict[str, Any]:
        """Forget a part for good."""
        part, _ = self._open_part(message)
        self._forget(part)
        return self._hello(message, pieces)

    def _open_part(self, message: Mapping[str, Any]) -> tuple[Path, File]:
        """The part that a message is about, begun by this or an earlier kernel."""
        key = str(message.get("id"))
        if not re.fullmatch(r"[0-9a-f]{16}", key):
            raise Refused("The page names a file that was not begun: reload the page.")
        part = self._part(key)
        file = self.known.get(key) or _read(part.with_suffix(ABOUT))
        if file is None or not part.is_file():
            raise Refused("This file is not on its way any more: choose it again.")
        self.known[key] = file
        return part, file

    def _part(self, key: str) -> Path:
        return self.parts / f"{key}{PART}"

    def _forget(self, part: Path) -> None:
        part.unlink(missing_ok=True)
        part.with_suffix(ABOUT).unlink(missing_ok=True)


def clean(name: str, start: bytes = b"") -> str:
    """A file's name as it may stand on this disk, with the ending of what it is: the page's word is not taken."""
    plain = NAMED_SO.sub("_", unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])).strip(
        " ."
    )
    path = Path(plain or "file")
    ending = content.ending_of(start)
    known = {".jpeg": ".jpg"}.get(path.suffix.lower(), path.suffix.lower())
    suffix = path.suffix if not ending or ending == known else f"{path.suffix}{ending}"
    stem = path.stem.encode("utf-8", "replace")[:180].decode("utf-8", "ignore")
    return f"{stem or 'file'}{suffix}"


def _file(message: Mapping[str, Any]) -> File:
    name, size, modified, first = (message.get(key) for key in ("name", "size", "modified", "first"))
    if not isinstance(name, str) or not name or not isinstance(first, str):
        raise Refused("The page gives a file without a name: choose it again.")
    if not isinstance(size, int) or not 0 <= size <= LARGEST or not isinstance(modified, int | float):
        raise Refused(f"{name} cannot be taken: it says {size} bytes")
    if not size:
        raise Refused(f"{name} is empty")
    return File(name, size, int(modified), first)


def _bytes(pieces: list[Any]) -> bytes:
    return bytes(pieces[0]) if pieces else b""


def _read(about: Path) -> File | None:
    try:
        return File(**files.from_json(about.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _in_zip(path: Path) -> str:
    try:
        with archive.contents(path, leave_out=path) as found:
            pictures = sum(entry.suffix in IMAGE_EXTENSIONS for entry in found.entries)
            texts = sum(entry.suffix == CAPTION_EXTENSION for entry in found.entries)
    except ValueError as error:
        return f"it cannot be imported: {str(error).removeprefix(f'{path} ')}"
    return f"{counted(pictures, 'picture')}, {counted(texts, 'caption')}"


def _kind(path: Path) -> str:
    with open(path, "rb") as file:
        return content.kind_of(file.read(content.ENOUGH))
