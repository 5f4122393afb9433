"""What bases are good for, each with a small drawing: the chosen one in full, some others to press."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as W

from lora_nb.bases import catalogue, suggested
from lora_nb.bases.families import FAMILIES
from lora_nb.forms import vignettes

MOST = 4
DEMO = "Tiny, drawn for this project, here already: it shows how everything works. Its LoRAs are of no use elsewhere."


class BaseCards:
    """The chosen base with its drawing, and the first suggestions as buttons. `choose` is called with a base."""

    def __init__(self, choose: Callable[[Any], None]) -> None:
        self.choose = choose
        self.buttons: dict[Any, W.Button] = {}
        self.chosen = W.HTML()
        self.row = W.HBox(layout=W.Layout(flex_flow="row wrap", width="100%"))
        self.widget = W.VBox([self.chosen, self.row], layout=W.Layout(width="100%"))

    def offer(self, bases: Sequence[tuple[catalogue.Entry, Any]]) -> None:
        """Show the first of these as cards, and one for something else, each with the value that choosing it gives."""
        shown = _varied(list(bases))
        self.buttons = {value: self._button(entry, value) for entry, value in shown}
        self.row.children = [self._card(entry, self.buttons[value]) for entry, value in shown]

    def _button(self, entry: catalogue.Entry, value: Any) -> W.Button:
        button = W.Button(description=entry.title, tooltip=entry.good_for, layout=W.Layout(width="auto"))
        button.on_click(lambda _: self.choose(value))
        return button

    def _card(self, entry: catalogue.Entry, button: W.Button) -> W.VBox:
        kind = vignettes.kind_of(entry.good_for)
        drawn = W.HTML(vignettes.draw(kind, f"lng-{entry.id}", 112) if kind else "")
        return W.VBox([drawn, button], layout=W.Layout(align_items="center", margin="2px 10px 6px 0"))

    def show(self, base: Any) -> None:
        """Say what the chosen base is good for; nothing of one that nobody here knows."""
        for value, button in self.buttons.items():
            button.icon = "check" if value == base else ""
        self.chosen.value = in_words(base) if isinstance(base, str) else ""


def _varied(bases: list[tuple[catalogue.Entry, Any]]) -> list[tuple[catalogue.Entry, Any]]:
    """The first ones, the last of them with a drawing that the others have not."""
    first, rest = bases[: MOST - 1], bases[MOST - 1 :]
    seen = {vignettes.kind_of(entry.good_for) for entry, _ in first}
    other = [each for each in rest if vignettes.kind_of(each[0].good_for) not in seen]
    return first + (other or rest)[:1]


def in_words(base: str) -> str:
    """HTML of a base with its drawing, its family, picture size and licence; "" for an unknown one."""
    if base == suggested.DEMO:
        return _beside("demo", "Demo", DEMO)
    entry = next((each for each in catalogue.read().entries if base in (each.id, each.source)), None)
    if entry is None:
        return ""
    side = entry.recommended.get("resolution")
    size = f"made for pictures of {side} x {side} pixels; " if side else ""
    family = FAMILIES[entry.family].title if entry.family in FAMILIES else entry.family
    more = f"{family}, {size}licence: {entry.licence or 'not known'}"
    return _beside(vignettes.kind_of(entry.good_for), entry.title, f"Good for {entry.good_for}.", more)


def _beside(kind: str, title: str, *lines: str) -> str:
    drawn = vignettes.draw(kind, "lng-chosen") if kind else ""
    said = "".join(f"<div>{escape(line)}</div>" for line in lines)
    return (
        '<div class="lora-nb-base" style="display:flex;flex-wrap:wrap;gap:12px;align-items:center;margin:4px 0 8px">'
        f'{drawn}<div style="line-height:1.45;flex:1 1 300px"><b>{escape(title)}</b>{said}</div></div>'
    )
