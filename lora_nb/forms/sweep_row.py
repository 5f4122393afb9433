"""The row that queues several runs which differ in one or two settings."""

from collections.abc import Callable

import ipywidgets as W

from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.forms.presses import Presses
from lora_nb.shell import queue
from lora_nb.shell.queue_file import Entry
from lora_nb.training import sweep

HELP = "Each value becomes a run of its own, named after it; two settings make a run of each pair."


class SweepRow:
    """One or two settings with their values, and the button. `config` is the run they start from."""

    def __init__(
        self, config: Callable[[], TrainConfig], added: Callable[[list[Entry]], None], presses: Presses
    ) -> None:
        self.config, self.added = config, added
        offered = [each for each in settings_of(TrainConfig) if each.name not in sweep.NOT_SWEPT]
        self.names = {each.label: each.name for each in offered}
        labels = {each.name: each.label for each in offered}
        self.pairs = [(_labels(sorted(self.names), labels[start]), _values(like)) for start, like in FIRST]
        self.button = W.Button(
            description="Queue a run for each value", icon="list-ol", layout=W.Layout(width="auto")
        )
        rows = [W.HBox(pair, layout=W.Layout(flex_flow="row wrap")) for pair in self.pairs]
        self.widget = W.VBox([W.HTML(HELP), *rows, self.button], layout=W.Layout(display="none"))
        self.press = self.queue_all
        self.button.on_click(lambda _: presses.carry_out(self.press))

    def queue_all(self) -> None:
        """Queue the runs. Raises ValueError for values that make none."""
        given = [(label.value.strip(), values.value) for label, values in self.pairs if values.value.strip()]
        lines = [f"{self.names.get(label, label)} = {values}" for label, values in given]
        if not lines:
            raise ValueError("no values are given: write some with commas between, such as 1e-4, 2e-4")
        made = sweep.sweep(self.config(), dict(sweep.read(line) for line in lines))
        self.added(queue.add_all(made))


FIRST = (
    ("learning_rate", "values, such as 5e-5, 1e-4, 2e-4"),
    ("rank", "and, if wanted, values of a second one"),
)


def _labels(labels: list[str], start: str) -> W.Combobox:
    return W.Combobox(value=start, options=tuple(labels), layout=W.Layout(width="230px"))


def _values(like: str) -> W.Text:
    return W.Text(placeholder=like, continuous_update=False, layout=W.Layout(width="min(420px, 100%)"))
