"""Both notebooks in JupyterLab and headless Chromium: the buttons a person presses, from import to grid."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from test_tagger import build

from lora_nb.bases import stable_files
from lora_nb.forms import review
from lora_nb.forms.questions import OTHER

HOME = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS_TO_STOP = 2
BADGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="117" height="20"><rect width="117" height="20" rx="3" fill="#555"/>'
    '<text x="58" y="14" text-anchor="middle" font-family="sans-serif" font-size="11" fill="#fff">Open in Colab</text></svg>'
)  # the tests have no network
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
    "apputils-extension/notification": {"fetchNews": "false"},
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A JupyterLab on copies of the notebooks: its address and its folder."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(HOME / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns("Loras", ".*"))
    for plugin, wanted in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(wanted))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
        f"--ServerApp.root_dir={folder}", f"--LabApp.user_settings_dir={folder / 'settings'}",
        f"--LabApp.workspaces_dir={folder / 'workspaces'}",
    ]  # fmt: skip
    path = os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH")]))
    own = {
        **os.environ,
        "PYTHONPATH": path,
        "HF_HUB_OFFLINE": "1",
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
    }
    with open(folder / "lab.log", "wb") as log:
        server = subprocess.Popen(line, cwd=folder, env=own, stdout=log, stderr=log)
    try:
        yield _wait_for(f"http://127.0.0.1:{port}", server, folder / "lab.log"), folder
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> str:
    until = time.monotonic() + 90
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=2).close()
            return address
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


class Notebook:
    """A notebook in the browser, as a person uses it."""

    def __init__(self, browser, address: str, name: str) -> None:
        self.page = browser.new_page(viewport={"width": 1180, "height": 1000})
        self.page.set_default_timeout(90_000)
        self.page.route(
            "**/colab-badge.svg", lambda route: route.fulfill(body=BADGE, content_type="image/svg+xml")
        )
        self.page.goto(f"{address}/lab/workspaces/{Path(name).stem}/tree/notebooks/{name}")
        self.page.wait_for_selector(".jp-CodeCell")
        self.cells = self.page.locator(".jp-CodeCell")
        self._have_kernel()
        self.page.keyboard.press("Control+b")

    def _have_kernel(self) -> None:
        """Wait for the kernel; JupyterLab may ask for it, or start it by itself."""
        ready = self.page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
        asked = self.page.locator(".jp-Dialog button", has_text="Select")
        ready.or_(asked).first.wait_for()
        self.page.wait_for_timeout(1000)
        if asked.is_visible():
            asked.click()
        ready.wait_for()
        self.page.locator(".jp-Toolbar-kernelName", has_text="Python 3").first.wait_for()

    def run(self, title: str) -> "Cell":
        """Choose the cell and run it; the cell."""
        from playwright.sync_api import TimeoutError

        found = self.cells.filter(has_text=f"@title {title}").first
        prompt = found.locator(".jp-InputPrompt")
        begun = prompt.get_by_text(re.compile(r"\[(\d+|\*)\]"))
        for _ in range(5):  # JupyterLab drops what is run while it still connects to the kernel
            prompt.click()
            self.page.locator(
                ".jp-NotebookPanel-toolbar [data-command='notebook:run-cell-and-select-next']"
            ).click()
            with suppress(TimeoutError):
                begun.wait_for(timeout=15_000)
                if not self._is_lost(prompt):
                    break
        begun.wait_for()
        return Cell(self, found)

    def _is_lost(self, prompt) -> bool:
        """Whether a cell waits while the kernel has nothing to do: what was sent never reached it."""
        waits = prompt.get_by_text("[*]")
        self.page.wait_for_timeout(300)
        if not waits.is_visible():
            return False
        self.page.wait_for_timeout(2000)
        idle = self.page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
        return waits.is_visible() and idle.first.is_visible()


class Cell:
    """A code cell with what it shows."""

    def __init__(self, notebook: Notebook, found) -> None:
        self.notebook, self.found = notebook, found

    def press(self, label: str) -> float:
        """Click a button; when."""
        self.button(label).click()
        return time.monotonic()

    def button(self, label: str):
        """A button by the words on it (its name for screen readers holds an icon too)."""
        return self.found.locator("button").filter(has_text=re.compile(rf"^\s*{re.escape(label)}\s*$"))

    def fill(self, label: str, value: str) -> None:
        """Type into a field of a form and leave it."""
        box = self.found.locator(".widget-inline-hbox", has=self.notebook.page.get_by_text(label, exact=True))
        field = box.locator("input:visible, textarea:visible").first
        field.fill(value)
        field.blur()

    def choose(self, label: str, option: str) -> None:
        """Choose from a list of a form."""
        box = self.found.locator(".widget-inline-hbox", has=self.notebook.page.get_by_text(label, exact=True))
        box.locator("select").first.select_option(label=option)

    def see(self, words: str, seconds: float = 90) -> float:
        """Wait for words under the cell; when they were there."""
        outputs = self.found.locator(".jp-Cell-outputArea")
        outputs.get_by_text(words).first.wait_for(timeout=seconds * 1000)
        return time.monotonic()

    def done(self, seconds: float = 90) -> None:
        """Wait until the cell has a number instead of a star."""
        self.found.locator(".jp-InputPrompt").get_by_text(re.compile(r"\[\d+\]")).wait_for(
            timeout=seconds * 1000
        )


@pytest.fixture(scope="module")
def made(lab, browser, tmp_path_factory) -> Path:
    """The project that a person made in Dataset Maker by pressing its buttons."""
    address, folder = lab
    notebook = Notebook(browser, address, "Dataset_Maker.ipynb")
    notebook.run("Set up").done()
    step = notebook.run("1. Your project")
    step.press("Try it with the example pictures")
    step.see("everything lies in")
    step = notebook.run("2. Pictures in")
    step.press("Import the pictures")
    step.see("Imported 24 pictures")
    notebook.run("3. Look through them").found.get_by_role("gridcell").first.wait_for()
    step = notebook.run("4. Look and clean")
    step.press("Find and set aside")
    step.see("4 pictures set aside")
    step.see("Nearly the same")
    notebook.run("5. Prepare the pictures").done()
    step = notebook.run("6. Captions")
    step.press("tags (drawings, anime)")
    if not review.DEMO_TAGGER.is_dir():
        step.fill("tagger", str(build(tmp_path_factory.mktemp("tagger"))))
    step.press("Write the captions")
    step.see("20 pictures tagged")
    step = notebook.run("7. Look at the tags")
    step.done()
    assert step.found.locator("table.lora-nb-tags tr").count() > 3
    step = notebook.run("8. The trigger word")
    step.press("Put it first")
    step.see("20 of 20 captions changed")
    step = notebook.run("9. Is it ready?")
    step.press("Look at the whole set")
    step.see("in a cell below")
    notebook.run("10. Hand over").see("20 pictures are ready")
    keep_picture(notebook, "dataset_maker")
    notebook.page.close()
    return folder / "notebooks" / "Loras" / "example"


def keep_picture(notebook: Notebook, name: str) -> None:
    """A screenshot of the whole notebook, where LORA_NB_SCREENSHOTS names a folder."""
    place = os.environ.get("LORA_NB_SCREENSHOTS")
    if place:
        outer = notebook.page.locator(".jp-WindowedPanel-outer").first
        tall = outer.evaluate("element => element.scrollHeight")
        notebook.page.set_viewport_size({"width": 1180, "height": tall + 200})
        outer.evaluate("element => element.scrollTo(0, 0)")
        notebook.page.wait_for_timeout(1000)
        outer.screenshot(path=str(Path(place) / f"{name}.png"))


def test_dataset_maker_is_pressed_through(made):
    captions = sorted((made / "dataset").glob("*.txt"))
    assert len(captions) == 20
    assert all(path.read_text(encoding="utf-8").startswith("ohwx") for path in captions)
    assert (made / "project.toml").is_file()


def test_training_is_stopped_resumed_and_compared(lab, browser, made, tiny_base):
    notebook = Notebook(browser, lab[0], "LoRA_Trainer.ipynb")
    notebook.run("Set up").done()
    step = notebook.run("1. Your project")
    step.press("Use this project")
    step.see("everything lies in")
    step = notebook.run("2. Settings")
    if not stable_files.DEMO_FOLDER.is_dir():
        step.choose("On which base?", OTHER)
        step.fill("base model", str(tiny_base))
    step.fill("repeats of each picture", "4")
    step.fill("epochs", "2")
    step.found.get_by_placeholder("find a setting").fill("keep the rest")
    step.fill("keep the rest as it is", "0")  # shorter steps: a stop waits for the end of one
    step.fill("sample prompts", "ohwx --s 4")
    step.press("Count the steps")
    step.see("Found 20 images with 4 repeats, equaling 80 steps.")
    step = notebook.run("3. Train")
    step.see(re.compile(r"^step$|steps/s"))
    pressed = step.press("Stop")
    took = step.see("Stopped after step", SECONDS_TO_STOP + 1) - pressed
    print(f"Stop was answered after {took:.2f} s")
    assert took < SECONDS_TO_STOP, f"Stop was answered after {took:.1f} s"
    step.done(10)
    assert not list((made / "output").glob("*-02.safetensors"))
    step = notebook.run("3. Train")
    step.see("Going on with the run")
    step.press("Save now")
    step.press("Sample now")
    step.see("Done: ", 240)
    step.see("The next cell shows the grid")
    step.done()
    step = notebook.run("4. The grid")
    step.found.get_by_alt_text("grid.png").wait_for()
    step.fill("steps", "4")
    step.press("Draw the grid")
    step.found.get_by_alt_text("grid-2.png").wait_for()
    step = notebook.run("5. Try it")
    step.fill("steps", "4")
    step.press("Draw")
    step.see(re.compile("Drew 1 picture"))
    notebook.run("6. Your files").see("Download example-02.safetensors")
    keep_picture(notebook, "lora_trainer")
    assert len(list((made / "output").glob("example-0?.safetensors"))) == 2


PRESSED = [
    """# @title Set up
import sys
sys.path.append("..")
import asyncio, threading, time
from lora_nb.forms.follow import pause
from lora_nb.forms.presses import Presses
from lora_nb.forms.step import Step""",
    """# @title Step
worked = []
def here(): return threading.current_thread().name, id(asyncio.get_running_loop())
async def work():
    worked.append(here())
    return f"pressed {len(worked)}"
step = Step("Go", work, [], presses=Presses())
home = here()
step.show()""",
    """# @title Wait
begin = time.time()
print("waits")
while len(worked) < 4 and time.time() - begin < 60: await pause(0.1)
print("answered", len(worked))""",
    """# @title Block
print("blocks")
time.sleep(3)
print("done with", len(worked))""",
    """# @title Where
print("home", home[0], "elsewhere", [place for place in worked if place != home])""",
]


def test_every_press_is_carried_out_in_the_loop_of_the_cells(lab, browser):
    """While no cell runs, while one waits and while one blocks: JupyterLab delivers presses in another thread."""
    address, folder = lab
    cells = [nbformat.v4.new_code_cell(text) for text in PRESSED]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "notebooks" / "Presses.ipynb")
    notebook = Notebook(browser, address, "Presses.ipynb")
    notebook.run("Set up").done()
    step = notebook.run("Step")
    for number in (1, 2, 3):
        step.press("Go")
        step.see(f"pressed {number}")
    waiting = notebook.run("Wait")
    waiting.see("waits")
    step.press("Go")
    step.see("pressed 4")
    waiting.see("answered 4")
    blocking = notebook.run("Block")
    blocking.see("blocks")
    step.press("Go")
    blocking.see("done with 4")
    step.see("pressed 5")
    notebook.run("Where").see("home MainThread elsewhere []")
    notebook.page.close()


LEFT_ALONE = [
    """# @title Set up
import sys
sys.path.append("..")
from lora_nb.forms import DatasetMaker
maker = DatasetMaker()""",
    """# @title Project
maker.choose_project()""",
]


def test_a_form_of_a_restarted_kernel_says_that_its_cell_must_run_again(lab, browser):
    address, folder = lab
    cells = [nbformat.v4.new_code_cell(text) for text in LEFT_ALONE]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "notebooks" / "Restarted.ipynb")
    notebook = Notebook(browser, address, "Restarted.ipynb")
    notebook.run("Set up").done()
    step = notebook.run("Project")
    step.fill("project", "restarted")
    step.press("Use this project")
    step.see("everything lies in")
    notebook.page.wait_for_timeout(6000)  # longer than the form waits for an answer
    assert not step.found.get_by_text("run its cell again").count()
    assert not step.found.get_by_text("Nothing answers").count()
    notebook.page.locator(".jp-NotebookPanel-toolbar [data-command='notebook:restart-kernel']").click()
    notebook.page.locator(".jp-Dialog button", has_text="Restart").click()
    notebook._have_kernel()
    step.press("Use this project")
    step.see(re.compile("run (its|this) cell again"), 20)
    notebook.page.close()
