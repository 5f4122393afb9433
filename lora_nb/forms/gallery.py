"""Pictures and counts as the notebook shows them."""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import ipywidgets as W

from lora_nb.dataset import images

SIDE = 128
MOST = 60


@dataclass(frozen=True)
class Thumb:
    """A picture to show, with a line under it and a colour of its frame ("" for none)."""

    path: Path
    text: str = ""
    frame: str = ""


def thumbnails(thumbs: Sequence[Thumb], side: int = SIDE, most: int = MOST, lines: int = 4) -> str:
    """HTML of the first `most` pictures side by side, under each its text in at most so many lines."""
    tiles = "".join(_tile(thumb, side, lines) for thumb in thumbs[:most])
    rest = len(thumbs) - most
    more = f'<div style="opacity:.7">and {rest} more</div>' if rest > 0 else ""
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px;padding:4px 0">{tiles}</div>{more}'


def _tile(thumb: Thumb, side: int, lines: int) -> str:
    frame = f"border:3px solid {thumb.frame};" if thumb.frame else ""
    return (
        f'<figure style="margin:0;width:{side}px">{_image(thumb, side, frame)}'
        f'<figcaption title="{escape(thumb.text)}" style="font-size:11px;line-height:1.25;overflow:hidden;'
        f'display:-webkit-box;-webkit-line-clamp:{lines};-webkit-box-orient:vertical;overflow-wrap:anywhere">{escape(thumb.text)}</figcaption></figure>'
    )


def _image(thumb: Thumb, side: int, frame: str) -> str:
    try:
        content = images.thumbnail(thumb.path, 2 * side)
    except (ValueError, OSError):
        return (
            f'<div style="width:{side}px;height:{side}px;box-sizing:border-box;border:1px dashed #d32f2f;color:#d32f2f;'
            'display:flex;align-items:center;justify-content:center;font-size:12px">cannot be read</div>'
        )
    style = (
        f"width:{side}px;height:{side}px;object-fit:contain;box-sizing:border-box;background:#8882;{frame}"
    )
    return f'<img alt="{escape(thumb.path.name)}" style="{style}" src="{_data(content, "jpeg")}">'


def _data(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def large(path: Path, side: int = 1400) -> str:
    """HTML of one picture across the page, such as a grid; the file itself stays as large as it is."""
    content = path.read_bytes() if path.stat().st_size < 1_000_000 else images.thumbnail(path, side)
    kind = path.suffix.lstrip(".") if path.stat().st_size < 1_000_000 else "jpeg"
    return f'<img alt="{escape(path.name)}" style="max-width:100%" src="{_data(content, kind)}">'


def tag_table(counts: Iterable[tuple[str, int]], pictures: int) -> str:
    """HTML of tags with their counts, and a bar for the share of the pictures."""
    rows = "".join(
        _tag_row(number, tag, count, pictures) for number, (tag, count) in enumerate(counts, start=1)
    )
    head = '<tr><th></th><th style="text-align:left">tag</th><th>pictures</th><th></th></tr>'
    return (
        f'<table class="lora-nb-tags" style="border-collapse:collapse;line-height:1.35">{head}{rows}</table>'
    )


def _tag_row(number: int, tag: str, count: int, pictures: int) -> str:
    width = round(260 * count / max(pictures, 1))
    bar = f'<div style="width:{width}px;height:11px;background:#4c8bf5;border-radius:2px"></div>'
    return (
        f'<tr><td style="opacity:.6;text-align:right">{number}</td><td style="padding:0 10px">{escape(tag)}</td>'
        f'<td style="text-align:right;padding-right:10px">{count}</td><td>{bar}</td></tr>'
    )


@dataclass(frozen=True)
class Family:
    """A picture that was kept, its near copies with how far each is, and why this one stayed."""

    kept: Path
    reason: str
    copies: tuple[Thumb, ...]
    names: tuple[str, ...]


def families(found: Sequence[Family], bring_back: Callable[[Sequence[str]], None]) -> W.VBox:
    """Each family in a row, with a button that brings its copies back."""
    return W.VBox([_family(family, bring_back) for family in found])


def _family(family: Family, bring_back: Callable[[Sequence[str]], None]) -> W.VBox:
    kept = Thumb(family.kept, f"kept: {family.kept.name}", "#2e7d32")
    heading = W.HTML(f"<b>{escape(family.kept.name)}</b> is kept: {escape(family.reason)}")
    pictures = W.HTML(thumbnails([kept, *family.copies], side=112))
    button = W.Button(description="These are different: bring back", layout=W.Layout(width="auto"))
    button.on_click(lambda _: bring_back(family.names))
    return W.VBox([heading, W.HBox([pictures, button], layout=W.Layout(align_items="center"))])
