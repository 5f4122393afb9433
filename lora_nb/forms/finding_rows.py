"""What was found wrong with the pictures, each with the button that mends it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import ipywidgets as W

from lora_nb.forms import gallery
from lora_nb.forms.gallery import Thumb
from lora_nb.pictures.findings import HURTS, MINOR, SPOILS, Cluster, Copy, Finding
from lora_nb.wording import counted

MANY = 4  # findings of one kind that are shown together
MOST = 24  # of those, how many are shown
SIDE = 96
HARM = {SPOILS: ("spoils it", "#c62828"), HURTS: ("hurts", "#b26a00"), MINOR: ("worth a look", "#1565c0")}
WORDS = {"set_aside": "Set aside", "crop": "Crop it"}


@dataclass(frozen=True)
class Acts:
    """What the buttons do: mend findings, keep another copy of a cluster, bring copies back."""

    mend: Callable[[Sequence[Finding]], None]
    keep_other: Callable[[Copy], None]
    bring_back: Callable[[Sequence[str]], None]


def label_of(found: Finding) -> str:
    """What people call such a finding."""
    from lora_nb.pictures.checks import labels  # here: it loads numpy, which the first cell does without

    return labels().get(found.kind, found.kind)


def rows(found: Sequence[Finding], acts: Acts) -> list[W.Widget]:
    """A row for each finding; those of a kind in one frame where there are many."""
    kinds: dict[str, list[Finding]] = {}
    for one in found:
        kinds.setdefault(one.kind, []).append(one)
    shown: list[W.Widget] = []
    for alike in kinds.values():
        shown += [_group(alike, acts)] if len(alike) >= MANY else [_row(one, acts) for one in alike]
    return shown


def _badge(found: Finding) -> str:
    """A finding's name, and what it does to a LoRA."""
    word, colour = HARM.get(found.harm, HARM[MINOR])
    badge = f'<span style="border:1px solid {colour};border-radius:3px;padding:0 4px;font-size:11px">{word}</span>'
    return f"<b>{escape(label_of(found))}</b> {badge}"


def _row(found: Finding, acts: Acts) -> W.Widget:
    names = ", ".join(path.name for path in found.pictures)
    words = f"{_badge(found)}<br>{escape(names)} {escape(found.sentence)}"
    text = W.HTML(f'<div style="line-height:1.35">{words}</div>', layout=W.Layout(flex="1 1 260px"))
    parts: list[W.Widget] = [text]
    if found.pictures:
        thumbs = gallery.thumbnails([Thumb(path) for path in found.pictures], side=SIDE, most=4)
        parts.insert(0, W.HTML(thumbs))
    if found.action in WORDS and found.pictures:
        parts.append(_button(WORDS[found.action], lambda: acts.mend([found])))
    return W.HBox(parts, layout=W.Layout(align_items="center", flex_flow="row wrap", width="100%"))


def _group(alike: Sequence[Finding], acts: Acts) -> W.Widget:
    """Findings of one kind: each picture with its own button, and one button for all where that is safe."""
    number = len({path for one in alike for path in one.pictures})
    heading: list[W.Widget] = [W.HTML(f"{_badge(alike[0])} &nbsp;{counted(number, 'picture')}")]
    if alike[0].action == "set_aside":
        heading.append(_button(f"Set all {number} aside", lambda: acts.mend(alike)))
    wrapped = W.Layout(flex_flow="row wrap", align_items="flex-start", width="100%")
    shown = [W.HBox(heading, layout=W.Layout(align_items="center", flex_flow="row wrap"))]
    shown.append(W.HBox([_tile(one, acts) for one in alike[:MOST]], layout=wrapped))
    if len(alike) > MOST:
        shown.append(W.HTML(f"and {len(alike) - MOST} more: `check` on the command line names all"))
    return W.VBox(shown)


def _tile(found: Finding, acts: Acts) -> W.Widget:
    thumbs = [Thumb(path, f"{path.name} {found.sentence}") for path in found.pictures]
    parts: list[W.Widget] = [W.HTML(gallery.thumbnails(thumbs, side=SIDE, most=4))]
    if found.action in WORDS:
        parts.append(_button(WORDS[found.action], lambda: acts.mend([found])))
    return W.VBox(parts)


def cluster(found: Cluster, set_aside: Path, acts: Acts) -> W.Widget | None:
    """A group of copies with what can be done; None when no copy is left to decide on."""
    left = [copy for copy in found.copies if (copy.set_aside or copy.path).exists()]
    if not left or not found.kept.exists():
        return None
    heading = W.HTML(f"<b>{escape(found.kept.name)}</b> is kept: {escape(found.reason)}")
    tiles: list[W.Widget] = [W.HTML(gallery.thumbnails([Thumb(found.kept, "kept", "#2e7d32")], side=112))]
    tiles += [_copy(copy, acts) for copy in left]
    names = [one.set_aside.relative_to(set_aside.absolute()).as_posix() for one in left if one.set_aside]
    if names:
        tiles.append(_button("These are different: bring back", lambda: acts.bring_back(names)))
    layout = W.Layout(align_items="center", flex_flow="row wrap", width="100%")
    return W.VBox([heading, W.HBox(tiles, layout=layout)])


def _copy(copy: Copy, acts: Acts) -> W.Widget:
    place = copy.set_aside or copy.path
    state = "" if copy.set_aside else " (still in the dataset)"
    picture = W.HTML(gallery.thumbnails([Thumb(place, f"{copy.path.name}: {copy.how}{state}")], side=112))
    return W.VBox([picture, _button("Keep this one", lambda: acts.keep_other(copy))])


def _button(words: str, act: Callable[[], None]) -> W.Button:
    button = W.Button(description=words, layout=W.Layout(width="auto"))
    button.on_click(lambda _: act())
    return button
