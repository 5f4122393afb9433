"""The steps on tags with real widgets, pressed, and real child processes."""

import asyncio

import pytest
from PIL import Image
from test_dataset_maker import press, words

from lora_nb.captioning.bulk import Change
from lora_nb.dataset import handover
from lora_nb.forms.caption_step import CaptionStep
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.tags_step import EditTagsStep, marked
from lora_nb.forms.trigger_step import TriggerStep

TEXTS = {
    "a": "ohwx, hat, blue eyes, 1girl",
    "b": "ohwx, red <hat>, blue eyes, 1girl",
    "c": "ohwx, cap, 1girl",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of three drawings with tags."""
    monkeypatch.chdir(tmp_path)
    dataset = tmp_path / "Loras" / "cat" / "dataset"
    dataset.mkdir(parents=True)
    for name, text in TEXTS.items():
        Image.new("RGB", (16, 16), "red").save(dataset / f"{name}.png")
        (dataset / f"{name}.txt").write_text(text)
    step = ProjectStep("Use this project", create=True)
    step.show()
    step.form.write(project="cat")
    asyncio.run(press(step))
    handover.remember(step.folders(), trigger_word="ohwx")
    return step


def texts(project):
    return {path.stem: path.read_text().strip() for path in project.folders().dataset.glob("*.txt")}


def test_an_edit_is_looked_at_then_made_then_taken_back(project):
    async def person():
        step = EditTagsStep(project)
        step.show()
        assert "1girl 3" in words(step.result), "the tags there are"
        step.form.write(action="replace", tags=("hat", "red <hat>"), replace_with=("cap",))
        step.preview.click()
        assert (
            words(step.panel.state)
            == "2 of 3 captions would change. Nothing is written yet. Press Apply to change them."
        )
        shown = words(step.result)
        assert "cap 1 → 3 +2" in shown and "hat 1 → 0 -1" in shown and "red <hat> 1 → 0 -1" in shown
        assert "b.png ohwx, + cap , blue eyes, 1girl, red <hat>" in shown
        assert texts(project) == TEXTS
        assert "2 of 3 captions changed" in await press(step)
        assert texts(project)["b"] == "ohwx, cap, blue eyes, 1girl" and texts(project)["c"] == TEXTS["c"]
        assert "a.png" in words(step.result)
        assert "as they were before" in await press(step.undo)
        assert texts(project) == TEXTS

    asyncio.run(person())


def test_only_the_rows_of_the_chosen_edit_are_shown_and_count(project):
    step = EditTagsStep(project)
    step.show()

    def shown():
        return {name for name, field in step.form.fields.items() if field.widget.layout.display != "none"}

    always = {"action", "where", "names", "caption_encoding"}
    assert shown() == always | {"tags", "replace_with"}
    step.form.write(replace_with=("x",))
    step.form.fields["action"].control.value = "regex"
    assert shown() == always | {"pattern", "replacement"}
    step.form.fields["action"].control.value = "rare"
    assert shown() == always | {"minimum"}
    assert step._wanted(project.folders()).replace_with == ()
    step.empty()
    assert shown() == always | {"tags", "replace_with"}


def test_an_edit_is_never_due_and_a_wrong_one_is_a_sentence(project):
    async def person():
        step = EditTagsStep(project)
        step.show()
        await step.settle()
        assert step.task is None and texts(project) == TEXTS
        step.preview.click()
        assert "tags is empty: give the tags to replace" in words(step.panel.state)
        assert "tags is empty" in await press(step)
        step.form.write(tags=("nothing like it",))
        step.preview.click()
        assert words(step.panel.state) == "0 of 3 captions would change. Nothing is written yet."

    asyncio.run(person())


def test_marks_show_what_went_what_came_and_a_new_order():
    assert marked(Change("a", "b, a", "a, b")) == "b, a<br>&rarr; a, b"
    assert "doubles removed" in marked(Change("a", "a, b, a", "a, b"))
    assert "doubles" not in marked(Change("a", "a, b", "a, c"))


def test_tags_to_bind_are_suggested_by_share_and_by_family_with_what_it_means(project):
    step = TriggerStep(project)
    step.show()
    step.suggest.click()
    assert step.form.read().remove_tags == ("1girl",)
    assert "1girl (3)" in words(step.meaning) and "you cannot leave it out later" in words(step.meaning)
    step.bind.write(share=1.0, features=True)
    step.suggest.click()
    assert set(step.form.read().remove_tags) == {"1girl", "blue eyes"}
    step.bind.write(share=0.3, features=False)
    step.suggest.click()
    assert set(step.form.read().remove_tags) == {"1girl", "blue eyes", "hat", "red <hat>", "cap"}


def test_drawings_are_given_tags_and_photographs_sentences_with_the_reason(project):
    step = CaptionStep(project)
    step.show()
    assert step.kind.value == "tags" and "Tags suit drawings" in words(step.advice)
    for path in project.folders().dataset.glob("*.png"):
        noise = Image.effect_noise((48, 40), 60).resize((300, 250), Image.Resampling.BICUBIC)
        noise.convert("RGB").save(path)
    again = CaptionStep(project)
    again.show()
    assert again.kind.value == "sentences" and "Sentences suit them" in words(again.advice)
    assert again.place.children == (again.forms["sentences"].widget,)
