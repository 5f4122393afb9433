"""The three questions, pressed, in LoRA Trainer."""

import asyncio
from pathlib import Path

import pytest
from test_dataset_maker import words

from lora_nb import presets
from lora_nb.bases import suggested
from lora_nb.forms import LoraTrainer
from lora_nb.forms.questions import ANY, bases


@pytest.fixture
def step(tmp_path, monkeypatch, make_pictures):
    """LoRA Trainer's settings for a project with 4 pictures, on a machine without a GPU."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    make_pictures(tmp_path / "Loras" / "cat" / "dataset", 4)
    trainer = LoraTrainer()
    trainer.choose_project()
    asyncio.run(trainer.choose_settings())
    return trainer.settings


def test_the_demo_is_never_offered_first_to_own_pictures():
    for kind in ("photos", "drawings", ""):
        values = [value for _, value in bases(kind, example=False)]
        assert values[0] == "" and values[-1] == suggested.DEMO and values.count(ANY) == 1
    assert bases("drawings", example=False)[1][1] == suggested.FOR_DRAWINGS
    assert bases("photos", example=False)[1][1] == suggested.USUAL
    assert bases("", example=True)[0][1] == suggested.DEMO


def test_each_answer_fills_in_what_follows(step):
    form, ask = step.form, step.questions
    assert form.read().pictures.num_repeats == 50 and form.read().base.pretrained_model_name_or_path == ""
    ask.base.value = "illustrious"
    run = form.read()
    assert (run.base.pretrained_model_name_or_path, run.pictures.resolution) == ("illustrious", 1024)
    ask.purpose.value = "style"
    assert (form.read().learning.text_encoder_lr, form.read().about.purpose) == (0.0, "style")
    ask.machine.value = "8gb"
    assert form.read().length.train_batch_size == 1
    ask.base.value = suggested.DEMO
    assert (
        form.read().learning.learning_rate == 0.003
        and form.fields["allow_demo_base"].widget.layout.display == ""
    )
    ask.base.value = suggested.USUAL
    run = form.read()
    assert run.learning.learning_rate == 5e-4 and run.pictures.resolution == 512
    assert form.changed() == [] and form.fields["allow_demo_base"].widget.layout.display == "none"


def test_another_base_is_written_and_one_of_the_list_is_shown_as_such(step, tiny_base):
    ask, other = step.questions, step.form.fields[step_base := "pretrained_model_name_or_path"]
    assert other.widget.layout.display == "none"
    ask.base.value = ANY
    assert other.widget.layout.display == ""
    other.control.value = str(tiny_base)
    assert step.form.read().base.pretrained_model_name_or_path == str(tiny_base) and ask.base.value is ANY
    step.form.write(**{step_base: "illustrious"})
    assert ask.base.value == "illustrious" and other.widget.layout.display == "none"
    assert step.form.read().pictures.resolution == 1024


def test_more_pictures_change_the_repeats_until_a_person_did(step, make_pictures):
    make_pictures(Path("Loras/cat/dataset"), 20)
    step.again()
    assert step.form.read().pictures.num_repeats == 10
    step.form.fields["num_repeats"].control.value = 3
    make_pictures(Path("Loras/cat/dataset"), 40)
    step.again()
    assert step.form.read().pictures.num_repeats == 3


def test_presets_are_kept_for_every_project_and_compared(step):
    row = step.presets
    step.form.fields["rank"].control.value = 48
    row.name.value = "mine"
    row.press(row.save)
    assert Path("Loras/_presets/mine.toml").is_file() and "mine" in dict(row.preset.options).values()
    step.form.go_back(*step.form.changed())
    row.preset.value = "mine"
    row.press(row.show_differences)
    assert "size of the LoRA" in row.table.value and "48" in row.table.value
    assert "1 setting differs from mine" in words(step.panel.state)
    row.press(row.fill)
    assert step.form.read().network.rank == 48
    row.press(row.show_differences)
    assert "says the same" in words(step.panel.state)
    row.press(row.save)
    assert "is there already" in words(step.panel.state)
    assert {one.name for one in presets.presets()}.isdisjoint({"mine"})


def test_two_presets_are_compared_with_each_other(step):
    row = step.presets
    for name, rank in (("thin", 4), ("thick", 64)):
        step.form.fields["rank"].control.value = rank
        row.name.value = name
        row.press(row.save)
    row.press(row.show_two)
    assert "Choose two different presets" in words(step.panel.state)
    row.one.value, row.other.value = "thin", "thick"
    row.press(row.show_two)
    assert "1 setting differs between thin and thick." in words(step.panel.state)
    assert ("setting thin thick size of the LoRA 4 64") in words(row.table)
    row.one.value, row.other.value = "t4", "cpu"
    row.both.click()
    assert "between t4 and cpu" in words(step.panel.state) and "thick" not in words(row.table)


def test_the_chosen_base_is_shown_with_a_drawing_and_others_are_chosen_by_a_press(step):
    cards, ask = step.questions.cards, step.questions
    assert len(cards.row.children) == 4 and cards.chosen.value == ""
    cards.buttons["anylora" if "anylora" in cards.buttons else suggested.FOR_DRAWINGS].click()
    assert ask.base.value == suggested.FOR_DRAWINGS
    assert step.form.read().base.pretrained_model_name_or_path == suggested.FOR_DRAWINGS
    shown = words(cards.chosen)
    assert (
        "AnyLoRA" in shown
        and "Good for drawings" in shown
        and "512 x 512 pixels" in shown
        and "licence" in shown
    )
    assert 'role="img"' in cards.chosen.value and "<title>drawings:" in cards.chosen.value
    assert [button.icon for button in cards.buttons.values()].count("check") == 1
    ask.base.value = "illustrious"
    assert "1024 x 1024" in words(cards.chosen) and "Fair AI" in words(cards.chosen)
    ask.base.value = ANY
    assert cards.chosen.value == ""
