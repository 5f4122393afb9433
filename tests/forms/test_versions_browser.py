"""Versions, report and export in JupyterLab and headless Chromium: the buttons a person presses."""

import os
import zipfile
from datetime import timedelta
from pathlib import Path

import nbformat
from PIL import Image

from lora_nb.config.intake import ImportConfig
from lora_nb.dataset import aside, versions
from lora_nb.dataset.images import scan
from lora_nb.dataset.record import TIME
from lora_nb.intake.importer import import_dataset
from lora_nb.project import Folders
from test_browser import Notebook, browser, keep_picture, lab, pytestmark  # noqa: F401

CELLS = [
    """# @title Set up
import sys
sys.path.append("..")
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.versions_step import VersionsStep
from lora_nb.forms.report_step import ReportStep
from lora_nb.forms.export_step import ExportStep
project = ProjectStep("Use this project", create=True)
project.show()
project.form.write(project="cat")""",
    "# @title Versions\nVersionsStep(project).show()",
    "# @title Report\nReportStep(project).show()",
    "# @title Out\nExportStep(project).show()",
]


def fill(folders: Folders) -> None:
    folders.dataset.mkdir(parents=True)
    for number in range(6):
        picture = Image.effect_noise((600, 520 + 40 * (number % 2)), 20 + 9 * number).convert("RGB")
        picture.save(folders.dataset / f"{number}.png")
        (folders.dataset / f"{number}.txt").write_text(f"ohwx, cat, number {number}\n")
    (folders.dataset / "alone.txt").write_text("nobody")


def held(dataset: Path) -> set[tuple[bytes, str | None]]:
    return {(item.path.read_bytes(), item.caption) for item in scan(dataset).items}


def test_yesterdays_version_the_report_and_the_zip_by_buttons(lab, browser, tmp_path):  # noqa: F811
    address, folder = lab
    folders = Folders(folder / "notebooks" / "Loras" / "cat")
    fill(folders)
    before = held(folders.dataset)
    aside.set_aside(folders, [(folders.dataset / "0.png", "by mistake")])
    (made,) = versions.every(folders.dataset)
    place = folders.versions / "snapshots"
    yesterday = (made.made - timedelta(days=1)).strftime(TIME)
    os.rename(place / f"{made.id}.json", place / f"{yesterday}.json")
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "notebooks" / "Versions.ipynb")
    notebook = Notebook(browser, address, "Versions.ipynb")
    notebook.run("Set up").done()
    step = notebook.run("Versions")
    step.see("before the first change of the day")
    step.press("What differs now")
    step.see("1 removed")
    step.press("Go back to it")
    step.see("1 picture came back")
    assert held(folders.dataset) == before
    step.fill("name", "all six")
    step.press("Keep this version")
    step.see("Kept as the version")
    report = notebook.run("Report")
    report.press("Look at the whole set")
    report.see("6 pictures are few")
    report.press("Set them aside")
    report.see("1 caption without a picture")
    out = notebook.run("Out")
    out.press("Take it out")
    out.see("6 pictures with 6 captions")
    keep_picture(notebook, "versions")
    with notebook.page.expect_download() as taken:
        out.found.get_by_text("Download cat-kohya.zip").click()
    taken.value.save_as(tmp_path / "taken.zip")
    notebook.page.close()
    assert zipfile.ZipFile(tmp_path / "taken.zip").testzip() is None
    elsewhere = tmp_path / "other" / "dataset"
    import_dataset(ImportConfig(str(tmp_path / "taken.zip"), str(elsewhere)))
    assert held(elsewhere) == before
