"""Pictures of an image board by their tags, downloaded by the program gallery-dl."""

import importlib.util
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lora_nb import files
from lora_nb.dataset.captions import CAPTION_EXTENSION
from lora_nb.dataset.images import IMAGE_EXTENSIONS
from lora_nb.events import Progress, Tell, silent
from lora_nb.redact import redact

TICK = 0.3
SECONDS_BETWEEN = "1.0-2.0"  # two requests to a board
ATTEMPTS = 3
INFO_FOLDER, INFO, PARTS = ".info", ".json", ".parts"
# It reads its settings, keys among them, from the pipe: they stand in no file and in no list of processes.
PROGRAM = (
    "import json, sys; from gallery_dl import config, main; "
    "[config.set(tuple(path), key, value) for path, key, value in json.load(sys.stdin)]; sys.exit(main())"
)


@dataclass(frozen=True)
class Board:
    """An image board: its address of a search, of a post, and how it says a rating."""

    name: str
    search: str
    post: str
    rating: str = "rating:{}"
    keys: tuple[str, ...] = ()


BOARDS = {
    "gelbooru": Board(
        "Gelbooru", "https://gelbooru.com/index.php?page=post&s=list&tags={}",
        "https://gelbooru.com/index.php?page=post&s=view&id={}", keys=("GELBOORU_API_KEY", "GELBOORU_USER_ID"),
    ),
    "danbooru": Board(
        "Danbooru", "https://danbooru.donmai.us/posts?tags={}", "https://danbooru.donmai.us/posts/{}",
    ),
}  # fmt: skip
KEYS = tuple(key for board in BOARDS.values() for key in board.keys)  # names in the environment
SOURCE = re.compile(rf"({'|'.join(BOARDS)})\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
# Of the picture's file, not of what it shows.
ABOUT_FILE = frozenset(
    re.findall(
        r"\S+",
        "highres absurdres lowres commentary_request commentary english_commentary partial_commentary translated "
        "translation_request tagme md5_mismatch bad_id duplicate non-web_source third-party_source",
    )
)
GROUPS = ("tag_string_character", "tag_string_copyright", "tag_string_general")


@dataclass(frozen=True)
class Search:
    """What to look for: a board's name, tags with spaces between, the rating ("any" for all), and how many at most.

    `keys` are the person's own, by the names in `KEYS`; they are handed on and never kept. `settings` are more of
    gallery-dl's own as (path, key, value).
    """

    board: str
    tags: str
    rating: str = "general"
    most: int = 100
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: tuple[tuple[tuple[str, ...], str, Any], ...] = ()
    address: str = ""  # of another board of the same kind


def knows(source: str) -> bool:
    """Whether this is a search on a board, such as "danbooru: cat solo"."""
    return bool(SOURCE.fullmatch(source.strip()))


def search(source: str, rating: str, most: int, keys: Mapping[str, str]) -> Search:
    """What a source asks for. Raises ValueError without tags, with a rating among them, or without the board's keys."""
    match = SOURCE.fullmatch(source.strip())
    if not match or not match[2].strip():
        raise ValueError(f'"{source}" names no tags: write e.g. danbooru: hatsune_miku solo')
    board, tags = match[1].lower(), " ".join(match[2].split())
    if re.search(r"(?:^|\s)[-~]?rating:", tags, re.IGNORECASE):
        raise ValueError(f'"{source}": the rating is a setting of its own (board_rating), not a tag')
    lacking = [key for key in BOARDS[board].keys if not keys.get(key)]
    if lacking:
        raise ValueError(
            f"{BOARDS[board].name} answers only with a key of yours: make one in your account's options there, and "
            f"give it as {' and '.join(lacking)} in the environment (on Colab: in Secrets, the key symbol at the left)"
        )
    return Search(board, tags, rating, most, keys)


def download(wanted: Search, place: Path, tell: Tell = silent) -> tuple[Path, dict[str, str]]:
    """A folder with the pictures, their tags as captions, and each picture's page by its name. Goes on with a cut one.

    Requests are one or two seconds apart. Raises ValueError with one sentence.
    """
    if importlib.util.find_spec("gallery_dl") is None:
        raise ValueError("pictures of an image board need the program gallery-dl: pip install gallery-dl")
    board = BOARDS[wanted.board]
    _run(wanted, place, tell)
    pages: dict[str, str] = {}
    for picture, info in _found(place):
        tags = caption(info)
        if tags:
            files.write_text(picture.with_suffix(CAPTION_EXTENSION), tags)
        pages[picture.name] = board.post.format(info.get("id", ""))
    if not pages:
        raise ValueError(
            f'{board.name} has no picture for "{wanted.tags}" with the rating {wanted.rating}: check the tags there '
            "(words of a tag are joined by _)"
        )
    return place, pages


def caption(info: Mapping[str, Any]) -> str:
    """The tags of a post as a caption: characters first where the board says which they are, words with spaces."""
    groups = [info[group] for group in GROUPS if isinstance(info.get(group), str)]
    tags = " ".join(groups).split() if groups else _list(info.get("tags"))
    shown = dict.fromkeys(tag for tag in tags if tag not in ABOUT_FILE)
    return ", ".join(tag.replace("_", " ") if len(tag) > 3 else tag for tag in shown)


def _list(tags: Any) -> list[str]:
    if isinstance(tags, str):
        return tags.split()
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def _found(place: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The pictures that are there whole, with what the board says of them."""
    for picture in sorted(place.iterdir()):
        if picture.suffix.lower() in IMAGE_EXTENSIONS:
            with suppress(OSError, ValueError):
                info = files.from_json((place / INFO_FOLDER / (picture.name + INFO)).read_bytes())
                if isinstance(info, dict):
                    yield picture, info


def _run(wanted: Search, place: Path, tell: Tell) -> None:
    board = BOARDS[wanted.board]
    tags = wanted.tags if wanted.rating == "any" else f"{wanted.tags} {board.rating.format(wanted.rating)}"
    address = (wanted.address or board.search).format(quote(tags, safe=""))
    line = [sys.executable, "-c", PROGRAM, "--config-ignore", "--no-input", "--no-colors", address]
    program = subprocess.Popen(
        line,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    assert program.stdin and program.stderr
    words: list[str] = []
    reader = threading.Thread(target=lambda stream: words.append(stream.read()), args=[program.stderr])
    reader.start()
    try:
        program.stdin.write(json.dumps(_settings(wanted, place)))
        program.stdin.close()
        _follow(program, wanted, place, tell)
    finally:
        if program.poll() is None:
            program.kill()
        program.wait()
        reader.join()
        program.stderr.close()
    said = "".join(words)
    if program.returncode and not any(_found(place)):
        raise ValueError(f"{board.name}: {_reason(said, program.returncode, wanted)}")


def _settings(wanted: Search, place: Path) -> list[tuple[tuple[str, ...], str, Any]]:
    """gallery-dl's settings: where to, how many, how slowly, and what it writes of each picture."""
    endings = tuple(sorted(ending[1:] for ending in IMAGE_EXTENSIONS))
    general = {
        "base-directory": str(place),
        "directory": [],
        "filename": "{category}_{id}.{extension}",
        "file-range": f"1-{wanted.most}",
        "image-range": f"1-{wanted.most}",
        "image-filter": f"extension in {endings!r}",
        "sleep-request": SECONDS_BETWEEN,
        "retries": ATTEMPTS,
        "skip": True,
        "postprocessors": [
            {"name": "metadata", "mode": "json", "event": "after,skip", "directory": INFO_FOLDER}
        ],
    }
    mine = [(("extractor",), key, value) for key, value in general.items()]
    names = {"GELBOORU_API_KEY": "api-key", "GELBOORU_USER_ID": "user-id"}
    keys = [
        (("extractor", wanted.board), names[key], value) for key, value in wanted.keys.items() if key in names
    ]
    rest = [
        (("output",), "mode", "null"),
        (("downloader",), "part-directory", str(place / PARTS)),
        (("cache",), "file", None),
    ]
    return [*mine, *rest, *keys, *wanted.settings]


def _follow(program: subprocess.Popen, wanted: Search, place: Path, tell: Tell) -> None:
    """Wait until it has ended, and tell how many pictures are there."""
    stage, told = f"Downloading from {BOARDS[wanted.board].name}", -1
    while program.poll() is None:
        count = sum(path.suffix.lower() in IMAGE_EXTENSIONS for path in place.iterdir())
        if count != told:
            tell(Progress(stage, min(count, wanted.most), wanted.most))
            told = count
        time.sleep(TICK)


def _without(text: str, keys: Mapping[str, str]) -> str:
    for value in filter(None, keys.values()):
        text = text.replace(value, "***")
    return redact(text)


def _reason(said: str, code: int, wanted: Search) -> str:
    """One sentence of what gallery-dl said: its last error."""
    lines = [line.strip() for line in _without(said, wanted.keys).splitlines() if "[error]" in line]
    words = lines[-1].partition("[error]")[2].strip() if lines else f"gallery-dl ended with {code}"
    if "401" in words or "AuthRequired" in words or "uthentication" in words:
        return f"it does not accept the key ({words})"
    if "403" in words or "429" in words:
        return f"it refuses to answer now ({words}): wait, then try again"
    if "422" in words:
        return f"it takes fewer tags in a search without an account ({words}): Danbooru takes two"
    if "Connection" in words or "resolve" in words or "imed out" in words:
        return "it cannot be reached: try again, what is there is kept"
    return words
