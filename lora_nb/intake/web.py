"""A zip or a picture at a web address, brought to this machine."""

from pathlib import Path

from lora_nb import web
from lora_nb.events import Tell, silent
from lora_nb.intake import content
from lora_nb.web import Limits, knows, shown

__all__ = ["Limits", "download", "knows"]


def download(address: str, place: Path, limits: Limits, tell: Tell = silent) -> Path:
    """The zip or picture at an address, whole, in `place`. Raises ValueError with one sentence (`web.download`)."""
    return web.download(web.Wish(address, place, limits, _check_start, _ending), tell)


def _ending(start: bytes, name: str) -> str:
    return content.ending_of(start)


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
