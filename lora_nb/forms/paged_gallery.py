"""The gallery of core widgets, for where the other one does not load: 24 pictures a page, with the same verbs."""

from collections.abc import Callable
from typing import Any

import ipywidgets as W

from lora_nb.forms import gallery as shown
from lora_nb.forms.follow import sentence
from lora_nb.overview.answers import Answers
from lora_nb.overview.entries import Entry
from lora_nb.wording import counted

A_PAGE, SIDE = 24, 150
ACTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Set aside", "set_aside", {}),
    ("Bring back", "bring_back", {}),
    ("Turn left", "rotate", {"quarters": 3}),
    ("Turn right", "rotate", {"quarters": 1}),
)


class Tile:
    """One picture: a mark to select it, and its caption, written when it is left."""

    def __init__(
        self, entry: Entry, write: Callable[[int, str, str], None], changed: Callable[[], None]
    ) -> None:
        self.entry = entry
        picture = W.HTML(shown.thumbnails([shown.Thumb(entry.path)], side=SIDE))
        self.mark = W.Checkbox(description=entry.name, indent=False, layout=W.Layout(width=f"{SIDE}px"))
        self.mark.observe(lambda _: changed(), "value")
        self.caption = W.Textarea(
            entry.caption or "", continuous_update=False, disabled=entry.is_aside, placeholder="no caption",
            layout=W.Layout(width=f"{SIDE}px", height="70px"),
        )  # fmt: skip
        self.caption.observe(lambda change: write(entry.id, change["new"], entry.revision), "value")
        self.widget = W.VBox([picture, self.mark, self.caption], layout=W.Layout(width=f"{SIDE + 8}px"))


class PagedGallery:
    """The same questions to the same answers as the page asks."""

    def __init__(self, answers: Answers, text: str = "") -> None:
        self.answers, self.page = answers, 0
        self.tiles: list[Tile] = []
        self.filter = W.Text(
            text, placeholder="Filter: cat, tag:hat, is:captionless", continuous_update=False
        )
        self.filter.observe(lambda _: self._go(0), "value")
        self.tag = W.Text(placeholder="a tag", layout=W.Layout(width="130px"))
        self.number = W.BoundedIntText(1, 1, 1000, layout=W.Layout(width="80px"))
        self.box = W.Text(placeholder="left, top, right, bottom", layout=W.Layout(width="170px"))
        self.place = W.HBox(layout=W.Layout(flex_flow="row wrap"))
        self.where, self.said = W.Label(), W.HTML()
        self.widget = W.VBox([W.HBox([self.filter, self.where]), self.place, *self._bars(), self.said])
        self.redraw()

    def _bars(self) -> list[W.Widget]:
        pages = [("Previous", lambda: self._go(self.page - 1)), ("Next", lambda: self._go(self.page + 1))]
        marks = [("All on this page", lambda: self._mark(True)), ("None", lambda: self._mark(False))]
        act = [(word, lambda name=name, more=more: self.act(name, **more)) for word, name, more in ACTIONS]
        wide = W.Layout(flex_flow="row wrap")
        return [
            W.HBox([_button(*one) for one in (*pages, *marks)], layout=wide),
            W.HBox([_button(*one) for one in (*act, ("Undo the last step", lambda: self.ask("undo")))], layout=wide),
            W.HBox([self.tag, _button("Add tag", lambda: self.act("add_tags", tag=self.tag.value)),
                    _button("Remove tag", lambda: self.act("remove_tags", tag=self.tag.value)),
                    self.number, _button("Set repeats", lambda: self.act("repeats", number=self.number.value)),
                    self.box, _button("Crop", lambda: self.act("crop", box=self.box.value.split(",")))], layout=wide),
        ]  # fmt: skip

    def ask(self, op: str, **more: Any) -> bool:
        """Ask as the page does; show what is said, and the pictures as they are then. Whether it went well."""
        (answer, _), *_ = [*self.answers.to({"op": op, "seq": 1, **more})]
        self.said.value = sentence(answer.get("say", ""), "good" if answer["ok"] else "bad")
        if answer["ok"]:
            self.redraw()
        return answer["ok"]

    def act(self, action: str, **more: Any) -> None:
        """Do something to the selected pictures."""
        self.ask(
            "batch", action=action, ids=[tile.entry.id for tile in self.tiles if tile.mark.value], **more
        )

    def write(self, number: int, text: str, base: str) -> None:
        """Save a caption. One that was changed meanwhile stays as it is, and the typed text is shown."""
        self.ask("edit", id=number, text=text, base=base)

    def show(self, text: str) -> None:
        """Show what a filter means."""
        self.filter.value = text
        self._go(0)

    def redraw(self) -> None:
        """Show the page anew."""
        try:
            found = self.answers.gallery.select(self.filter.value)
        except ValueError as error:
            self.said.value = sentence(str(error), "bad")
            return
        pages = max(1, -(-len(found) // A_PAGE))
        self.page = max(0, min(self.page, pages - 1))
        here = found[self.page * A_PAGE : (self.page + 1) * A_PAGE]
        self.tiles = [Tile(entry, self.write, self._count) for entry in here]
        self.place.children = [tile.widget for tile in self.tiles]
        self.shown = f"{counted(len(found), 'picture')}, page {self.page + 1} of {pages}"
        self._count()

    def renew(self) -> None:
        """Look at the folders again, and show the page anew."""
        with self.answers.lock:
            self.answers.gallery.refresh()
        self.redraw()

    def _count(self) -> None:
        selected = sum(tile.mark.value for tile in self.tiles)
        self.where.value = f"{self.shown}, {selected} selected"

    def _mark(self, value: bool) -> None:
        for tile in self.tiles:
            tile.mark.value = value

    def _go(self, page: int) -> None:
        self.page = page
        self.redraw()


def _button(word: str, press: Callable[[], Any]) -> W.Button:
    button = W.Button(description=word, layout=W.Layout(width="auto"))
    button.on_click(lambda _: press())
    return button
