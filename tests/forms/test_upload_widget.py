"""The upload in JupyterLab and headless Chromium: large files, a reload in the middle, several at once, a drop."""

import hashlib
import os
import re
import signal
import time
import zipfile
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
from PIL import Image
from test_importer import picture

from lora_nb.intake.uploads import Uploads
from test_browser import CHROMIUM, Notebook, browser, lab  # noqa: F401 (fixtures)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no Chromium on this machine"),
]
CELLS = [
    """# @title Set up
import os, sys
sys.path.append("..")
from pathlib import Path
from lora_nb.forms import DatasetMaker
Path("kernel.pid").write_text(str(os.getpid()))
maker = DatasetMaker()
maker.choose_project()
maker.project.form.write(project="up")""",
    """# @title In
await maker.import_pictures()""",
    """# @title Late
from lora_nb.forms.upload_widget import Upload
Upload().widget""",
    """# @title Block
import time
print("blocks")
time.sleep(4)
print("blocked")""",
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """A zip of 60 MB: twenty pictures of random bytes."""
    path = tmp_path_factory.mktemp("zip") / "large.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for number in range(20):
            content = BytesIO()
            Image.frombytes("RGB", (1000, 1000), os.urandom(3_000_000)).save(content, "BMP")
            packed.writestr(f"{number:02d}.bmp", content.getvalue())
    return path


@pytest.fixture
def notebook(lab, browser):  # noqa: F811
    address, folder = lab
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    made = nbformat.v4.new_notebook(cells=cells, metadata=about)  # with a kernel named, none is asked for
    nbformat.write(made, folder / "notebooks" / "Upload.ipynb")
    opened = Notebook(browser, address, "Upload.ipynb")
    opened.run("Set up").done()
    yield opened
    opened.page.close()


def choose(notebook, *files):
    notebook.page.locator(".lnu input[type=file]").set_input_files(list(files))


def see(notebook, words, seconds=60):
    notebook.page.locator(".lnu [role=status]").filter(has_text=re.compile(words)).wait_for(
        timeout=seconds * 1000
    )


def keep(notebook, name):
    """A screenshot of the upload, where LORA_NB_SCREENSHOTS names a folder."""
    if os.environ.get("LORA_NB_SCREENSHOTS"):
        place = Path(os.environ["LORA_NB_SCREENSHOTS"]) / f"{name}.png"
        notebook.page.screenshot(path=str(place))


def test_a_large_zip_is_gone_on_with_after_a_reload_and_imported(notebook, lab, archive):  # noqa: F811
    step = notebook.run("In")
    step.button("Choose files …").wait_for()
    notebook.page.keyboard.press("Control+s")
    notebook.page.wait_for_timeout(1500)
    choose(notebook, archive)
    bar = notebook.page.locator(".lnu progress")
    notebook.page.wait_for_function("() => document.querySelector('.lnu progress')?.value > 12e6")
    keep(notebook, "upload_under_way")
    assert bar.count() == 1
    notebook.page.reload()
    row = notebook.page.locator(".lnu li", has_text="choose this file again to go on")
    row.wait_for()
    there = float(re.search(r"([\d.]+) MB of 60", row.inner_text())[1])
    assert 10 < there < 60
    keep(notebook, "upload_after_reload")
    choose(notebook, archive)
    see(notebook, "1 file is here")
    notebook.page.locator("button", has_text="Import the pictures").click()
    notebook.page.get_by_text(re.compile("Imported 20 pictures")).first.wait_for()
    keep(notebook, "upload_imported")
    dataset = lab[1] / "notebooks" / "Loras" / "up" / "dataset"
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            came = hashlib.sha256((dataset / name).read_bytes()).digest()
            assert came == hashlib.sha256(packed.read(name)).digest()
    notebook.page.locator(".lnu li").first.wait_for(state="detached")
    saved = lab[1] / "notebooks" / "Upload.ipynb"
    assert saved.stat().st_size < 20_000


DROP = """(files) => {
  const carried = new DataTransfer();
  for (const [name, bytes] of files) carried.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
  const target = document.querySelector(".lnu-drop");
  for (const kind of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(kind, {dataTransfer: carried, bubbles: true, cancelable: true}));
}"""


def test_dropped_pictures_are_shown_before_the_import_refused_ones_named_and_keys_stay_inside(
    notebook, tmp_path
):
    step = notebook.run("In")
    step.button("Choose files …").wait_for()
    files = [["a b é.png", list(picture("red"))], ["b.png", list(picture("blue"))], ["c.mp4", list(b"\0\0\0\x18ftypmp42" + bytes(60))]]  # fmt: skip
    notebook.page.evaluate(DROP, files)
    see(notebook, "c.mp4 is a video; what can come")
    rows = notebook.page.locator(".lnu li")
    assert rows.count() == 2 and rows.locator("img").count() == 2
    assert rows.first.inner_text().startswith("a b é.png")
    keep(notebook, "upload_previews")
    cells = notebook.cells.count()
    notebook.page.get_by_role("button", name="Remove b.png").focus()
    for key in ("a", "b", "d", "d"):
        notebook.page.keyboard.press(key)
    assert notebook.cells.count() == cells, "keys of the notebook do not work in the upload"
    notebook.page.keyboard.press("Enter")
    see(notebook, "1 file is here")
    assert not notebook.page.get_by_text("did not load").first.is_visible()


def test_a_restarted_kernel_is_said_and_goes_on_with_what_is_there(notebook, lab, archive):  # noqa: F811
    step = notebook.run("In")
    step.button("Choose files …").wait_for()
    choose(notebook, archive)
    core, until = Uploads(lab[1] / "notebooks" / "Loras" / "up"), time.monotonic() + 30
    while not any(there > 5e6 for _, there in core.under_way()) and time.monotonic() < until:
        time.sleep(0.01)  # the page itself would say it too late
    os.kill(int((lab[1] / "notebooks" / "kernel.pid").read_text()), signal.SIGKILL)  # Jupyter starts it anew
    notebook.page.locator(".jp-Dialog button").last.click()
    see(notebook, "The kernel does not answer. If it was restarted, run this cell again")
    notebook.run("Set up").done()
    notebook.run("In")
    row = notebook.page.locator(".lnu li", has_text="choose this file again to go on")
    row.wait_for()
    assert float(re.search(r"([\d.]+) MB of 60", row.inner_text())[1]) > 5
    choose(notebook, archive)
    there = notebook.page.locator(".lnu li", has_text="20 pictures, 0 captions")
    there.wait_for()
    notebook.page.get_by_role("button", name="Remove large.zip").click()
    there.wait_for(state="detached")


def test_a_page_that_does_not_load_says_another_way(notebook):
    """What is there until the page says hello: it shows itself after five seconds."""
    cell = notebook.cells.filter(has_text="@title Late").first
    notebook.run("Late").done()
    late = cell.get_by_text("The upload did not load in this page")
    assert not late.is_visible()
    late.wait_for(state="visible", timeout=20_000)
    assert "drag them into the list of files" in late.inner_text()


def test_it_goes_on_while_a_cell_blocks_and_stops_at_a_press(notebook, archive):
    step = notebook.run("In")
    step.button("Choose files …").wait_for()
    blocking = notebook.run("Block")
    blocking.see("blocks")
    choose(notebook, archive)
    notebook.page.wait_for_function("() => document.querySelector('.lnu progress')?.value > 3e6")
    notebook.page.get_by_role("button", name="Stop large.zip").click()
    notebook.page.locator(".lnu li", has_text="choose this file again to go on").wait_for()
    blocking.see("blocked")
    notebook.page.get_by_role("button", name="Forget large.zip").click()
    notebook.page.locator(".lnu li", has_text="large.zip").wait_for(state="detached")
