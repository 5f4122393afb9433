"""The steps on versions, export and report with real widgets, pressed, and real child processes."""

import asyncio
import zipfile

import ipywidgets as W
import pytest

from lora_nb.dataset import versions
from lora_nb.forms.export_step import ExportStep
from lora_nb.forms.fiftyone_step import FiftyOneStep
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.report_step import CONFIGS, ReportStep
from lora_nb.forms.step import Step
from lora_nb.forms.versions_step import VersionsStep
from lora_nb.shell.verbs import VERBS


@pytest.fixture
def project(tmp_path, monkeypatch, make_pictures) -> ProjectStep:
    """A project "cat" of four pictures with captions, one of them without a picture."""
    monkeypatch.chdir(tmp_path)
    step = ProjectStep("Use this project", create=True)
    step.show()
    step.form.write(project="cat")
    folders = step.folders()
    make_pictures(folders.dataset, 4)
    (folders.dataset / "alone.txt").write_text("nobody")
    return step


async def pressed(step: Step, button: W.Button) -> str:
    """What the step says after one of its buttons was pressed."""
    button.click()
    await asyncio.sleep(0)
    await step.task
    return step.panel.state.value


def buttons(widget: W.Widget) -> dict[str, W.Button]:
    own = {widget.description: widget} if isinstance(widget, W.Button) else {}
    for child in getattr(widget, "children", ()):
        own = {**buttons(child), **own}
    return own


def test_the_cell_run_again_lists_what_another_step_kept(project):
    step = VersionsStep(project)
    step.show()
    step.form.write(note="half written")
    versions.keep(project.folders().dataset, "by another step")
    step.show()
    assert "by another step" in step.result.children[0].children[0].value
    assert step.form.read().note == "half written"


def test_a_version_is_kept_compared_and_gone_back_to_by_buttons(project):
    folders, redrawn = project.folders(), []

    async def person():
        step = VersionsStep(project, redrawn.append)
        step.show()
        await step.settle()
        assert versions.every(folders.dataset) == (), "nobody pressed it"
        assert "No version yet" in step.result.children[0].value
        step.form.write(name="<good>", note="before cropping")
        assert "4 pictures, 5 captions" in await pressed(step, step.button)
        assert step.form.read().name == ""
        row = step.result.children[0]
        assert "&lt;good&gt;" in row.children[0].value and "before cropping" in row.children[0].value
        first = sorted(folders.dataset.glob("*.png"))[0]
        first.unlink()
        assert "1 removed" in await pressed(step, buttons(step.result)["What differs now"])
        assert first.name in step.panel.notices.value
        said = await pressed(step, buttons(step.result)["Go back to it"])
        assert "1 picture came back" in said and "The button below takes this back" in said
        assert first.is_file() and redrawn[-1] == folders
        assert len(step.result.children) == 2, "and one of how it was before"
        said = await pressed(step.undo, step.undo.button)
        assert not first.exists(), said + step.undo.panel.notices.value

    asyncio.run(person())


def test_the_dataset_is_taken_out_with_a_link_beside_the_notebook(project, tmp_path):
    async def person():
        step = ExportStep(project)
        step.show()
        await step.settle()
        assert not project.folders().export.exists()
        said = await pressed(step, step.button)
        assert "4 pictures with 4 captions" in said, said
        (output,) = step.result.children[0].outputs
        assert 'href="Loras/cat/export/cat-kohya.zip" download="cat-kohya.zip"' in output["data"]["text/html"]
        assert len(zipfile.ZipFile(tmp_path / "Loras/cat/export/cat-kohya.zip").namelist()) == 8

    asyncio.run(person())


def test_the_report_has_a_button_beside_what_one_press_mends(project):
    folders = project.folders()

    async def person():
        step = ReportStep(project)
        step.show()
        await step.settle()
        shown = "".join(row.children[0].value for row in step.result.children[:-1])
        assert "4 pictures are few" in shown and "1 caption belongs to no picture" in shown
        assert "<svg" in step.result.children[-1].value
        said = await pressed(step, buttons(step.result)["Set them aside"])
        assert "1 caption without a picture" in said and "things to mend" in said
        assert (folders.set_aside / "alone.txt").is_file() and "Set them aside" not in buttons(step.result)
        await pressed(step.undo, step.undo.button)
        assert (folders.dataset / "alone.txt").is_file()

    asyncio.run(person())


def test_what_mends_is_started_with_the_settings_of_its_verb():
    assert {verb: VERBS[verb].config for verb in CONFIGS} == CONFIGS


def test_without_fiftyone_there_is_a_sentence_and_the_pictures(project, monkeypatch, tmp_path):
    blocker = tmp_path / "blocked" / "sitecustomize.py"
    blocker.parent.mkdir()
    blocker.write_text("import sys; sys.modules['fiftyone'] = None\n")  # as where it is not installed
    monkeypatch.setenv("PYTHONPATH", str(blocker.parent))

    async def person():
        step = FiftyOneStep(project)
        step.show()
        await step.settle()
        assert step.task is None
        said = await pressed(step, step.button)
        assert "FiftyOne is not installed" in said and "pip install" in said
        assert step.result.children[0].value.count("<img") == 4

    asyncio.run(person())


def test_the_frame_of_the_app_has_a_way_out(project):
    shown = FiftyOneStep(project).frame("http://127.0.0.1:5151/datasets/cat")
    assert (
        'src="http://127.0.0.1:5151/datasets/cat"' in shown
        and 'target="_blank"' in shown
        and "cookies" in shown
    )
