"""The report of a dataset as HTML: a page that needs no other file, and a part to show in a notebook."""

from collections.abc import Iterable, Sequence
from html import escape
from statistics import median

from lora_nb.overview.report_points import HARMS, Point
from lora_nb.overview.report_record import Report

MOST_NAMES, MOST_ROWS = 12, 20
COLOURS = ("#546e7a", "#8d6e00", "#b3541e", "#c62828", "#8e0000")  # by harm, each 4.5 : 1 under white letters
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --paper: #17191c } }
body {
  margin: 0 auto; padding: 24px; max-width: 900px; font: 15px/1.45 system-ui, sans-serif;
  color: var(--ink); background: var(--paper);
}
h1 { font-size: 24px } h2 { font-size: 18px; margin: 28px 0 8px }
a { color: inherit }
"""
BLOCK = """
.lnb-report { line-height: 1.45 }
.lnb-report ul { list-style: none; margin: 0; padding: 0 }
.lnb-report li { margin: 8px 0; padding-left: 10px; border-left: 4px solid #8886 }
.lnb-report .harm { color: #fff; border-radius: 3px; padding: 1px 6px; font-size: 12px; margin-right: 6px }
.lnb-report .more { opacity: .8; font-size: 13px; overflow-wrap: anywhere }
.lnb-report table { border-collapse: collapse }
.lnb-report td, .lnb-report th { padding: 1px 14px 1px 0; text-align: right; font-weight: normal }
.lnb-report th { opacity: .75 }
.lnb-report td:first-child, .lnb-report th:first-child { text-align: left }
.lnb-report svg { max-width: 100%; height: auto; display: block }
.lnb-report svg text { fill: currentColor; font: 12px system-ui, sans-serif }
"""


def whole(found: Report) -> str:
    """A whole HTML page, light or dark as the reader's system is."""
    name = escape(found.project)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return (
        f'<!doctype html><html lang="en"><head>{head}<title>Dataset {name}</title><style>{STYLE}</style></head>'
        f"<body><h1>Dataset {name}</h1>{points(found.points)}{rest(found)}</body></html>\n"
    )


def points(listed: Sequence[Point], mends: bool = True) -> str:
    """The points as a list; with `mends` it says what mends each."""
    rows = "".join(_point(one, mends) for one in listed) or "<li>Nothing is wrong.</li>"
    return f'<style>{BLOCK}</style><div class="lnb-report"><ul>{rows}</ul></div>'


def _point(one: Point, mends: bool) -> str:
    colour, names = COLOURS[one.harm], one.names[:MOST_NAMES]
    more = f" and {len(one.names) - len(names)} more" if len(one.names) > len(names) else ""
    lines = [f"{escape('; '.join(names))}{more}"] if names else []
    lines += [escape(one.advice)] if one.advice else []
    lines += [f"Mended by: {escape(one.mend.label)} (`{one.mend.verb}`)"] if one.mend and mends else []
    below = "".join(f'<div class="more">{line}</div>' for line in lines)
    mark = f'<span class="harm" style="background:{colour}">{HARMS[one.harm]}</span>'
    return f'<li style="border-color:{colour}">{mark}{escape(one.sentence)}{below}</li>'


def rest(found: Report) -> str:
    """Everything beside the points: buckets, sizes, captions, advice."""
    parts = [_buckets(found), _sizes(found), _captions(found), _advice(found)]
    return f'<style>{BLOCK}</style><div class="lnb-report">{"".join(parts)}</div>'


def _buckets(found: Report) -> str:
    if not found.buckets:
        return ""
    steps = f"{found.steps_per_epoch} steps an epoch, {found.steps} in all."
    return f"<h2>Buckets of the training</h2><p>{steps}</p>{bars(found.buckets)}"


def bars(rows: Sequence[tuple[str, int]]) -> str:
    """A drawing of bars with their names and numbers, that needs no plotting library."""
    shown, most = rows[:MOST_ROWS], max((number for _, number in rows), default=1)
    drawn = "".join(
        _bar(20 * at, name, number, 420 * number // most) for at, (name, number) in enumerate(shown)
    )
    height, more = 20 * len(shown) + 4, len(rows) - len(shown)
    words = f'<p class="more">and {more} more</p>' if more > 0 else ""
    size = f'viewBox="0 0 600 {height}" width="600" height="{height}"'
    return f'<svg {size} role="img" aria-label="pictures in each">{drawn}</svg>{words}'


def _bar(top: int, name: str, number: int, wide: int) -> str:
    return (
        f'<text x="96" y="{top + 15}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="104" y="{top + 4}" width="{max(2, wide)}" height="13" rx="2" fill="#4c8bf5"/>'
        f'<text x="{112 + wide}" y="{top + 15}">{number}</text>'
    )


def _sizes(found: Report) -> str:
    more = len(found.sizes) - MOST_ROWS
    words = f"<p>and {more} more sizes</p>" if more > 0 else ""
    return f"<h2>Sizes of the pictures</h2>{_table(('pixels', 'pictures'), found.sizes[:MOST_ROWS])}{words}"


def _captions(found: Report) -> str:
    if not found.lengths:
        return ""
    shortest, middle, longest = found.lengths[0], median(found.lengths), found.lengths[-1]
    kind = found.kind or "text"
    words = (
        f"{found.captioned} of {found.pictures} pictures have a caption ({kind}), {shortest} to {longest} tokens long, "
        f"{middle:.0f} in the middle."
    )
    tags = _table(("tag", "pictures"), found.tags) if found.tags else ""
    return f"<h2>Captions</h2><p>{words}</p>{tags}"


def _advice(found: Report) -> str:
    rows = "".join(
        f'<li>{escape(one.sentence)}<div class="more">{_source(one.source)}</div></li>'
        for one in found.advice
    )
    whose = f"{'an' if found.purpose[0] in 'aeiou' else 'a'} {found.purpose}"
    return f"<h2>What makes a good set of {whose}</h2><ul>{rows}</ul>"


def _source(source: str) -> str:
    shown = escape(source)
    return f'<a href="{shown}">{shown}</a>' if source.startswith("https://") else shown


def _table(heads: tuple[str, str], rows: Iterable[tuple[str, int]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(f"<tr><td>{escape(name)}</td><td>{number}</td></tr>" for name, number in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
