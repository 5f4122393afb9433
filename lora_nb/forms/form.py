"""A config's form: dataclass in, widgets out, dataclass back."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, Generic, TypeVar

import ipywidgets as W

from lora_nb import settings, typed
from lora_nb.declare import Setting, settings_of
from lora_nb.forms.told import told
from lora_nb.redact import redact

Config = TypeVar("Config")

LABEL_WIDTH = "205px"
CONTROL_WIDTH = "470px"
STEP = 0.01  # of a slider
ERROR = '<span class="lora-nb-error" style="color:#d32f2f">{}</span>'
ADVANCED = "Advanced: fine as they are for a first LoRA"
HELP = '<span style="opacity:.7">{}</span>'


class Field:
    """One setting: its control and beside it the help, or in its place what is wrong."""

    def __init__(self, setting: Setting, value: Any, suggestions: Sequence[str] = ()) -> None:
        self.setting = setting
        self.marked: W.Button | None = None
        self.hint = ""  # what is said of this value here and now, before the help
        self.control = _control(setting, value, suggestions)
        name_it(self.control, setting.others_call_it)
        self.note = W.HTML(self._help(), layout=W.Layout(margin="2px 0 2px 8px", flex="1 1 160px"))
        layout = W.Layout(flex_flow="row wrap", align_items="center", width="100%")
        self.widget = W.HBox([self.control, self.note], layout=layout)
        self.control.observe(lambda _: self._take(), "value")

    def _take(self) -> None:
        """Look at what was typed. A token is taken out at once: notebooks are saved with what their forms hold."""
        value = self.control.value
        if isinstance(value, str) and redact(value) != value:
            self.control.value = redact(value)
        self.error()

    def read(self) -> Any:
        """The checked value. Raises ValueError naming the setting, the value and what would be right."""
        value = self.control.value
        if isinstance(value, str) and not self.setting.choices:
            return typed.parse(self.setting, value)
        return typed.check(self.setting, value)

    def write(self, value: Any) -> None:
        """Put a value of the setting's own type into the control."""
        textual = isinstance(self.control.value, str) and not self.setting.choices
        self.control.value = typed.show(self.setting, value) if textual else value

    def error(self) -> str:
        """What is wrong with the value, shown beside it; "" and the help again when nothing is."""
        try:
            self.read()
        except ValueError as error:
            self.note.value = _line(ERROR, str(error))
            return str(error)
        self.note.value = self._help()
        return ""

    def say(self, hint: str) -> None:
        """Put a sentence before the help; "" takes it away."""
        self.hint = hint
        self.error()

    def mark(self, text: str, act: Callable[[], None]) -> None:
        """Put a button with that text after the control; "" takes it away. It is made when it is first wanted."""
        if not text:
            if len(self.widget.children) > 2:
                self.widget.children = [self.control, self.note]
            return
        if self.marked is None:
            layout = W.Layout(width="auto", max_width="240px")
            self.marked = W.Button(icon="undo", layout=layout)
            self.marked.on_click(lambda _: act())
        self.marked.description = text
        if len(self.widget.children) == 2:
            self.widget.children = [self.control, self.marked, self.note]

    def _help(self) -> str:
        first = f'<div class="lora-nb-hint" style="line-height:1.3">{told(self.hint)}</div>'
        return first * bool(self.hint) + _line(HELP, self.setting.said.help)


def name_it(control: W.Widget, text: str) -> None:
    """What the page shows of a control when the mouse rests on it, in either version of ipywidgets."""
    for trait in ("tooltip", "description_tooltip"):
        if control.has_trait(trait):
            control.set_trait(trait, text)
            return


def _line(template: str, text: str) -> str:
    return f'<div style="line-height:1.3">{template.format(told(text))}</div>'


def _control(setting: Setting, value: Any, suggestions: Sequence[str]) -> W.ValueWidget:
    """The control that suits the kind of a setting; learning rates and the like get a text box."""
    common = {
        "description": setting.label,
        "style": {"description_width": LABEL_WIDTH},
        "layout": W.Layout(width=CONTROL_WIDTH),
    }
    if setting.choices:
        return W.Dropdown(
            options=[(str(choice), choice) for choice in setting.choices], value=value, **common
        )
    if setting.kind == "bool":
        return W.Checkbox(value=value, **common)
    text = typed.show(setting, value)
    if setting.many:
        return W.Textarea(value=text, rows=2, continuous_update=False, **common)
    if setting.kind == "int" and not setting.optional:
        return W.IntText(value=value, continuous_update=False, **common)
    if _is_share(setting):
        return W.FloatSlider(value=value, min=setting.said.min, max=setting.said.max, step=STEP, **common)
    if suggestions:
        return W.Combobox(
            value=text, options=tuple(suggestions), ensure_option=False, continuous_update=False, **common
        )
    return W.Text(
        value=text, placeholder="empty" if setting.optional else "", continuous_update=False, **common
    )


def _is_share(setting: Setting) -> bool:
    """Whether a slider in steps of 0.01 can say every sensible value, its default among them."""
    if setting.kind != "float" or setting.optional or setting.said.min is None or setting.said.max is None:
        return False
    steps = (setting.default - setting.said.min) / STEP  # the page moves a value that lies between two steps
    whole = abs(steps - round(steps)) < 1e-6
    return setting.said.max - setting.said.min <= 4 and setting.default > STEP and whole


class Form(Generic[Config]):
    """The widgets of a config. `widget` is what to show; internal settings have none and keep their value."""

    def __init__(self, config: Config, suggestions: Mapping[str, Sequence[str]] | None = None) -> None:
        self.config = self.first = config
        shown = [setting for setting in settings_of(type(config)) if not setting.said.internal]
        values = settings.values_of(config)
        self.fields = {
            setting.name: Field(setting, values[setting.name], (suggestions or {}).get(setting.name, ()))
            for setting in shown
        }
        self.message = W.HTML()
        self.widget = W.VBox([*self._rows(shown), self.message], layout=W.Layout(width="100%"))

    def _rows(self, shown: Sequence[Setting]) -> list[W.Widget]:
        """What stands above the message: the settings that are not advanced, and the others behind a button."""
        plain = [setting for setting in shown if not setting.said.advanced]
        advanced = [setting for setting in shown if setting.said.advanced]
        return [*self._grouped(plain), *folded(ADVANCED, self._grouped(advanced))]

    def _grouped(self, shown: Sequence[Setting]) -> list[W.Widget]:
        rows, heading = [], ""
        for setting in shown:
            if setting.said.group != heading:
                heading = setting.said.group
                rows.append(W.HTML(f"<b>{escape(heading)}</b>"))
            rows.append(self.fields[setting.name].widget)
        return rows

    def read(self, **internal: Any) -> Config:
        """The checked config, with the given internal settings. Raises ValueError, after marking every bad field."""
        errors = [sentence for field in self.fields.values() if (sentence := field.error())]
        if not errors:
            try:
                values = {name: field.read() for name, field in self.fields.items()}
                config = settings.replace(self.config, **{**values, **internal})
            except ValueError as error:
                errors = [str(error)]
        self.message.value = _line(ERROR, errors[0]) if errors else ""
        if errors:
            raise ValueError(errors[0])
        return config

    def reset(self) -> None:
        """Be as it was made."""
        self.config = self.first
        self.write_all()

    def write_all(self) -> None:
        """Show the values of its config."""
        values = settings.values_of(self.config)
        self.write(**{name: values[name] for name in self.fields})

    def write(self, **values: Any) -> None:
        """Preset the named settings."""
        self.config = settings.replace(self.config, **values)
        for name in values.keys() & self.fields.keys():
            self.fields[name].write(values[name])


def folded(title: str, rows: list[W.Widget]) -> list[W.Widget]:
    """The rows behind a button; an Accordion would break on Colab beside an anywidget (colabtools#3571)."""
    if not rows:
        return []
    inside = W.VBox(rows, layout=W.Layout(display="none"))
    opener = W.ToggleButton(
        description=title, icon="chevron-right", layout=W.Layout(width="auto", align_self="flex-start")
    )
    opener.observe(lambda change: _fold(opener, inside, change["new"]), "value")
    return [opener, inside]


def _fold(opener: W.ToggleButton, inside: W.VBox, is_open: bool) -> None:
    opener.icon = "chevron-down" if is_open else "chevron-right"
    inside.layout.display = "" if is_open else "none"
