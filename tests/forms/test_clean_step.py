"""The steps that clean and prepare pictures, by their buttons: what is shown, what each button does."""

import asyncio
import re
from html import unescape

import ipywidgets as W
import pytest
from PIL import Image
from test_curate import photo

from lora_nb.dataset import aside, history
from lora_nb.forms.clean_step import CleanStep
from lora_nb.forms.finding_rows import MANY
from lora_nb.forms.histogram import histogram
from lora_nb.forms.prepare_step import PrepareStep
from lora_nb.forms.project_step import ProjectStep
from lora_nb.pictures import findings
from lora_nb.pictures.findings import HURTS, Finding, Findings
from lora_nb.pictures.pairing import Distances


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = ProjectStep("Use this project", create=True)
    made.form.write(project="cat")
    return made


async def ready(project, step):
    """The project made and filled, the step shown."""
    await press(project)
    dataset = project.folders().dataset
    for seed in range(3):
        photo(seed, 512).save(dataset / f"{seed}.png", compress_level=1)
    photo(1, 150).save(dataset / "small.png")
    photo(7).resize((900, 200)).save(dataset / "wide.png")
    step.show()
    return dataset


async def press(step):
    step.button.click()
    return await said(step)


async def said(step):
    await step.task
    return words(step.panel.state)


def words(widget: W.Widget) -> str:
    own = [getattr(widget, "value", ""), getattr(widget, "description", "")]
    texts = [text for text in own if isinstance(text, str)]
    inside = " ".join(
        [re.sub(r"<[^>]+>", " ", " ".join(texts)), *map(words, getattr(widget, "children", ()))]
    )
    return re.sub(r"\s+", " ", unescape(inside)).strip()


def button(widget: W.Widget, name: str) -> W.Button:
    return next(each for each in every_button(widget) if each.description == name)


def every_button(widget: W.Widget) -> list[W.Button]:
    own = [widget] if isinstance(widget, W.Button) else []
    return own + [each for child in getattr(widget, "children", ()) for each in every_button(child)]


def names(dataset):
    return sorted(path.name for path in dataset.iterdir())


@pytest.mark.slow
def test_looking_moves_nothing_and_each_finding_has_its_button(project):
    async def person():
        step = CleanStep(project)
        dataset = await ready(project, step)
        before = names(dataset)
        step.only_look.click()
        assert "things found" in await said(step) and names(dataset) == before
        shown = words(step.result)
        assert "1.png is kept: the largest, 512x512" in shown and "(still in the dataset)" in shown
        assert "Extreme shape" in shown and "Few pictures" in shown and "svg" in step.result.children[2].value
        button(step.result, "Keep this one").click()
        assert "small.png is kept, and 1.png is set aside" in await said(step)
        assert "1.png" not in names(dataset)
        assert "small.png is kept: the one you chose" in words(step.result)
        button(step.result, "Crop it").click()
        assert "1 picture prepared" in await said(step)
        assert Image.open(dataset / "wide.png").size == (400, 200) and "Extreme shape" in words(step.result)
        button(step.result, "Set aside").click()
        assert "1 picture set aside" in words(step.panel.state)
        assert len(aside.list_aside(project.folders())) == 2
        button(step.result, "Bring everything back").click()
        for _ in range(4):
            history.undo(dataset)
        assert names(dataset) == before

    asyncio.run(person())


def test_many_findings_of_a_kind_stand_in_one_frame_with_one_button_for_all(project):
    async def person():
        step = CleanStep(project)
        await press(project)
        folders = project.folders()
        kinds = [("small", f"{n}.png", "set_aside") for n in range(MANY)] + [("shape", "9.png", "crop")]
        for _, name, _ in kinds:
            photo(1, 64).save(folders.dataset / name)
        found = [
            Finding(kind, (folders.dataset.absolute() / name,), "is 64x64.", HURTS, act)
            for kind, name, act in kinds
        ]
        findings.write(folders, Findings(others=tuple(found)), name=findings.LOOKED)
        step.show()
        shown = words(step.result)
        assert f"{MANY} pictures Set all {MANY} aside" in shown and "Set all 1" not in shown
        assert [each.description for each in every_button(step.result)].count("Set aside") == MANY
        button(step.result, f"Set all {MANY} aside").click()
        assert names(folders.dataset) == ["9.png"] and "Crop it" in words(step.result)
        reasons = {item.reason for item in aside.list_aside(folders)}
        assert len(reasons) == 1 and "is 64x64." in reasons.pop()
        history.undo(folders.dataset)
        assert len(names(folders.dataset)) == MANY + 1

    asyncio.run(person())


@pytest.mark.slow
def test_preparing_shows_before_and_after_and_nothing_is_done_unasked(project):
    async def person():
        step = PrepareStep(project)
        dataset = await ready(project, step)
        assert "Nothing is asked for" in await press(step) and step.done
        step.form.write(size="256", format="jpg")
        assert "5 pictures prepared; Undo brings the originals back." in await press(step)
        assert names(dataset) == ["0.jpg", "1.jpg", "2.jpg", "small.jpg", "wide.jpg"]
        assert step.result.children[0].value.count("<img") == 10
        assert "5 pictures are as they were before `prepare`" in await press(step.undo)
        assert names(dataset) == ["0.png", "1.png", "2.png", "small.png", "wide.png"]
        assert step.result.children == ()

    asyncio.run(person())


@pytest.mark.parametrize(("near_is_low", "copies"), [(True, 3), (False, 5)])
def test_a_histogram_has_its_threshold_and_counts_the_copies(near_is_low, copies):
    drawn = histogram(Distances("bits", 0, 4, (1, 2, 0, 5), 2, near_is_low))
    assert drawn.count("<rect") == 3 and f"{copies} of 8 pairs are copies; threshold 2" in drawn
    assert 'x1="210.0"' in drawn
    assert histogram(Distances("bits", 0, 4, (0, 0), 2, near_is_low)) == ""
