"""A file or a folder shared on Google Drive, downloaded by gdown."""

import inspect
import os
import re
from pathlib import Path
from typing import Any

from lora_nb.events import Notice, Progress, Tell, silent
from lora_nb.intake import content
from lora_nb.intake.web import Limits
from lora_nb.wording import first_line

# gdown is imported where it is used: it needs half a second.

HOSTS = r"https?://(?:drive|docs)\.google\.com/"
FOLDER = re.compile(
    HOSTS + r"(?:drive/)?(?:mobile/)?(?:u/\d+/)?(?:folders/|embeddedfolderview\?id=)([-\w]{10,})"
)
FILE = re.compile(HOSTS + r"(?:file/(?:u/\d+/)?d/|[^#]*[?&]id=)([-\w]{10,})")
FILE_PAGE = "https://drive.google.com/uc?id={}"
MOST_LISTED = 50  # by gdown 5
CUT = "Google Drive cannot be reached, or the connection was cut: try again, what is there is kept"
SHARE = 'open it in Drive, choose "Share" and "Anyone with the link"'


def knows(source: str) -> bool:
    """Whether this is a link to Google Drive."""
    return bool(re.match(HOSTS, source, re.IGNORECASE))


def download(link: str, place: Path, limits: Limits, tell: Tell = silent) -> Path:
    """The shared file, or a folder with the shared folder's files; a cut download is gone on with.

    Raises ValueError with one sentence: not shared, asked for too often, unreachable, nothing that can be imported.
    """
    folder, file = FOLDER.match(link), FILE.match(link)
    if not folder and not file:
        raise ValueError(f'{link} leads to no file or folder on Google Drive: use its "Copy link"')
    tell(Progress("Downloading from Google Drive", 0, 1))
    if folder:
        return _folder(link, folder[1], place / "folder", limits, tell)
    return _checked(link, _file(link, file[1], place, tell), limits)


def _file(link: str, name: str, place: Path, tell: Tell) -> Path:
    import gdown

    arguments: dict[str, Any] = {"quiet": True, "use_cookies": False, "resume": True}
    if "progress" in inspect.signature(gdown.download).parameters:  # since 6
        arguments["progress"] = lambda done, total: tell(
            Progress("Downloading from Google Drive", done, total or done, "B")
        )
    return Path(_asked(link, gdown.download, FILE_PAGE.format(name), f"{place}{os.sep}", **arguments))


def _folder(link: str, name: str, place: Path, limits: Limits, tell: Tell) -> Path:
    import gdown

    listed = _asked(
        link, gdown.download_folder, id=name, output=str(place), quiet=True, use_cookies=False, skip_download=True,
        **_all_of(gdown.download_folder),
    )  # fmt: skip
    if not listed:
        raise ValueError(f"{link}: the folder on Google Drive is empty, or not shared: {SHARE}")
    if len(listed) == MOST_LISTED and _all_of(gdown.download_folder):
        words = f"The gdown of this machine sees {MOST_LISTED} files of a folder at most: pack them as a zip"
        tell(Notice(words, "warning"))
    failed = []
    for number, each in enumerate(listed, start=1):
        target = Path(each.local_path)
        try:
            _one(link, each.id, target, limits)
        except ValueError as error:
            failed.append(f"{each.path}: {str(error).removeprefix(f'{link}: ')}")
        tell(Progress("Downloading from Google Drive", number, len(listed)))
    if len(failed) == len(listed):
        raise ValueError(f"{link}: none of its {len(listed)} files came ({failed[0]})")
    for words in failed:
        tell(Notice(f"Not downloaded: {words}", "warning"))
    return place


def _one(link: str, name: str, target: Path, limits: Limits) -> None:
    """One file of a folder, where it is not there yet. What is no picture stays, for the import to name."""
    import gdown

    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    arguments = {"quiet": True, "use_cookies": False, "resume": True}
    came = Path(_asked(link, gdown.download, FILE_PAGE.format(name), str(target), **arguments))
    if content.kind_of(_start(came)) == content.PAGE and target.suffix.lower() not in (".htm", ".html"):
        came.unlink()
        raise ValueError(f"{link}: Google Drive sent a web page in its place")


def _all_of(function: Any) -> dict[str, bool]:
    """gdown 5 stops at 50 files unless told to take those."""
    return {"remaining_ok": True} if "remaining_ok" in inspect.signature(function).parameters else {}


def _asked(link: str, function: Any, *arguments: Any, **named: Any) -> Any:
    """What gdown returns. Raises ValueError in place of its own errors, which differ from version to version."""
    import requests

    try:
        found = function(*arguments, **named)
    except requests.RequestException as error:
        raise ValueError(f"{link}: {_of_transport(error)}") from None
    except OSError:
        raise
    except Exception as error:  # gdown 5 and 6 have classes of their own, and 5 lets bs4's and json's through
        raise ValueError(f"{link}: {_reason(error)}") from None
    if found is None:
        raise ValueError(f"{link}: Google Drive gave no file: {SHARE}, or download it in your browser")
    return found


def _of_transport(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"Google Drive answers {response.status_code}: {SHARE}, or download it in your browser"
    return CUT


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split())
    if "incomplete" in words.lower() or "byte range" in words.lower():
        return CUT
    if "too many" in words.lower() or "quota" in words.lower():
        return "Google Drive lets it be downloaded no more today (too many did): make a copy of it in your own Drive"
    if "permission" in words.lower() or "public link" in words.lower() or "status code 40" in words.lower():
        return f"it is not shared, or not there: {SHARE}, or download it in your browser"
    return f"Google Drive gave no file ({first_line(error)}): {SHARE}, or download it in your browser"


def _checked(link: str, came: Path, limits: Limits) -> Path:
    """The file, if it is a zip or a picture; called so, whatever its name was."""
    start = _start(came)
    kind = content.kind_of(start)
    if came.stat().st_size > limits.bytes:
        came.unlink()
        raise ValueError(f"{link} is refused: it is larger than {limits.bytes / 1e9:g} GB (max_gigabytes)")
    if kind not in (content.ZIP, content.PICTURE):
        came.unlink()
        what = (
            "a web page in its place"
            if kind == content.PAGE
            else content.foreign(start) or "no zip or picture"
        )
        raise ValueError(f"{link}: Google Drive sent {what}: {SHARE}, or download it in your browser")
    ending = content.ending_of(start)
    return (
        came if came.suffix.lower() in (ending, ".jpeg") else came.replace(came.with_name(came.name + ending))
    )


def _start(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(content.ENOUGH)
