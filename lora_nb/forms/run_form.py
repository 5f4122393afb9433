"""The form of a run: ten settings shown, the others folded, searched, marked where they were changed."""

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import ipywidgets as W

from lora_nb import settings, typed
from lora_nb.config.training import TrainConfig
from lora_nb.declare import Setting
from lora_nb.forms.form import CONTROL_WIDTH, Form, folded
from lora_nb.forms.told import told
from lora_nb.presets import NOT_KEPT
from lora_nb.redact import redact
from lora_nb.training.advice import BASE, Advised, unusual
from lora_nb.wording import some

YES = "allow_demo_base"
FIRST = (
    "output_name", "trigger_word", "num_repeats", "max_train_epochs", "train_batch_size", "resolution",
    "learning_rate", "text_encoder_lr", "rank", "sample_prompts",
)  # fmt: skip
ASIDE = (BASE, YES)  # they stand with the questions
RATES = ("learning_rate", "text_encoder_lr")
UNREADABLE = object()
MOST_NAMED = 6
SEARCH = "find a setting: a word of its name or help, or what sd-scripts calls it"
MORE = "<b>All other settings</b>: fine as they are for a first LoRA"


class RunForm(Form[TrainConfig]):
    """The widgets of a run's config. `preset` holds the value of each setting that is no change of the person's.

    It is made of the defaults, what was advised and, over it, what was loaded from a preset or file.
    """

    def __init__(self, suggestions: Mapping[str, Sequence[str]]) -> None:
        super().__init__(TrainConfig(), suggestions)
        self.advised = Advised({})
        self.loaded: dict[str, Any] = {}
        self.preset = settings.values_of(self.config)
        for name, field in self.fields.items():
            field.control.observe(lambda _, name=name: self._look_at(name), "value")

    def _rows(self, shown: Sequence[Setting]) -> list[W.Widget]:
        wide = W.Layout(width=f"min({CONTROL_WIDTH}, 100%)")
        self.search = W.Text(placeholder=SEARCH, layout=wide)
        self.search.observe(lambda _: self._find(), "value")
        self.matches, self.matched = W.VBox(), W.HTML()
        self.changes = W.HTML()
        self.back = W.Button(description="All back to the preset", icon="undo", layout=W.Layout(width="auto"))
        self.back.on_click(lambda _: self.go_back(*self.changed()))
        self.summary = W.HBox(
            [self.changes, self.back], layout=W.Layout(display="none", flex_flow="row wrap")
        )
        first = [self.fields[name].widget for name in FIRST]
        return [
            *first,
            self.summary,
            W.HTML(MORE),
            self.search,
            self.matched,
            self.matches,
            *self._groups(shown),
        ]

    def _groups(self, shown: Sequence[Setting]) -> list[W.Widget]:
        groups: dict[str, list[W.Widget]] = {}
        for setting in shown:
            if setting.name not in (*FIRST, *ASIDE):
                groups.setdefault(setting.said.group, []).append(self.fields[setting.name].widget)
        return [part for name, rows in groups.items() for part in folded(f"{name} ({len(rows)})", rows)]

    def _find(self) -> None:
        """Show the settings that all the words are found in; the folded groups stay as they are."""
        words = self.search.value.lower().replace("_", " ").split()
        fields = [field for field in self.fields.values() if field.setting.name not in ASIDE]
        found = [field for field in fields if words and all(word in _text(field.setting) for word in words)]
        self.matches.children = [field.widget for field in found]
        said = (
            f"{len(found)} found"
            if found
            else f"Nothing is called so. {settings.absent(self.search.value.strip())}"
        )
        self.matched.value = told(said) if words else ""

    def suit(self, advised: Advised, fill: bool = True) -> None:
        """Know what is advised, and `fill` it in, but leave what the person changed.

        Raises ValueError where the two do not go together.
        """
        own = {name: value for name in self._different() if (value := self._value(name)) is not UNREADABLE}
        before, self.advised = self.preset, advised
        self._renew_preset()
        if not fill:
            self._look_at_all()
            return
        try:
            self.write(**{**self._shown(self.preset), **own, "purpose": advised.values.get("purpose", "")})
        except ValueError:
            self.preset = before
            raise
        finally:
            self._look_at_all()

    def load(self, values: Mapping[str, Any]) -> None:
        """Fill in these settings as a preset of their own: answers given later leave them. Raises ValueError."""
        self.write(**values)
        self.loaded |= values
        self._renew_preset()
        self._look_at_all()

    def compare_with(self, preset: Mapping[str, Any]) -> None:
        """Mark what differs from these values, instead of from what was advised."""
        self.preset = {**self.preset, **preset}
        self._look_at_all()

    def _renew_preset(self) -> None:
        self.preset = settings.values_of(TrainConfig()) | dict(self.advised.values) | self.loaded

    def _shown(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name in self.fields and name not in ASIDE}

    def reset(self) -> None:
        """Be as it was made, without a preset."""
        self.advised, self.loaded = Advised({}), {}
        self._renew_preset()
        super().reset()
        self.search.value = ""
        self._look_at_all()

    def changed(self) -> list[str]:
        """The settings that differ from the preset, in the order of the form, but for those that no preset has."""
        return [name for name in self._different() if name not in NOT_KEPT]

    def _different(self) -> list[str]:
        return [name for name in self.fields if name not in ASIDE and self._value(name) != self.preset[name]]

    def go_back(self, *names: str) -> None:
        """Give these settings the preset's values again."""
        for name in names:
            self.fields[name].write(self.preset[name])
        self._look_at_all()

    def _value(self, name: str) -> Any:
        try:
            return self.fields[name].read()
        except ValueError:
            return UNREADABLE

    def _look_at_all(self) -> None:
        for name in self.fields:
            self._look_at(name, alone=False)
        self._sum_up()

    def _look_at(self, name: str, alone: bool = True) -> None:
        """Mark a setting that was changed; hide one that has no place on this base, unless it was changed."""
        if name in ASIDE:
            return
        field, value = self.fields[name], self._value(name)
        changed = value != self.preset[name]
        marked = changed and name not in NOT_KEPT
        back = f"back to {_in_words(field.setting, self.preset[name])}" if marked else ""
        field.mark(back, partial(self.go_back, name))
        field.widget.layout.display = "none" if name in self.advised.lacks and not changed else ""
        hint = self._hint(name, value, changed)
        if hint != field.hint:
            field.say(hint)
        if alone:
            self._sum_up()

    def _hint(self, name: str, value: Any, changed: bool) -> str:
        if name in RATES and isinstance(value, float) and str(self._value("optimizer")).startswith("Adam"):
            return unusual(self.advised.rates, value, self.advised.title)
        if name in self.advised.lacks and changed:
            return f"{self.advised.title or 'This base'} does not have this"
        return self.advised.reasons.get(name, "")

    def _sum_up(self) -> None:
        names = self.changed()
        self.summary.layout.display = "" if names else "none"
        labels = [self.fields[name].setting.label for name in names]
        text = f"{len(names)} changed from the preset: {some(labels, MOST_NAMED)}" if names else ""
        if self.changes.value != escape(text):
            self.changes.value = escape(text)


def _text(setting: Setting) -> str:
    """What a search looks through."""
    parts = (setting.label, setting.name, setting.said.kohya, setting.said.help, setting.said.group)
    return " ".join(parts).lower().replace("_", " ")


def _in_words(setting: Setting, value: Any) -> str:
    return redact(typed.show(setting, value)).strip() or "nothing"
