"""The loss that runs are checked with: only the weights change it, and it changes nothing of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_train import StopAt

from lora_nb import events, settings
from lora_nb.config.loss import Loss
from lora_nb.config.noise import Times
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.settings import make, replace
from lora_nb.training.train import train
from lora_nb.training.validation import levels
from lora_nb.training.verdict import read, verdict_of


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    """Three steps an epoch, with everything on that chance has a part in."""
    make_pictures(tmp_path / "Loras" / "cat" / "dataset", 5)
    return make(TrainConfig,
        pretrained_model_name_or_path=str(tiny_base), train_data_dir=str(tmp_path / "Loras" / "cat" / "dataset"),
        num_repeats=1, max_train_epochs=2, rank=4, alpha=2.0, trigger_word="ohwx", dropout=0.2, flip_aug=True,
        color_aug=True, random_crop=True, caption_dropout_rate=0.3, shuffle_caption=True, ema_decay=0.5,
        learning_rate=1e-2, source_date_epoch=1_700_000_000, sample_every_n_epochs=0, save_precision="fp32", grid=False,
        validate_every_n_epochs=1, validation_base_pictures=1, max_validation_steps=2,
    )  # fmt: skip


def elsewhere(config, name, **more):
    place = Path(config.place.train_data_dir).parents[1] / name / "output"
    return replace(config, output_dir=str(place), output_name="cat", **more)


def folder_of(config):
    return Path(config.place.output_dir).parent


def checked(config):
    found = events.read_lines((folder_of(config) / "runs" / "cat" / "metrics.jsonl").read_bytes())
    return {(each.name, each.step): each for each in found if isinstance(each, events.Validated)}


def weights(config):
    return load_file(folder_of(config) / "output" / "cat-02.safetensors")


def test_checks_change_nothing_of_what_is_learnt_and_are_the_same_bits_each_time(config):
    with_checks = elsewhere(config, "with", validate_every_n_steps=2)
    without = elsewhere(config, "without", validate_every_n_epochs=0, validation_base_pictures=4,
        max_validation_steps=None)  # fmt: skip
    stopped = elsewhere(config, "stopped", validate_every_n_steps=2)
    train(with_checks)
    train(without)
    train(stopped, poll=StopAt(stop=3))
    train(stopped)
    ours = weights(with_checks)
    for other in (without, stopped):
        assert all(ours[name].equal(values) for name, values in weights(other).items())
    found = checked(with_checks)
    assert {step for _, step in found} == {0, 2, 3, 4, 6} and {name for name, _ in found} == {"probe", "base"}
    assert checked(stopped) == found and not checked(without)
    assert len({each.key for each in found.values()}) == 2


def test_another_process_finds_the_same_bits(config):
    here, there = elsewhere(config, "here"), elsewhere(config, "there")
    torch.set_num_threads(1)
    train(here)
    path = folder_of(there) / "job.toml"
    path.parent.mkdir(parents=True)
    settings.save(there, path)
    subprocess.run(
        [sys.executable, "-m", "lora_nb", "train", str(path)], check=True, capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert checked(here) == checked(there)


def test_before_the_first_step_it_is_the_base_and_then_what_a_file_holds(config):
    """A run that goes on from a file finds at its start what the run that wrote it found at its end."""
    first = elsewhere(config, "first", ema_decay=0.0)
    train(first)
    path = folder_of(first) / "output" / "cat-02.safetensors"
    second = elsewhere(config, "second", network_weights=str(path), ema_decay=0.0)
    train(second)
    for name in ("probe", "base"):
        end, start = checked(first)[name, 6], checked(second)[name, 0]
        assert end.key == start.key and end.losses == start.losses != checked(first)[name, 0].losses


def test_levels_are_even_parts_of_those_that_are_trained(base):
    generator = torch.Generator().manual_seed(1)
    every = torch.stack([levels(base.process, Loss(), generator) for _ in range(50)]).float()
    assert ((every.mean(0) - torch.tensor([125.0, 375, 625, 875])).abs() < 40).all()
    late = levels(base.process, Loss(times=Times(min_timestep=900)), generator)
    assert (late >= 900).all() and (late.diff() >= 0).all()


def test_where_the_time_went_is_noted_each_epoch(config):
    done = elsewhere(config, "time")
    end = train(done)
    metrics = folder_of(done) / "runs" / "cat" / "metrics.jsonl"
    assert verdict_of(read(metrics)).sentence in end.text and "a probe of what is learnt" in end.text
    lines = (folder_of(done) / "runs" / "cat" / "metrics.jsonl").read_text().splitlines()
    spent = [each for each in map(json.loads, lines) if each["event"] == "Spent"]
    assert [each["step"] for each in spent] == [3, 6]
    assert {"encoding", "step", "data", "saving", "checking"} <= set(spent[0]["seconds"])
    assert "encoding" not in spent[1]["seconds"] and spent[1]["memory"] > 1e6


def test_sd_scripts_names():
    known = {each.said.kohya or each.name for each in settings_of(TrainConfig)}
    assert {"validation_split", "validation_seed", "validate_every_n_epochs", "validate_every_n_steps",
        "max_validation_steps"} <= known  # fmt: skip
