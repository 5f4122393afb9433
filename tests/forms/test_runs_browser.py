"""The list of runs in JupyterLab and headless Chromium: two notebooks, one queue, a restarted kernel, a closed tab."""

import json
import os
import signal
import zipfile
from pathlib import Path

import nbformat
import pytest

from lora_nb.bases import stable_files
from lora_nb.forms import review
from lora_nb.project import Folders
from lora_nb.shell import jobs, queue, queue_file
from test_browser import Cell, Notebook, browser, lab, pytestmark  # noqa: F401

CELLS = [
    """# @title Set up
import sys
sys.path.append("..")
from lora_nb.forms import LoraTrainer
trainer = LoraTrainer()""",
    """# @title Project
trainer.choose_project()
trainer.project.form.write(project={project!r})""",
    """# @title Settings
await trainer.choose_settings()
trainer.settings.form.write(
    pretrained_model_name_or_path={base!r}, trigger_word="ohwx", allow_demo_base=True, num_repeats=1, train_batch_size=2,
    max_train_steps={steps}, sample_every_n_epochs=0, grid=False, diff_output_preservation=0.0, gradient_checkpointing=False,
    output_name=""
)""",
    """# @title Other
trainer.settings.form.write(rank=3)
print("other settings")""",
]
PATIENT = 400.0  # seconds


def open_on(browser, lab, project: str, base: str, steps: int) -> tuple[Notebook, Cell]:  # noqa: F811
    """A notebook on a project of its own, and its cell with the list of runs."""
    address, folder = lab
    cells = [
        nbformat.v4.new_code_cell(
            text.format(project=project, base=base, steps=steps) if "{" in text else text
        )
        for text in CELLS
    ]
    name = f"{project}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "notebooks" / name)
    return again(Notebook(browser, address, name))


def again(notebook: Notebook) -> tuple[Notebook, Cell]:
    for title in ("Set up", "Project"):
        notebook.run(title).done(PATIENT)
    step = notebook.run("Settings")
    step.done(PATIENT)
    step.button("Add to the queue").wait_for()
    return notebook, step


def row(step: Cell, number: int, name: str):
    return step.found.locator(".lora-nb-run").filter(has_text=f"{number}. {name}")


def see(step: Cell, number: int, name: str, words: str) -> None:
    row(step, number, name).get_by_text(words).first.wait_for(timeout=PATIENT * 1000)


def press(step: Cell, number: int, name: str, label: str) -> None:
    row(step, number, name).locator("button:visible", has_text=label).first.click()


def picture(notebook: Notebook, step: Cell, name: str) -> None:
    """A screenshot of the list at about 900 px, where LORA_NB_SCREENSHOTS names a folder."""
    if place := os.environ.get("LORA_NB_SCREENSHOTS"):
        notebook.page.set_viewport_size({"width": 960, "height": 1000})
        step.button("Compare the ticked runs").scroll_into_view_if_needed()
        notebook.page.wait_for_timeout(1500)
        notebook.page.screenshot(path=str(Path(place) / f"{name}.png"))


@pytest.fixture
def projects(lab):  # noqa: F811
    """The folder of two projects; whatever still trains there in the end is ended."""
    folder = lab[1] / "notebooks" / "Loras"
    for project in ("character", "style"):
        (folder / project / "dataset").mkdir(parents=True)
        with zipfile.ZipFile(review.DEMO / "examples" / f"{project}.zip") as archive:
            few = sorted(archive.namelist())[:8]  # each of four pictures and its caption, or eight pictures
            archive.extractall(folder / project / "dataset", few)
    yield folder
    queued = queue_file.read(folder / ".queue")
    for worker in queued.workers.values():
        if worker.works():
            os.kill(worker.pid, signal.SIGKILL)
    for entry in queued.entries:
        job = queue.job_of(folder / ".queue", entry)
        if job and jobs.is_running(job):
            jobs.stop(job)


def test_two_notebooks_share_a_queue_that_outlives_kernel_and_tab(lab, browser, projects, tiny_base):  # noqa: F811
    folder = projects
    base = "demo" if stable_files.DEMO_FOLDER.is_dir() else str(tiny_base)
    one, first = open_on(browser, lab, "character", base, 400)
    dark = lab[1] / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    dark.write_text('{"theme": "JupyterLab Dark"}')
    two, second = open_on(browser, lab, "style", base, 6)
    first.press("Add to the queue")
    first.see("Added to the queue: 1 character")
    first.press("Start the queue")
    first.see("The queue begins")
    second.press("Add to the queue")
    second.see("Added to the queue: 2 style")
    two.run("Other").see("other settings")
    second.press("Add to the queue")
    see(second, 3, "style-2", "waiting")
    press(second, 3, "style-2", "Cancel")
    see(second, 3, "style-2", "cancelled")
    see(second, 1, "character", "/ 400")
    picture(two, second, "runs_dark")
    press(second, 1, "character", "Pause")
    see(first, 1, "character", "paused")
    two.page.close()
    one.page.locator(".jp-NotebookPanel-toolbar [data-command='notebook:restart-kernel']").click()
    one.page.locator(".jp-Dialog button", has_text="Restart").click()
    one._have_kernel()
    one, first = again(one)
    see(first, 2, "style", "done")
    press(first, 1, "character", "Go on")
    see(first, 1, "character", "running")
    found = queue_file.read(folder / ".queue")
    assert [(each.name, each.state) for each in found.listed] == [
        ("character", "running"), ("style", "done"), ("style-2", "cancelled"),
    ]  # fmt: skip
    press(first, 1, "character", "Cancel")
    see(first, 1, "character", "cancelled")
    press(first, 2, "style", "Download")
    first.see("Download style")
    picture(one, first, "runs_light")
    assert len(list((Folders(folder / "style").output).glob("*.safetensors"))) >= 1
    begun = [json.loads(path.read_text())["verb"] for path in folder.glob("*/jobs/*/job.json")]
    assert begun.count("train") == 3  # the character twice, the style once, the cancelled one never
    one.page.close()
