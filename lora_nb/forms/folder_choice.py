"""The `N_name` folders of a source as rows to choose from: whether, how often, with which trigger word."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import ipywidgets as W

from lora_nb.intake.subsets import Subset
from lora_nb.wording import counted

PLAIN, REPEATED = "plain", "repeated"
SUGGESTED = 5  # repeats where a folder's own number is hardly meant so


@dataclass
class _Row:
    """One folder and its controls."""

    subset: Subset
    wanted: W.Checkbox
    manner: W.Dropdown
    repeats: W.BoundedIntText
    word: W.Text

    @property
    def target(self) -> str:
        rest = self.subset.name.partition("_")[2]
        return f"{self.repeats.value}_{rest}" if self.manner.value == REPEATED else ""

    def said(self) -> str:
        """As the setting `folders` says it."""
        word = self.word.value.strip()
        arrow = "" if self.target == self.subset.name else f" -> {self.target}".rstrip()
        return f"{self.subset.name}{arrow}{f': {word}' if word and self.target else ''}"


class FolderChoice:
    """Rows of folders. `read()` is the setting `folders`; there is nothing to see without any."""

    def __init__(self) -> None:
        self.rows: list[_Row] = []
        self.source = ""
        self.widget = W.VBox(layout=W.Layout(width="100%"))

    def show(self, source: str, found: Sequence[Subset]) -> None:
        """Offer the folders of a source."""
        self.source, self.rows = source, [_row(subset) for subset in found]
        heading = W.HTML(
            '<div style="line-height:1.4"><b>Folders in the source</b>: which come in, how often each picture is seen '
            "an epoch (repeats), and the word that calls what is in it (empty: the project's trigger word)</div>"
        )
        self.widget.children = [heading, *map(_line, self.rows)] if self.rows else []

    def clear(self) -> None:
        """Offer nothing."""
        self.source, self.rows, self.widget.children = "", [], ()

    def read(self, source: str) -> tuple[str, ...]:
        """The setting `folders` for this source: empty when its folders were not looked at.

        Raises ValueError when none of them is wanted.
        """
        if source != self.source or not self.rows:
            return ()
        chosen = tuple(row.said() for row in self.rows if row.wanted.value)
        if not chosen:
            raise ValueError("None of the folders is chosen: tick those that are to come in.")
        return chosen


def _row(subset: Subset) -> _Row:
    manner = W.Dropdown(
        options=[("repeats:", REPEATED), ("an ordinary folder", PLAIN)],
        value=PLAIN if subset.odd else REPEATED,
        layout=W.Layout(width="160px"),
    )
    repeats = W.BoundedIntText(
        value=SUGGESTED if subset.odd else subset.repeats, min=1, max=1000, layout=W.Layout(width="70px")
    )
    word = W.Text(placeholder="trigger word of its own", layout=W.Layout(width="190px"))
    wanted = W.Checkbox(
        value=True, indent=False, description=f"{subset.name} ({counted(subset.pictures, 'picture')})",
        layout=W.Layout(width="auto", min_width="200px"),
    )  # fmt: skip
    return _Row(subset, wanted, manner, repeats, word)


def _line(row: _Row) -> W.Widget:
    controls = [row.wanted, row.manner, row.repeats, row.word]
    if row.subset.odd:
        text = f"by its name: {row.subset.odd}"
        controls.append(W.HTML(f'<span style="opacity:.75">{escape(text)}</span>'))
    return W.HBox(controls, layout=W.Layout(flex_flow="row wrap", align_items="center"))
