"""The row that fills a run's form from presets or files, compares with them, keeps a new one."""

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as W

from lora_nb import differences, presets, settings, takeover
from lora_nb.config.training import TrainConfig
from lora_nb.forms.form import folded
from lora_nb.forms.run_form import RunForm
from lora_nb.redact import redact
from lora_nb.wording import counted, some

AS_IT_IS = ("a preset", "")
NOTHING = "Choose a preset or a file with settings, and press again."
FILE = "or a file: sd-scripts' .toml or .json, a LoRA file, a run's folder"
SAME = "The form says the same."
ONE, OTHER = ("compare this preset", ""), ("with this one", "")
TWO = "Choose two different presets to compare, and press again."


class PresetRow:
    """What to fill in or compare with, and what to keep. `said` gets a sentence and how good, `own` tells the folder.

    `read` gives the form's settings; what a preset does not say stays as it is.
    """

    def __init__(
        self,
        form: RunForm,
        said: Callable[[str, str], None],
        own: Callable[[], Path],
        filled: Callable[[], None],
    ) -> None:
        self.form, self.said, self.own, self.filled = form, said, own, filled
        narrow = W.Layout(width="min(420px, 100%)")
        self.preset = W.Dropdown(options=[AS_IT_IS], layout=narrow)
        self.file = W.Text(placeholder=FILE, layout=narrow)
        self.name = W.Text(placeholder="a name for the settings as they are now", layout=narrow)
        self.button, self.compare = _button("Fill in", "magic"), _button("Compare with the form", "columns")
        self.keep = _button("Keep as a preset", "bookmark")
        self.one, self.other = (
            W.Dropdown(options=[ONE], layout=narrow),
            W.Dropdown(options=[OTHER], layout=narrow),
        )
        self.both = _button("Compare the two", "exchange")
        self.table = W.HTML()
        row = W.Layout(flex_flow="row wrap", align_items="center", width="100%")
        parts = [
            W.HBox([self.preset, self.file, self.button, self.compare], layout=row),
            W.HBox([self.name, self.keep], layout=row),
            W.HBox([self.one, self.other, self.both], layout=row),
            self.table,
        ]
        self.widget = W.VBox(folded("Presets, and settings from elsewhere", parts))

    def offer(self) -> None:
        """List the presets there are now."""
        known = presets.presets(self.own())
        listed = {each: (f"{each.title} ({each.name})", each.name) for each in known}
        runs = [row for each, row in listed.items() if each.kind != "machine"]
        for control, first, rows in (
            (self.preset, AS_IT_IS, runs), (self.one, ONE, [*listed.values()]), (self.other, OTHER, [*listed.values()])
        ):  # fmt: skip
            chosen = control.value
            control.options = [first, *rows]
            control.value = chosen if chosen in dict(rows).values() else ""
        self.table.value = ""

    def press(self, act: Callable[[], None]) -> None:
        """Do it, or say why not."""
        try:
            act()
        except (ValueError, OSError) as error:
            self.said(redact(str(error)), "bad")

    def fill(self) -> None:
        """Write what was chosen into the form, a preset over a file."""
        given, origin, left = self._given()
        if not given:
            self.said(NOTHING, "warning")
            return
        made = settings.values_of(settings.from_dict(TrainConfig, given))
        self.form.load({name: made[name] for name in given})
        self.filled()
        self.said(
            f"{counted(len(given), 'setting')} filled in ({origin}); the others are as they were.{left}",
            "good",
        )

    def show_differences(self) -> None:
        """Show what differs between the form and what was chosen."""
        given, origin, left = self._given()
        if not given:
            self.said(NOTHING, "warning")
            return
        mine = settings.values_of(self.form.read())
        made = settings.values_of(settings.from_dict(TrainConfig, given))
        said = {name: value for name, value in made.items() if name in given}
        found = differences.differences({**mine, **said}, mine)
        self.table.value = _table(found, origin, "the form") if found else escape(SAME)
        self.said(
            f"{counted(len(found), 'setting differs', 'settings differ')} from {origin}.{left}"
            if found
            else SAME,
            "good",
        )

    def show_two(self) -> None:
        """Show what differs between the two chosen presets; what one does not say counts as the default."""
        one, other = self.one.value, self.other.value
        if not one or not other or one == other:
            self.said(TWO, "warning")
            return
        found = differences.differences(*(differences.read(each, self.own()) for each in (one, other)))
        same = f"{one} and {other} say the same."
        self.table.value = _table(found, one, other) if found else escape(same)
        between = counted(len(found), "setting differs", "settings differ")
        self.said(f"{between} between {one} and {other}." if found else same, "good")

    def save(self) -> None:
        """Keep the form's settings under the name that was written."""
        path = presets.save(self.name.value.strip(), self.form.read(), self.own())
        self.offer()
        self.said(f"Kept as {path}: it stands in the list, in every project here.", "good")

    def _given(self) -> tuple[Mapping[str, Any], str, str]:
        """The chosen settings, where they come from, and a sentence on what could not be taken."""
        names = [self.preset.value] if self.preset.value else []
        taken = takeover.take_over(Path(self.file.value.strip())) if self.file.value.strip() else None
        given = dict(taken.values if taken else {}) | presets.put_together(names, self.own())
        origin = ", ".join([*([taken.source] if taken else []), *names])
        return given, origin, f" {_left(taken)}" if taken and taken.passed else ""


def _left(taken: takeover.Taken) -> str:
    """The settings of a file that could not be taken over, the first with their reasons."""
    reasons = [f"{name}: {redact(why)}" for name, why in taken.passed.items()]
    return f"{len(reasons)} are not taken over: {some(reasons, 4)}."


def _table(found: tuple[differences.Difference, ...], one: str, other: str) -> str:
    """HTML of what differs."""
    cell = '<td style="padding:1px 12px 1px 0;vertical-align:top">{}</td>'
    head = "".join(cell.format(f"<b>{escape(word)}</b>") for word in ("setting", one, other))
    rows = (
        "".join(cell.format(escape(redact(text)) or "-") for text in (each.label, each.first, each.second))
        for each in found
    )
    return f'<table class="lora-nb-differences"><tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table>'


def _button(label: str, icon: str) -> W.Button:
    return W.Button(description=label, icon=icon, layout=W.Layout(width="auto"))
