"""A file at a web address, downloaded so that a cut connection goes on where it was."""

import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lora_nb import files
from lora_nb.events import Progress, Tell, silent
from lora_nb.intake import content, scratch
from lora_nb.redact import redact
from lora_nb.wording import first_line

# requests is imported where it is used: the forms load this module.

CHUNK = 1 << 16
SECONDS = (10, 60)  # to connect, and for the next bytes
ATTEMPTS = 4  # without a single new byte
PAUSE = 1.0
PART, NOTE, WHOLE = "part", "part.json", "whole"
USER_AGENT = "lora_nb (dataset import)"
REFUSALS = {
    401: "it needs a login: download it in your browser, and give the file",
    403: "it is refused (403): download it in your browser, and give the file",
    404: "nothing is there (404): check the address",
    410: "it was taken away (410)",
    429: "it was asked too often (429): wait some minutes, then try again",
}


@dataclass(frozen=True)
class Limits:
    """How much may be downloaded."""

    bytes: int


@dataclass(frozen=True)
class _Note:
    """What is known of a download that is under way: what the server calls this version of it, and its size."""

    etag: str = ""
    modified: str = ""
    total: int = 0
    name: str = ""

    @property
    def validator(self) -> str:
        """What If-Range takes: a strong ETag, or the date; "" when the server gave neither."""
        return self.modified if not self.etag or self.etag.startswith("W/") else self.etag


def knows(source: str) -> bool:
    """Whether this is a web address."""
    return bool(re.match(r"https?://", source, re.IGNORECASE))


def download(address: str, place: Path, limits: Limits, tell: Tell = silent) -> Path:
    """The zip or picture at an address, whole, in `place`; one that is there is taken if the server knows it so.

    What was cut off is gone on with, if the server says that it is the same file. Raises ValueError with one
    sentence: refused, not there, unreachable, too large, or no file but a page.
    """
    import requests

    with requests.Session() as session:
        session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        left = ATTEMPTS
        while True:
            before = _size(place / PART)
            try:
                return _take(session, address, place, limits, tell)
            except (
                requests.ConnectionError,
                requests.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                left = ATTEMPTS if _size(place / PART) > before else left - 1
                if not left:
                    raise _unreachable(address, place, error) from None
                time.sleep(PAUSE * (ATTEMPTS - left))
            except requests.RequestException as error:
                raise ValueError(f"{shown(address)} cannot be downloaded: {first_line(error)}") from None


def shown(address: str) -> str:
    """An address as it may be shown: without what may be a key."""
    return redact(address.partition("?")[0])


def _take(session: Any, address: str, place: Path, limits: Limits, tell: Tell) -> Path:
    known, there = _read_note(place), _size(place / PART)
    with session.get(
        address, headers=_conditions(place, known, there), stream=True, timeout=SECONDS
    ) as answer:
        if answer.status_code == 304 and (whole := _whole(place)):
            return whole
        if answer.status_code == 416:  # the part is longer than the file is now
            return _anew(session, address, place, limits, tell)
        _check(address, answer)
        begun = _note_of(answer)
        goes_on = answer.status_code == 206 and _continues(answer, there, known, begun)
        if answer.status_code == 206 and not goes_on:
            return _anew(session, address, place, limits, tell)
        note = known if goes_on else begun
        _check_room(address, note, there if goes_on else 0, place, limits)
        files.write_text(place / NOTE, json.dumps(vars(note)))
        _write(answer, place / PART, goes_on, note, limits, tell, address)
    return _finish(address, place, note)


def _conditions(place: Path, known: _Note, there: int) -> dict[str, str]:
    """What to ask for: the rest, a file that is another than the whole one there, or all."""
    if there and known.validator:
        return {"Range": f"bytes={there}-", "If-Range": known.validator}
    if _whole(place) and known.etag:
        return {"If-None-Match": known.etag}
    return {"If-Modified-Since": known.modified} if _whole(place) and known.modified else {}


def _anew(session: Any, address: str, place: Path, limits: Limits, tell: Tell) -> Path:
    (place / PART).unlink(missing_ok=True)
    return _take(session, address, place, limits, tell)


def _continues(answer: Any, there: int, known: _Note, begun: _Note) -> bool:
    """Whether the answer is the rest of the very file that was begun."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    same = begun.validator in ("", known.validator)
    return bool(match and int(match[1]) == there and same and match[2] in ("*", str(known.total or "*")))


def _check(address: str, answer: Any) -> None:
    code = answer.status_code
    if code in REFUSALS:
        raise ValueError(f"{shown(address)}: {REFUSALS[code]}")
    if code >= 500:
        raise ValueError(f"{shown(address)}: the server is out of order ({code}): try again later")
    if code not in (200, 206):
        raise ValueError(f"{shown(address)}: the server answers {code} and gives no file: check the address")


def _note_of(answer: Any) -> _Note:
    headers = answer.headers
    length = headers.get("Content-Length", "")
    total = int(length) if length.isdigit() and not headers.get("Content-Encoding") else 0
    disposition = Message()
    disposition["Content-Disposition"] = headers.get("Content-Disposition", "")
    name = disposition.get_filename() or unquote(urlsplit(answer.url).path.rpartition("/")[2])
    return _Note(headers.get("ETag", ""), headers.get("Last-Modified", ""), total, name)


def _check_room(address: str, note: _Note, there: int, place: Path, limits: Limits) -> None:
    if note.total > limits.bytes:
        raise _too_large(address, limits)
    if note.total - there > scratch.free(place):
        amounts = f"{(note.total - there) / 1e9:.1f} GB and only {scratch.free(place) / 1e9:.1f} GB are free"
        raise ValueError(f"{shown(address)} needs {amounts} at {place}: make room there first")


def _too_large(address: str, limits: Limits) -> ValueError:
    return ValueError(
        f"{shown(address)} is refused: it is larger than {limits.bytes / 1e9:g} GB (max_gigabytes)"
    )


def _write(
    answer: Any, part: Path, goes_on: bool, note: _Note, limits: Limits, tell: Tell, address: str
) -> None:
    stage = f"Downloading {urlsplit(address).hostname}"
    told = 0.0
    with open(part, "ab" if goes_on else "wb") as file:
        for chunk in answer.iter_content(CHUNK):
            if file.tell() == 0:
                _check_start(address, chunk)
            file.write(chunk)
            if file.tell() > limits.bytes:
                raise _too_large(address, limits)
            if time.monotonic() - told > 0.3:
                told = time.monotonic()
                tell(Progress(stage, file.tell(), max(note.total, file.tell()), "B"))
    tell(Progress(stage, _size(part), _size(part), "B"))


def _check_start(address: str, start: bytes) -> None:
    """Say at the first bytes that this is nothing to import."""
    kind = content.kind_of(start[: content.ENOUGH])
    if kind == content.PAGE:
        raise ValueError(
            f"{shown(address)} is a web page, not a file: open it in your browser and copy the address of the "
            "download itself, or give the file"
        )
    if kind not in (content.ZIP, content.PICTURE):
        what = content.foreign(start) or f"neither a .zip nor a picture ({content.ENDINGS})"
        raise ValueError(f"{shown(address)} is {what}; nothing is imported")


def _finish(address: str, place: Path, note: _Note) -> Path:
    """The part, made whole: of the announced size, with an ending that says what it is."""
    part, size = place / PART, _size(place / PART)
    if not size or (note.total and size != note.total):
        if size > note.total:
            part.unlink(missing_ok=True)
        raise ValueError(
            f"{shown(address)} came with {size} of {note.total} bytes: try again, what is there is kept"
        )
    with open(part, "rb") as file:
        ending = content.ending_of(file.read(content.ENOUGH))
    whole = place / WHOLE
    for old in whole.glob("*"):
        old.unlink()
    whole.mkdir(exist_ok=True)
    target = whole / (clean(Path(note.name).stem) + ending)
    part.rename(target)
    return target


def clean(stem: str) -> str:
    """A file's name without its ending, of signs that are usable everywhere."""
    return re.sub(r"[^\w.+-]+", "_", stem).strip("._")[:100] or "download"


def _whole(place: Path) -> Path | None:
    return next(iter(sorted((place / WHOLE).glob("*"))), None)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _read_note(place: Path) -> _Note:
    with suppress(OSError, ValueError, TypeError):
        return _Note(**files.from_json((place / NOTE).read_bytes()))
    return _Note()


def _unreachable(address: str, place: Path, error: BaseException) -> ValueError:
    there = _size(place / PART)
    if there:
        words = f"the connection was cut after {there / 1e6:.1f} MB: try again, what is there is kept"
    else:
        words = f"it cannot be reached ({urlsplit(address).hostname}): check the address and the connection"
    return ValueError(f"{shown(address)}: {words}")
