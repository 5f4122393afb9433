import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ipywidgets as W
import pytest

from lora_nb.config.captioning import CaptionConfig, TagConfig
from lora_nb.config.dataset import TriggerConfig
from lora_nb.config.drawing import GridConfig, SampleConfig
from lora_nb.config.intake import ImportConfig
from lora_nb.config.pictures import CurateConfig
from lora_nb.config.project import ProjectConfig
from lora_nb.config.training import TrainConfig
from lora_nb.declare import setting, settings_of
from lora_nb.forms import form as form_module
from lora_nb.forms.form import Form

CONFIGS = [
    ProjectConfig, ImportConfig, CurateConfig, TagConfig, CaptionConfig,
    TriggerConfig, TrainConfig, SampleConfig, GridConfig,
]  # fmt: skip


@dataclass(frozen=True)
class Every:
    """A config with every kind of setting."""

    number: int = setting(3, "a number", min=1, max=9, group="One")
    share: float = setting(0.35, "a share", min=0, max=1, group="One")
    rate: float = setting(5e-4, "a rate", min=0, max=1, group="Two")
    flag: bool = setting(True, "a flag", group="Two")
    word: str = setting("cat", "a <word>", group="Two")
    kind: Literal["a", "b"] = setting("a", "a kind", group="Two", advanced=True)
    length: Literal[75, 150] = setting(75, "a length", group="Two", advanced=True)
    limit: int | None = setting(None, "a limit", min=1, group="Two", advanced=True)
    gamma: float | None = setting(5.0, "gamma", min=0.1, max=20, group="Two", advanced=True)
    words: tuple[str, ...] = setting(("x", "y"), "words", group="Two")
    place: str = setting("", "a place", internal=True)

    def __post_init__(self) -> None:
        if self.word == "dog" and self.flag:
            raise ValueError("word = dog does not go with flag")


def control(form: Form, name: str) -> W.ValueWidget:
    return form.fields[name].control


@pytest.mark.parametrize("cls", CONFIGS, ids=lambda cls: cls.__name__)
def test_every_config_comes_back_as_it_went_in(cls):
    form = Form(cls())
    assert form.read() == cls()
    shown = {setting.name for setting in settings_of(cls) if not setting.said.internal}
    assert form.fields.keys() == shown


def test_values_come_back_in_their_own_types():
    form = Form(Every())
    changes = {
        "number": 4, "share": 0.5, "rate": "1e-4", "flag": False, "word": " dog ", "kind": "b", "length": 150,
        "limit": "7", "gamma": "", "words": "one; two\nthree",
    }  # fmt: skip
    for name, value in changes.items():
        control(form, name).value = value
    expected = Every(4, 0.5, 1e-4, False, "dog", "b", 150, 7, None, ("one", "two", "three"), "here")
    assert form.read(place="here") == expected
    assert dataclasses.asdict(form.read(place="here")) == dataclasses.asdict(expected)


def test_write_presets_what_read_gives_back():
    form = Form(Every())
    new = Every(5, 0.1, 3e-5, False, "bird", "b", 150, None, 2.0, ("a b", "c"))
    form.write(**{field.name: getattr(new, field.name) for field in dataclasses.fields(new)})
    assert form.read() == new


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("number", 12, "number = 12 .* from 1 to 9"),
        ("number", 0, "number = 0 .* from 1 to 9"),
        ("rate", "fast", "rate = 'fast' .* a number from 0 to 1"),
        ("rate", "2", "rate = 2.0 .* from 0 to 1"),
        ("limit", "many", "limit = 'many' .* a whole number"),
        ("gamma", "0", "gamma = 0.0 .* from 0.1 to 20"),
    ],
)
def test_a_wrong_value_is_one_sentence_beside_its_field_and_goes_when_mended(name, value, words):
    form = Form(Every())
    note = form.fields[name].note
    helping = note.value
    control(form, name).value = value
    assert re.search(words.replace("'", "&#x27;"), note.value) and "lora-nb-error" in note.value
    with pytest.raises(ValueError, match=words):
        form.read()
    assert "lora-nb-error" in form.message.value
    form.write(**{name: getattr(Every(), name)})
    assert note.value == helping
    assert form.read() == Every()
    assert form.message.value == ""


def test_a_token_is_taken_out_of_the_form_and_of_the_sentence_about_it():
    form = Form(Every())
    control(form, "word").value = "https://me:hf_AbCdEfGh1234567890@huggingface.co/a.zip"
    assert control(form, "word").value == "https://***@huggingface.co/a.zip"
    assert "HF_TOKEN" in form.fields["word"].note.value
    with pytest.raises(ValueError, match="a token or a password"):
        form.read()
    control(form, "word").value = "cat"
    assert form.read() == Every()


def test_reset_is_the_form_as_it_was_made():
    form = Form(Every(word="bird"))
    form.write(word="horse", gamma=None, place="there")
    control(form, "number").value = 12
    form.reset()
    assert form.read() == Every(word="bird")
    assert "lora-nb-error" not in form.fields["number"].note.value


def test_settings_that_do_not_go_together_are_named_under_the_form():
    form = Form(Every())
    control(form, "word").value = "dog"
    with pytest.raises(ValueError, match="does not go with flag"):
        form.read()
    assert "does not go with flag" in form.message.value


def test_learning_rates_have_text_boxes_and_thresholds_sliders():
    form = Form(TrainConfig())
    assert isinstance(control(form, "learning_rate"), W.Text)
    assert control(form, "learning_rate").value == "0.0005"
    assert isinstance(control(Form(TagConfig()), "character_threshold"), W.FloatSlider)
    control(form, "learning_rate").value = "1e-4"
    assert form.read().learning.learning_rate == 1e-4


def test_advanced_settings_are_folded_under_headings():
    form = Form(Every())
    opener, inside = form.widget.children[-3:-1]
    assert isinstance(opener, W.ToggleButton) and inside.layout.display == "none"
    opener.value = True
    assert inside.layout.display == "" and opener.icon == "chevron-down"
    opener.value = False
    assert inside.layout.display == "none" and opener.icon == "chevron-right"
    assert [form.fields[name].widget in inside.children for name in ("kind", "length", "word", "number")] == [
        True,
        True,
        False,
        False,
    ]
    headings = [child.value for child in form.widget.children if isinstance(child, W.HTML) and child.value]
    assert headings == ["<b>One</b>", "<b>Two</b>"]


def test_no_form_has_a_widget_that_colab_breaks():
    """Its widget manager, which an anywidget brings along, loses the titles of Accordion and Tab (colabtools#3571)."""
    forms = Path(form_module.__file__).parent.glob("*.py")
    assert not [path.name for path in forms if re.search(r"\bW\.(Accordion|Tab)\b", path.read_text())]


def test_help_is_text_and_not_markup():
    form = Form(Every())
    assert "a &lt;word&gt;" in form.fields["word"].note.value
    control(form, "rate").value = "<b>"
    assert "<b>" not in form.fields["rate"].note.value


def test_suggestions_do_not_forbid_other_words():
    form = Form(Every(), {"word": ("cat", "bird")})
    assert control(form, "word").options == ("cat", "bird")
    control(form, "word").value = "horse"
    assert form.read().word == "horse"


@pytest.mark.parametrize("cls", CONFIGS, ids=lambda cls: cls.__name__)
def test_a_slider_stands_where_its_value_is(cls):
    """The page moves a value that lies between two steps, and the form then says what nobody chose."""
    sliders = [field for field in Form(cls()).fields.values() if isinstance(field.control, W.FloatSlider)]
    for field in sliders:
        steps = (field.control.value - field.control.min) / field.control.step
        assert abs(steps - round(steps)) < 1e-6, field.setting.name
