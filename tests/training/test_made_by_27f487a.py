"""A project that 27f487a left, interrupted in a run, opens, goes on and ends in the bytes it would have ended in then."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from lora_nb import events, settings
from lora_nb.config.training import TrainConfig
from lora_nb.project import Folders
from lora_nb.shell import jobs
from lora_nb.training.train import train

# The fixture was made on this kind of CPU, where both versions of torch compute the same bits. Elsewhere the weights are
# equal to within rounding, as the eight steps before the interruption were computed there.
MADE_ON, WITH = "AVX512", ("2.11", "2.15")
# What a file says of itself that later versions added, or put otherwise.
NEW_METADATA = {"lora_nb_settings"}


@pytest.fixture
def config(old_project: Path) -> TrainConfig:
    """The settings of the killed job, as it left them. The sums of several threads have other bits."""
    torch.set_num_threads(1)
    folders = Folders(old_project / "Loras" / "cat")
    job = jobs.latest(folders, "train")
    assert not jobs.is_running(job) and "ended without finishing" in jobs.last_error(job)
    assert len([event for event in jobs.events(job)[0] if isinstance(event, events.StepLog)]) == 9
    return settings.load(TrainConfig, job.folder / "job.toml")


def weights_are_those_of(found: Path, expected: Path) -> bool:
    ours, theirs = load_file(found), load_file(expected)
    assert list(ours) == list(theirs)
    if torch.__version__[:4] in WITH and torch.backends.cpu.get_cpu_capability() == MADE_ON:
        return all(ours[name].numpy().tobytes() == theirs[name].numpy().tobytes() for name in ours)
    return all(torch.allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-5) for name in ours)


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as opened:
        return opened.metadata()


def test_an_interrupted_run_goes_on_to_the_same_bytes(config, old_project):
    told = []
    done = train(config, told.append)
    said = [event.text for event in told if isinstance(event, events.Notice)]
    assert done.status == "done" and any("stopped after step 8 of 18" in text for text in said)
    cat = old_project / "Loras" / "cat"
    found, expected = cat / "output" / "cat-03.safetensors", old_project / "expected" / "cat-03.safetensors"
    assert weights_are_those_of(found, expected)
    ours, theirs = metadata(found), metadata(expected)
    changed = {name for name in theirs if ours.get(name) != theirs[name]}
    assert changed == NEW_METADATA & theirs.keys(), {name: (ours.get(name), theirs[name]) for name in changed}
    was, now = (json.loads(each["lora_nb_settings"]) for each in (theirs, ours))
    assert was.items() <= {**now, "output_dir": was.get("output_dir")}.items()
    lines = events.read_lines((cat / "runs" / "cat" / "metrics.jsonl").read_bytes())
    assert [line.step for line in lines if isinstance(line, events.StepLog)] == list(range(1, 19))
    assert not (cat / "state").exists() and not (cat / "samples").exists()


def test_a_finished_run_is_finished_still(config, old_project):
    dark = settings.replace(
        config, output_name="dark", max_train_epochs=1, rank=1, save_precision="fp16", grid=True
    )
    told = []
    again = train(dark, told.append)
    assert "already finished" in again.text
    assert not any(isinstance(event, events.StepLog) for event in told)


@pytest.mark.slow
def test_the_command_line_goes_on_with_the_jobs_own_file_in_a_project_that_was_moved(config, old_project):
    """The dataset is elsewhere now, and the settings of the run lead there from the project's folder."""
    moved = old_project / "elsewhere"
    (old_project / "Loras" / "cat").rename(moved)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}

    def lora_nb(*line: str, at: Path = old_project) -> str:
        line = [sys.executable, "-m", "lora_nb", "train", *line]
        said = subprocess.run(line, cwd=at, env=environment, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        return said.stdout

    (job,) = [
        path
        for path in (moved / "logs" / "jobs").glob("*-train/job.toml")
        if 'name = "cat"' in path.read_text()
    ]
    places = ["--train_data_dir", str(moved / "dataset"), "--output_dir", str(moved / "output")]
    assert "stopped after step 8" in lora_nb(str(job), *places)
    expected = old_project / "expected" / "cat-03.safetensors"
    assert weights_are_those_of(moved / "output" / "cat-03.safetensors", expected)
    again = settings.load(TrainConfig, moved / "runs" / "cat" / "run.toml")
    assert (again.place.train_data_dir, again.place.output_dir) == ("dataset", "output")
    (old_project / "base").rename(moved / "base")
    assert "already finished" in lora_nb("runs/cat/run.toml", at=moved)
