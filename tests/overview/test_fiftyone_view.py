"""FiftyOne with its real database: what it is shown, and what is decided there."""

import json
import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from lora_nb.__main__ import main
from lora_nb.dataset import handover, history
from lora_nb.overview import fiftyone_database
from lora_nb.overview.fiftyone_database import scratch
from lora_nb.project import Folders

HERE = find_spec("fiftyone") is not None
pytestmark = [
    pytest.mark.fiftyone,
    pytest.mark.slow,
    pytest.mark.skipif(
        not HERE and not (os.environ.get("CI") and sys.version_info < (3, 13)),
        reason="FiftyOne is not installed",
    ),
]

# As the App does it: another process that writes into the database.
DECIDE = """
import sys
import fiftyone as fo
dataset = fo.load_dataset(fo.list_datasets()[0])
by_name = {sample["name"]: sample for sample in dataset}
print({name: [each.label for each in sample["findings"].classifications] for name, sample in by_name.items()})
by_name["a.png"].tags.append("set aside")
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
        own = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        self.process = subprocess.Popen(
            [*line, "--job_dir", str(self.job)],
            env=own,
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
        self.ask("stop")
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


def test_findings_appear_and_decisions_come_back_through_the_gate(folders, app, capsys):
    first = {path.name: path.read_bytes() for path in folders.dataset.rglob("*") if path.is_file()}
    address = app.wait_for("FiftyOne is open at").rpartition(" ")[2]
    assert address.startswith("http://127.0.0.1:")
    shown = decide(folders)
    assert "copy of b.png" in shown and "has copies" in shown
    (folders.dataset / "5_x" / "d.txt").write_text("edited here meanwhile\n")
    app.ask("save")
    app.wait_for("1 pictures set aside and 2 captions written")
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
    assert main(["fiftyone_decisions", "--train_data_dir", str(folders.dataset)]) == 0  # the App is closed
    assert not (scratch(folders.base) / "mongod.json").exists(), "the database is ended"
