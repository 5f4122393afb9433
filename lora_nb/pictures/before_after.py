"""A page that shows pictures before and after."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

REPORT = "prepare.html"  # in the folder of reports
MOST = 60
MARK = "<!--row-->"
PAGE = (
    '<!DOCTYPE html><html><head><meta charset="utf-8"><title>Before and after</title>'
    "<style>:root{color-scheme:light dark}body{font:14px system-ui,sans-serif;margin:1rem}</style></head><body>"
)


@dataclass(frozen=True)
class Row:
    """A picture: its name, JPEGs of it before and after, and in words what was done."""

    name: str
    before: bytes
    after: bytes
    words: str


def page(rows: Sequence[Row], heading: str) -> str:
    """HTML of the first rows, whole in itself."""
    more = f"<p>and {len(rows) - MOST} more</p>" if len(rows) > MOST else ""
    shown = "".join(MARK + _row(one) for one in rows[:MOST])
    return f"{PAGE}<h1>{escape(heading)}</h1>{shown}{MARK}{more}</body></html>"


def first_rows(page: str, most: int) -> str:
    """HTML of the first rows of such a page; "" for another text."""
    return "".join(page.split(MARK)[1:-1][:most])


def _row(row: Row) -> str:
    pictures = " &rarr; ".join(
        _image(content, row.name, when) for content, when in ((row.before, "before"), (row.after, "after"))
    )
    return (
        f'<figure style="margin:0 0 10px"><div style="display:flex;align-items:center;gap:8px">{pictures}</div>'
        f'<figcaption style="font-size:12px">{escape(row.name)}: {escape(row.words)}</figcaption></figure>'
    )


def _image(content: bytes, name: str, when: str) -> str:
    data = base64.b64encode(content).decode()
    style = "max-width:160px;max-height:160px;background:#8882"
    return f'<img alt="{escape(name)} {when}" style="{style}" src="data:image/jpeg;base64,{data}">'
