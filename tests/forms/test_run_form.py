"""The form of a run: what is shown, found, marked, filled in."""

import ipywidgets as W
import pytest

from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.forms.run_form import ASIDE, FIRST, RunForm
from lora_nb.training.advice import Answers, advise


@pytest.fixture
def form() -> RunForm:
    made = RunForm({})
    made.suit(advise(Answers("character", "sd15", "t4", 8)))
    return made


def change(form: RunForm, name: str, value: object) -> None:
    """What a person does to a field."""
    form.fields[name].control.value = value


def is_shown(form: RunForm, name: str) -> bool:
    return form.fields[name].widget.layout.display != "none"


def test_ten_settings_are_shown_and_every_other_is_in_one_folded_group(form):
    shown = [
        child for child in form.widget.children if child in [field.widget for field in form.fields.values()]
    ]
    assert shown == [form.fields[name].widget for name in FIRST] and len(FIRST) == 10
    folded = [row for box in form.widget.children if isinstance(box, W.VBox) for row in box.children]
    others = {setting.name for setting in settings_of(TrainConfig) if not setting.said.internal} - {
        *FIRST,
        *ASIDE,
    }
    assert len(folded) == len(others) and {id(row) for row in folded} == {
        id(form.fields[name].widget) for name in others
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("network_dim", {"rank"}),
        ("size of the LoRA", {"rank"}),
        ("Prodigy DAdapt", {"optimizer"}),
        ("tags that stay in front", {"keep_tokens"}),
        ("", set()),
    ],
)
def test_a_setting_is_found_by_label_by_its_name_elsewhere_and_by_its_help(form, text, names):
    form.search.value = text
    found = {name for name, field in form.fields.items() if field.widget in form.matches.children}
    assert names <= found and len(found) <= len(names) + 2


def test_what_sd_scripts_has_and_this_has_not_is_said(form):
    form.search.value = "xformers"
    assert form.matches.children == () and "sd-scripts has it and lora_nb has not" in form.matched.value


def test_a_change_is_marked_and_goes_back_alone_or_with_all(form):
    assert form.changed() == [] and form.summary.layout.display == "none"
    before = form.read()
    change(form, "rank", 99)
    change(form, "num_repeats", 3)
    change(form, "seed", 7)
    assert set(form.changed()) == {"rank", "num_repeats", "seed"}
    assert "3 changed from the preset" in form.changes.value and form.summary.layout.display == ""
    mark = form.fields["num_repeats"].marked
    assert mark.description == "back to 25" and mark in form.fields["num_repeats"].widget.children
    mark.click()
    assert (
        form.fields["num_repeats"].control.value == 25
        and mark not in form.fields["num_repeats"].widget.children
    )
    form.back.click()
    assert form.changed() == [] and form.read() == before


def test_answers_fill_in_and_leave_what_was_changed(form):
    change(form, "rank", 99)
    form.suit(advise(Answers("style", "illustrious", "8gb", 50)))
    run = settings.values_of(form.read())
    assert (run["rank"], run["resolution"], run["text_encoder_lr"], run["num_repeats"]) == (99, 1024, 0.0, 5)
    assert (run["gradient_accumulation_steps"], run["purpose"]) == (2, "style") and form.changed() == ["rank"]
    form.suit(advise(Answers("character", "sd15", "t4", 8)))
    run = settings.values_of(form.read())
    assert (run["resolution"], run["num_repeats"], run["gradient_accumulation_steps"]) == (512, 25, 1)


def test_what_a_base_lacks_is_not_shown_unless_it_was_changed(form):
    assert is_shown(form, "clip_skip") and not is_shown(form, "text_encoder_lr2")
    form.suit(advise(Answers("character", "sdxl")))
    assert not is_shown(form, "clip_skip") and is_shown(form, "text_encoder_lr2")
    change(form, "clip_skip", 2)
    assert is_shown(form, "clip_skip") and "does not have this" in form.fields["clip_skip"].note.value
    form.suit(advise(Answers("character", "sd15")))
    assert "does not have" not in form.fields["clip_skip"].note.value


def test_a_rate_for_the_demo_is_odd_elsewhere_and_the_rule_stands_beside_the_repeats(form):
    assert "8 pictures x 25 = 200 looks an epoch" in form.fields["num_repeats"].note.value
    change(form, "learning_rate", "0.003")
    assert "0.003 is above what is usual for Stable Diffusion 1.5" in form.fields["learning_rate"].note.value
    change(form, "learning_rate", "fast")
    assert "lora-nb-error" in form.fields["learning_rate"].note.value and "learning_rate" in form.changed()
    form.go_back("learning_rate")
    assert "usual for" not in form.fields["learning_rate"].note.value and form.changed() == []


def test_what_was_loaded_is_no_change_and_answers_leave_it(form):
    form.load({"rank": 64, "learning_rate": 1e-4})
    assert form.changed() == []
    form.suit(advise(Answers("style", "sdxl")))
    run = settings.values_of(form.read())
    assert (run["rank"], run["learning_rate"], run["resolution"]) == (64, 1e-4, 1024)
    form.reset()
    assert form.read() == TrainConfig() and form.changed() == []


def test_the_mouse_shows_what_sd_scripts_calls_it(form):
    control = form.fields["rank"].control
    trait = "tooltip" if control.has_trait("tooltip") else "description_tooltip"
    assert getattr(control, trait) == "rank (sd-scripts: network_dim)"


def test_what_no_preset_has_is_never_marked_and_never_overwritten(form):
    for name, value in {"trigger_word": "ohwx", "output_name": "cat", "sample_prompts": "a cat"}.items():
        change(form, name, value)
        assert form.fields[name].marked is None
    assert form.changed() == []
    form.suit(advise(Answers("style", "sdxl")))
    form.back.click()
    run = form.read()
    assert (run.captions.trigger_word, run.place.output_name, run.samples.sample_prompts) == (
        "ohwx",
        "cat",
        ("a cat",),
    )
