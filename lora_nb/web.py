"""A file at a web address, downloaded so that a cut connection goes on where it was."""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lora_nb import files
from lora_nb.events import Progress, Tell, silent
from lora_nb.redact import redact
from lora_nb.wording import first_line

# requests and email are imported where they are used: the forms load this module.

CHUNK = 1 << 16
SECONDS = (10, 60)  # to connect, and for the next bytes
ATTEMPTS = 4  # without a single new byte
PAUSE = 1.0
PART, NOTE, WHOLE = "part", "part.json", "whole"
USER_AGENT = "lora_nb (dataset import)"
ENOUGH = 512  # first bytes, which tell what a file is
REFUSALS = {
    401: "it needs a login: download it in your browser, and give the file",
    403: "it is refused (403): download it in your browser, and give the file",
    404: "nothing is there (404): check the address",
    410: "it was taken away (410)",
    429: "it was asked too often (429): wait some minutes, then try again",
}


@dataclass(frozen=True)
class Limits:
    """How much may be downloaded, and which setting says so."""

    bytes: int
    setting: str = "max_gigabytes"


@dataclass(frozen=True)
class Wish:
    """A file at `address`, to lie in the folder `place`.

    `check_start` raises ValueError for first bytes that are not of such a file; `ending` tells the ending of a file
    from its first `ENOUGH` bytes and its name. `headers` go to the host of the address alone, also where it leads to
    another one; `refusals` are sentences for its answers by their code, beside REFUSALS. A file
    whose `sha256` is known must have it.
    """

    address: str
    place: Path
    limits: Limits
    check_start: Callable[[str, bytes], None]
    ending: Callable[[bytes, str], str]
    headers: Mapping[str, str] = field(default_factory=dict)
    refusals: Mapping[int, str] = field(default_factory=dict)
    sha256: str = ""


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


def download(wish: Wish, tell: Tell = silent) -> Path:
    """The file at an address, whole; one that is there is taken if the server knows it so.

    What was cut off is gone on with, if the server says that it is the same file. Raises ValueError with one
    sentence: refused, not there, unreachable, too large, not what was wished for, or no file but a page.
    """
    import requests

    address, place = wish.address, wish.place
    with requests.Session() as session:
        session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        left = ATTEMPTS
        while True:
            before = _size(place / PART)
            try:
                return _take(session, wish, tell)
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
                raise ValueError(
                    f"{shown(address)} cannot be downloaded: {redact(first_line(error))}"
                ) from None


def peek(wish: Wish, seconds: float) -> None:
    """Raises ValueError in one sentence for an address where the first bytes are not of what is wished for.

    What needs a login (401, 403) is let pass: that is known once there is a token.
    """
    import requests

    headers = {"User-Agent": USER_AGENT, "Range": f"bytes=0-{ENOUGH - 1}", **wish.headers}
    try:
        with requests.get(wish.address, headers=headers, stream=True, timeout=seconds) as answer:
            if answer.status_code not in (401, 403):
                check_answer(wish.address, answer.status_code, wish.refusals)
                wish.check_start(wish.address, next(answer.iter_content(ENOUGH), b""))
    except requests.RequestException as error:
        raise _unreachable(wish.address, wish.place, error) from None


def shown(address: str) -> str:
    """An address as it may be shown: without what may be a key."""
    return redact(address.partition("?")[0])


def _take(session: Any, wish: Wish, tell: Tell) -> Path:
    place = wish.place
    known, there = _read_note(place), _size(place / PART)
    headers = {**wish.headers, **_conditions(place, known, there)}
    with session.get(wish.address, headers=headers, stream=True, timeout=SECONDS) as answer:
        if answer.status_code == 304 and (whole := find_whole(place)):
            return whole
        if answer.status_code == 416:  # the part is longer than the file is now
            return _anew(session, wish, tell)
        check_answer(wish.address, answer.status_code, wish.refusals)
        begun = _note_of(answer)
        goes_on = answer.status_code == 206 and _continues(answer, there, known, begun)
        if answer.status_code == 206 and not goes_on:
            return _anew(session, wish, tell)
        note = known if goes_on else begun
        _check_room(wish, note, there if goes_on else 0)
        files.write_text(place / NOTE, json.dumps(vars(note)))
        _write(answer, wish, goes_on, note, tell)
    return _finish(wish, note)


def _conditions(place: Path, known: _Note, there: int) -> dict[str, str]:
    """What to ask for: the rest, a file that is another than the whole one there, or all."""
    if there and known.validator:
        return {"Range": f"bytes={there}-", "If-Range": known.validator}
    if find_whole(place) and known.etag:
        return {"If-None-Match": known.etag}
    return {"If-Modified-Since": known.modified} if find_whole(place) and known.modified else {}


def _anew(session: Any, wish: Wish, tell: Tell) -> Path:
    (wish.place / PART).unlink(missing_ok=True)
    return _take(session, wish, tell)


def _continues(answer: Any, there: int, known: _Note, begun: _Note) -> bool:
    """Whether the answer is the rest of the very file that was begun."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    same = begun.validator in ("", known.validator)
    return bool(match and int(match[1]) == there and same and match[2] in ("*", str(known.total or "*")))


def check_answer(address: str, code: int, refusals: Mapping[int, str]) -> None:
    """Raises ValueError for an answer that brings no file."""
    if words := {**REFUSALS, **refusals}.get(code):
        raise ValueError(f"{shown(address)}: {words}")
    if code >= 500:
        raise ValueError(f"{shown(address)}: the server is out of order ({code}): try again later")
    if code not in (200, 206):
        raise ValueError(f"{shown(address)}: the server answers {code} and gives no file: check the address")


def _note_of(answer: Any) -> _Note:
    from email.message import Message

    headers = answer.headers
    length = headers.get("Content-Length", "")
    total = int(length) if length.isdigit() and not headers.get("Content-Encoding") else 0
    disposition = Message()
    disposition["Content-Disposition"] = headers.get("Content-Disposition", "")
    name = disposition.get_filename() or unquote(urlsplit(answer.url).path.rpartition("/")[2])
    return _Note(headers.get("ETag", ""), headers.get("Last-Modified", ""), total, name)


def _check_room(wish: Wish, note: _Note, there: int) -> None:
    if note.total > wish.limits.bytes:
        raise _too_large(wish)
    needed, free = note.total - there, shutil.disk_usage(wish.place).free
    if needed > free:
        amounts = f"{needed / 1e9:.1f} GB and only {free / 1e9:.1f} GB are free"
        raise ValueError(f"{shown(wish.address)} needs {amounts} at {wish.place}: make room there first")


def _too_large(wish: Wish) -> ValueError:
    return ValueError(
        f"{shown(wish.address)} is refused: it is larger than {wish.limits.bytes / 1e9:g} GB ({wish.limits.setting})"
    )


def _write(answer: Any, wish: Wish, goes_on: bool, note: _Note, tell: Tell) -> None:
    stage, part = f"Downloading {urlsplit(wish.address).hostname}", wish.place / PART
    told = 0.0
    with open(part, "ab" if goes_on else "wb") as file:
        for chunk in answer.iter_content(CHUNK):
            if file.tell() == 0:
                wish.check_start(wish.address, chunk)
            file.write(chunk)
            if file.tell() > wish.limits.bytes:
                raise _too_large(wish)
            if time.monotonic() - told > 0.3:
                told = time.monotonic()
                tell(Progress(stage, file.tell(), max(note.total, file.tell()), "B"))
    tell(Progress(stage, _size(part), _size(part), "B"))


def _finish(wish: Wish, note: _Note) -> Path:
    """The part, made whole: of the announced size and sum, with an ending that says what it is."""
    part, size = wish.place / PART, _size(wish.place / PART)
    if not size or (note.total and size != note.total):
        if size > note.total:
            part.unlink(missing_ok=True)
        raise ValueError(
            f"{shown(wish.address)} came with {size} of {note.total} bytes: try again, what is there is kept"
        )
    _check_sum(wish, part)
    with open(part, "rb") as file:
        ending = wish.ending(file.read(ENOUGH), note.name)
    whole = wish.place / WHOLE
    for old in whole.glob("*"):
        old.unlink()
    whole.mkdir(exist_ok=True)
    target = whole / (clean(Path(note.name).stem) + ending)
    part.rename(target)
    return target


def _check_sum(wish: Wish, part: Path) -> None:
    """Take away a part that is not the file it should be."""
    if not wish.sha256:
        return
    with open(part, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wish.sha256.lower():
        part.unlink()
        words = f"its sha256 is {found[:12]}... and should be {wish.sha256[:12].lower()}..."
        raise ValueError(f"{shown(wish.address)} came damaged, or is another file ({words}): try again")


def clean(stem: str) -> str:
    """A file's name without its ending, of signs that are usable everywhere."""
    return re.sub(r"[^\w.+-]+", "_", stem).strip("._")[:100] or "download"


def find_whole(place: Path) -> Path | None:
    """The file that came whole into a folder, if one did."""
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
