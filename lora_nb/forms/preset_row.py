"""The row that fills a run's form from presets or from the settings in a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as W

from lora_nb import presets, settings, takeover
from lora_nb.config.training import TrainConfig
from lora_nb.forms.form import Form
from lora_nb.redact import redact
from lora_nb.wording import some

AS_IT_IS = ("leave as it is", "")
NOTHING = "Choose what the LoRA is for, the machine, or a file with settings, and press again."
FILE = "or a file: sd-scripts' .toml or .json, a LoRA file, a run's folder"


class PresetRow:
    """What to fill in, and the button; what is not said there stays as it is. `said` gets a sentence and how good."""

    def __init__(self, form: Form[TrainConfig], said: Callable[[str, str], None]) -> None:
        self.form, self.said = form, said
        known = presets.presets()
        self.purpose = _choice("for", [(one.title, one.name) for one in known if one.kind != "machine"])
        self.machine = _choice("on", [(one.title, one.name) for one in known if one.kind == "machine"])
        self.file = W.Text(placeholder=FILE, layout=W.Layout(width="min(420px, 100%)"))
        self.button = W.Button(description="Fill in", icon="magic", layout=W.Layout(width="auto"))
        layout = W.Layout(flex_flow="row wrap", align_items="center", width="100%")
        self.widget = W.HBox([self.purpose, self.machine, self.file, self.button], layout=layout)

    def fill(self) -> None:
        """Write what was chosen into the form, presets over the file; or say why not."""
        try:
            self._fill()
        except (ValueError, OSError) as error:
            self.said(redact(str(error)), "bad")

    def _fill(self) -> None:
        names = [each.value for each in (self.purpose, self.machine) if each.value]
        taken = takeover.take_over(Path(self.file.value.strip())) if self.file.value.strip() else None
        given = dict(taken.values if taken else {}) | presets.put_together(names)
        if not given:
            self.said(NOTHING, "warning")
            return
        made = settings.values_of(settings.from_dict(TrainConfig, given))
        self.form.write(**{name: made[name] for name in given})
        origin = ", ".join([*([taken.source] if taken else []), *names])
        left = f" {_left(taken)}" if taken and taken.passed else ""
        self.said(
            f"{len(given)} settings are filled in ({origin}); the others are as they were.{left}", "good"
        )


def _left(taken: takeover.Taken) -> str:
    """The settings of a file that could not be taken over, the first with their reasons."""
    reasons = [f"{name}: {redact(why)}" for name, why in taken.passed.items()]
    return f"{len(reasons)} are not taken over: {some(reasons, 4)}."


def _choice(word: str, options: list[tuple[str, Any]]) -> W.Dropdown:
    style = {"description_width": "30px"}
    width = W.Layout(width="min(420px, 100%)")
    return W.Dropdown(options=[AS_IT_IS, *options], description=word, style=style, layout=width)
