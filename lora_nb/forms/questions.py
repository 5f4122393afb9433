"""The three questions a run's form is filled in from: what is trained, on which base, on which machine."""

from collections.abc import Callable
from typing import Any

import ipywidgets as W

from lora_nb import presets
from lora_nb.bases import catalogue, suggested
from lora_nb.forms.base_cards import BaseCards
from lora_nb.forms.form import name_it
from lora_nb.shell.graphics_card import GraphicsCard

PURPOSES = (
    ("a character or a person", "character"),
    ("a style", "style"),
    ("an object", "object"),
    ("a concept: a pose, a garment, a kind of place", "concept"),
)
OTHER = "another: a file, a folder, a web address or a Hugging Face id"
DEMO = "demo: a tiny one that is here already, to see how things work; its LoRAs are of no use elsewhere"
NONE_YET = "choose one"
SIGNS = {"photos": "photo", "drawings": "drawing"}  # how `good_for` in the catalogue says it
ANY = object()  # in the list of bases: another one


class Questions:
    """Three lists, each with an answer already. `answered` is called after a choice; `other` is for another base."""

    def __init__(self, other: W.Widget, answered: Callable[[], None]) -> None:
        self.other, self.answered, self.quiet = other, answered, False
        self.purpose = _list("What do you train?", PURPOSES)
        self.base = _list("On which base?", [(NONE_YET, "")])
        self.machine = _list("On which machine?", [("this one", "")])
        name_it(self.base, "pretrained_model_name_or_path")
        self.found = GraphicsCard("", "")
        for control in (self.purpose, self.base, self.machine):
            control.observe(lambda _: self._answer(), "value")
        self.cards = BaseCards(lambda base: self.base.set_trait("value", base))
        self.base.observe(lambda change: self.cards.show(change["new"]), "value")
        parts = [self.purpose, self.base, other, self.cards.widget, self.machine]
        self.widget = W.VBox(parts, layout=W.Layout(width="100%"))
        other.layout.display = "none"

    def ask(self, purpose: str, base: str, found: GraphicsCard, kind: str, example: bool = False) -> None:
        """Offer what suits "photos", "drawings" or "", with these answers given; tells nobody."""
        self.quiet, self.found = True, found
        self.machine.options = _machines(found)
        self.base.options = bases(kind, example)
        self.cards.offer([] if example else [(entry, _value(entry)) for entry in _in_order(kind)])
        self.purpose.value, self.machine.value = purpose, ""
        self.quiet = False
        self.take_base(base)

    def take_base(self, base: str) -> None:
        """Show this base as the answer, as another one where the list has it not."""
        self.quiet = True
        known = [value for _, value in self.base.options]
        self.base.value = base if base in known else ANY
        self.cards.show(self.base.value)
        self.other.layout.display = "" if self.base.value is ANY else "none"
        self.quiet = False

    def machine_name(self) -> str:
        """The preset for the machine."""
        return self.machine.value or self.found.preset

    def _answer(self) -> None:
        if not self.quiet:
            self.other.layout.display = "" if self.base.value is ANY else "none"
            self.answered()


def bases(kind: str, example: bool) -> list[tuple[str, Any]]:
    """The bases to choose from with what each is good for: first what suits the pictures, the demo last of all.

    The example that ships here is for the demo, which then stands first.
    """
    rows: list[tuple[str, Any]] = [
        (f"{entry.title}: {entry.good_for}", _value(entry)) for entry in _in_order(kind)
    ]
    demo = [(DEMO, suggested.DEMO)]
    return [*demo, *rows, (OTHER, ANY)] if example else [(NONE_YET, ""), *rows, (OTHER, ANY), *demo]


def _in_order(kind: str) -> list[catalogue.Entry]:
    return sorted(catalogue.read().entries, key=lambda entry: not _suits(entry, kind))


def _suits(entry: catalogue.Entry, kind: str) -> bool:
    return not kind or SIGNS[kind] in entry.good_for


def _value(entry: catalogue.Entry) -> str:
    """What the run is told: the id that people know where it is suggested so, else the short name."""
    return entry.source if entry.source in suggested.SUGGESTED else entry.id


def _machines(found: GraphicsCard) -> list[tuple[str, str]]:
    known = [
        (one.title, one.name) for one in presets.presets() if one.kind == "machine" and one.name != "cpu"
    ]
    return [(f"this one: {found.title}", ""), *known]


def _list(question: str, options: Any) -> W.Dropdown:
    return W.Dropdown(
        options=options,
        description=question,
        style={"description_width": "205px"},
        layout=W.Layout(width="min(820px, 99%)"),
    )
