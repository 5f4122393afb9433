"""Two runs of one project, one after the other and at the same time: nothing of one in the other's files."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lora_nb import events, settings
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make, replace
from lora_nb.training.train import train

HOME = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(HOME)}


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path) -> TrainConfig:
    """Twelve steps of run "cat"."""
    make_pictures(tmp_path / "cat" / "dataset", 4)
    return make(TrainConfig,
        pretrained_model_name_or_path=str(tiny_base), train_data_dir=str(tmp_path / "cat" / "dataset"), num_repeats=3,
        output_dir=str(tmp_path / "cat" / "output"), output_name="cat", max_train_epochs=2, rank=2, alpha=1.0,
        trigger_word="ohwx", sample_prompts=("ohwx --s 2",), source_date_epoch=1_700_000_000, grid=False,
    )  # fmt: skip


def start(config: TrainConfig, folder: Path, grid: bool = False) -> subprocess.Popen:
    path = folder / f"{config.place.output_name}-{time.monotonic_ns()}.toml"
    settings.save(replace(config, grid=grid), path)
    line = [sys.executable, "-m", "lora_nb", "train", str(path)]
    return subprocess.Popen(line, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def files_of(config: TrainConfig, name: str) -> dict[str, bytes]:
    """All that the run writes; where a line or a picture holds a time or a path, what else is in it."""
    project = Path(config.place.output_dir).parent
    found = [path for path in (project / "runs" / name).rglob("*") if path.is_file()]
    found += [path for path in (project / "output").iterdir() if path.name.startswith(f"{name}-")]
    contents = {path.relative_to(project).as_posix(): path.read_bytes() for path in found}
    steady = {
        path: content for path, content in contents.items() if not re.search("tensorboard|run.lock", path)
    }
    metrics = f"runs/{name}/metrics.jsonl"
    return steady | {metrics: losses(steady[metrics])}


def losses(lines: bytes) -> bytes:
    steps = [event for event in events.read_lines(lines) if isinstance(event, events.StepLog)]
    return repr([(step.step, step.loss, step.epoch) for step in steps]).encode()


def beside(config: TrainConfig) -> tuple[TrainConfig, TrainConfig]:
    """Two runs of one project."""
    return config, replace(config, output_name="dark", rank=4, seed=7)


def test_one_after_the_other(config):
    cat, dark = beside(config)
    train(cat)
    after_the_first = files_of(config, "cat")
    assert {"runs/cat/run.toml", "runs/cat/cat.state", "runs/cat/metrics.jsonl"} < after_the_first.keys()
    board = {
        path: path.read_bytes()
        for path in Path(config.place.output_dir).parent.glob("runs/cat/tensorboard/*")
    }
    train(dark)
    assert files_of(config, "cat") == after_the_first
    assert {path: path.read_bytes() for path in board} == board
    assert (
        settings.load(
            TrainConfig, Path(config.place.output_dir).parent / "runs" / "dark" / "run.toml"
        ).network.rank
        == 4
    )
    names = {path.name for path in Path(config.place.output_dir).parent.iterdir()}
    assert names == {"dataset", "output", "runs"}
    steps = (Path(config.place.output_dir).parent / "runs" / "dark" / "metrics.jsonl").read_text()
    assert steps.count("StepLog") == 12


@pytest.mark.slow
def test_at_the_same_time(config, tmp_path):
    """Both with a grid; each leaves what it leaves alone, byte for byte."""
    together = [start(run, tmp_path, grid=True) for run in beside(config)]
    said = [process.communicate(timeout=300) for process in together]
    assert [process.returncode for process in together] == [0, 0], said
    mine = {run.place.output_name: files_of(run, run.place.output_name) for run in beside(config)}
    for run in beside(config):
        name = run.place.output_name
        alone = replace(run, output_dir=str(tmp_path / f"alone-{name}" / "output"))
        process = start(alone, tmp_path, grid=True)
        assert process.communicate(timeout=300) and process.returncode == 0
        theirs = files_of(alone, name)
        assert mine[name].keys() == theirs.keys()
        different = {path for path in theirs if theirs[path] != mine[name][path]}
        assert different <= {f"runs/{name}/run.toml", f"runs/{name}/{name}.state"}, "places and times"
        assert f"runs/{name}/grid.png" in theirs


def at_work(config: TrainConfig, folder: Path) -> subprocess.Popen:
    """A training in the middle of its steps."""
    process = start(config, folder)
    metrics = Path(config.place.output_dir).parent / "runs" / "cat" / "metrics.jsonl"
    until = time.monotonic() + 120
    while not (metrics.is_file() and "StepLog" in metrics.read_text()):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.001)
    return process


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot hold a process")
def test_the_same_name_twice_is_one_sentence_and_the_first_is_unharmed(config, tmp_path):
    first = at_work(config, tmp_path)
    first.send_signal(signal.SIGSTOP)
    before = files_of(config, "cat")
    for options in ({}, {"on_existing": "restart"}, {"rank": 8}):
        second = start(replace(config, **options), tmp_path)
        _, said = second.communicate(timeout=120)
        assert second.returncode == 2
        (line,) = said.splitlines()
        assert re.search(
            rf'a training of "cat" is at work already \(process {first.pid} on .*, since .*output_name', line
        )
    assert files_of(config, "cat") == before
    first.send_signal(signal.SIGCONT)
    _, error = first.communicate(timeout=300)
    assert first.returncode == 0, error
    alone = replace(config, output_dir=str(tmp_path / "alone" / "output"))
    train(alone)
    ours, theirs = files_of(config, "cat"), files_of(alone, "cat")
    names = [path for path in theirs if path.startswith("output/")] + ["runs/cat/metrics.jsonl"]
    assert {path: ours[path] for path in names} == {path: theirs[path] for path in names}


@pytest.mark.slow
def test_a_killed_run_gets_its_folder_back(config, tmp_path):
    """Its data loaders, which end a little later, do not keep it."""
    many = replace(config, num_repeats=60, max_data_loader_n_workers=2)
    killed = at_work(many, tmp_path)
    killed.kill()
    killed.communicate()
    again = start(many, tmp_path)
    _, error = again.communicate(timeout=300)
    assert again.returncode == 0, error
