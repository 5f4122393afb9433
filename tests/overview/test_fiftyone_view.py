"""FiftyOne with its real database: what it is shown, and what is decided there."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Error as PlaywrightError

from lora_nb.__main__ import main
from lora_nb.dataset import handover, history
from lora_nb.overview import fiftyone_database
from lora_nb.overview.fiftyone_database import scratch
from lora_nb.project import Folders

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDED = os.environ.get("CI") and sys.version_info < (
    3,
    13,
)  # on Colab's Python it would replace what Colab ships
pytestmark = [
    pytest.mark.fiftyone,
    pytest.mark.slow,
    pytest.mark.skipif(not NEEDED and not find_spec("fiftyone"), reason="FiftyOne is not installed"),
    pytest.mark.skipif(not NEEDED and not CHROMIUM, reason="no Chromium on this machine"),
]

# As the App does it: another process that writes into the database.
DECIDE = """
import sys
import fiftyone as fo
dataset = fo.load_dataset(fo.list_datasets()[0])
by_name = {sample["name"]: sample for sample in dataset}
print({name: [each.label for each in sample["findings"].classifications] for name, sample in by_name.items()})
by_name["b.png"]["caption"] = "cat, edited there"
by_name["c.png"]["tags_wd"].classifications[1].tags = ["remove"]
by_name["5_x/d.png"]["caption"] = "lost against the disk"
for sample in by_name.values():
    sample.save()
"""


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    folders = Folders(tmp_path / "Loras" / "cat")
    for number, name in enumerate(("a", "b", "c", "5_x/d")):
        path = folders.dataset / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((64, 48), 30 + number).convert("RGB").save(path)
        path.with_suffix(".txt").write_text(f"cat, red, number {number}\n")
    folders.report.mkdir()
    kept = {"kept": "dataset/b.png", "reason": "the largest", "copies": []}
    copy = {"path": "dataset/a.png", "distance": 3, "set_aside": "set_aside/a.png", "how": "resized"}
    (folders.report / "curate.json").write_text(
        json.dumps({"broken": [], "clusters": [{**kept, "copies": [copy]}]})
    )
    handover.remember(folders, trigger_word="cat")
    return folders


class App:
    """The verb in a process of its own, as a form starts it."""

    def __init__(self, folders: Folders) -> None:
        self.job = folders.jobs / "fiftyone"
        line = [sys.executable, "-m", "lora_nb", "fiftyone", "--train_data_dir", str(folders.dataset)]
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
        self.environment = {**os.environ, "PYTHONPATH": path}
        self.process = subprocess.Popen(
            [*line, "--job_dir", str(self.job)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True).start()

    def wait_for(self, words: str, seconds: float = 240) -> str:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            for line in list(self.said):
                if words in line:
                    return line.strip()
            time.sleep(0.2)
        raise AssertionError(f"{words!r} was never said: {''.join(self.said)}")

    def ask(self, what: str) -> None:
        (self.job / "requests").mkdir(parents=True, exist_ok=True)
        (self.job / "requests" / what).write_text("")

    def close(self) -> str:
        self.process.terminate()  # as when a notebook ends the job: it closes what it opened
        self.process.wait(120)
        time.sleep(0.5)
        return "".join(self.said)


@pytest.fixture
def app(folders):
    opened = App(folders)
    yield opened
    if opened.process.poll() is None:
        opened.process.terminate()
        opened.process.wait(60)


def decide(folders: Folders) -> str:
    with fiftyone_database.database(folders.base) as uri:
        own = {**os.environ, **fiftyone_database.environment(folders.base, uri)}
        done = subprocess.run([sys.executable, "-c", DECIDE], env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def mark_first_in_the_app(address: str, picture: Path) -> None:
    """As a person does it in the browser: select the first picture, press the tag, type, apply."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        play.selectors.set_test_id_attribute("data-cy")
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1300, "height": 800})
        page.set_default_timeout(120_000)
        page.route(
            "**/*", lambda route: route.continue_() if "127.0.0.1" in route.request.url else route.abort()
        )
        page.goto(address)
        first = page.get_by_test_id("looker").first
        first.locator("canvas[canvas-loaded=true]").wait_for()
        with suppress(PlaywrightError):
            page.get_by_text("Dismiss").first.click(timeout=3000)
        assert page.get_by_test_id("looker").count() == 4 and page.get_by_text("4 samples").count()
        first.hover()
        first.locator("label").click()
        page.get_by_test_id("action-tag-sample-labels").click()
        page.get_by_placeholder("+ tag selected sample").fill("set aside")
        page.get_by_placeholder("+ tag selected sample").press("Enter")
        page.get_by_text("Apply").first.click()
        page.get_by_text("Apply").first.wait_for(state="hidden")
        page.screenshot(path=picture)
        browser.close()


@pytest.mark.browser
def test_findings_appear_and_decisions_come_back_through_the_gate(folders, app, tmp_path):
    first = {path.name: path.read_bytes() for path in folders.dataset.rglob("*") if path.is_file()}
    address = app.wait_for("FiftyOne is open at").rpartition(" ")[2]
    assert address.startswith("http://127.0.0.1:")
    mark_first_in_the_app(address, tmp_path / "app.png")
    shown = decide(folders)
    assert "copy of b.png" in shown and "has copies" in shown
    (folders.dataset / "5_x" / "d.txt").write_text("edited here meanwhile\n")
    app.ask("save")
    app.wait_for("1 picture set aside and 2 captions written")
    assert (folders.set_aside / "a.png").is_file() and not (folders.dataset / "a.png").exists()
    assert (folders.dataset / "b.txt").read_text() == "cat, edited there\n"
    assert (folders.dataset / "c.txt").read_text() == "cat, number 2\n", "a label that was tagged `remove`"
    assert (folders.dataset / "5_x" / "d.txt").read_text() == "edited here meanwhile\n"
    said = app.close()
    assert app.process.returncode == 0 and "Traceback" not in said, said
    assert "Left as it is: 5_x/d.png" in said
    assert history.undo(folders.dataset).verb == "fiftyone"
    (folders.dataset / "5_x" / "d.txt").write_bytes(first["d.txt"])
    assert {path.name: path.read_bytes() for path in folders.dataset.rglob("*") if path.is_file()} == first
    line = [sys.executable, "-m", "lora_nb", "fiftyone_decisions", "--train_data_dir", str(folders.dataset)]
    later = subprocess.run(line, env=app.environment, capture_output=True, text=True)  # the App is closed
    assert later.returncode == 0 and "0 pictures set aside and 1 caption written" in later.stdout, (
        later.stderr
    )
    text = (folders.dataset / "5_x" / "d.txt").read_text()
    assert text == "lost against the disk\n", "its caption is the one again that was decided about"
    assert not (scratch(folders.base) / "mongod.json").exists(), "the database is ended"


def test_a_port_that_is_taken_is_said(folders, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = ["fiftyone", "--train_data_dir", str(folders.dataset), "--port", str(port)]
        assert main(line) == 2
    assert f"port = {port} is in use" in capsys.readouterr().err
    assert not (scratch(folders.base) / "mongod.json").exists()
