"""A run in progress: when it stops by itself, what is on disk when a write fails, what it says of its losses."""

import errno
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_state import write_as_before
from test_train import StopAt
from torch.optim.optimizer import register_optimizer_step_pre_hook

from lora_nb import events, patience, settings
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.training import state
from lora_nb.training.train import train


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    """Three steps an epoch."""
    make_pictures(tmp_path / "cat" / "dataset", 5)
    return make(TrainConfig,
        pretrained_model_name_or_path=str(tiny_base), train_data_dir=str(tmp_path / "cat" / "dataset"),
        num_repeats=1, max_train_epochs=2, rank=4, alpha=2.0, trigger_word="ohwx",
        source_date_epoch=1_700_000_000, sample_every_n_epochs=0, save_state_every_n_steps=0, grid=False,
    )  # fmt: skip


def elsewhere(config, name):
    return settings.replace(
        config,
        output_dir=str(Path(config.place.train_data_dir).parents[1] / name / "output"),
        output_name="cat",
    )


def project_of(config):
    return Path(config.place.output_dir or config.place.train_data_dir).parent


def bytes_under(config, *folders):
    found = [path for folder in folders for path in (project_of(config) / folder).rglob("*")]
    return {path.name: path.read_bytes() for path in found if path.is_file()}


def lines_of(config, kind):
    return (project_of(config) / "runs" / "cat" / "metrics.jsonl").read_text().count(f'"{kind}"')


def test_a_loss_that_is_no_number_ends_the_run_at_that_step(config):
    """A rate so high that the second step's loss is none; the state of the first stays, and nothing else is written."""
    wild = settings.replace(config, learning_rate=1e15, lr_scheduler="constant", save_state_every_n_steps=1)
    with pytest.raises(ValueError) as caught:
        train(wild)
    said = str(caught.value)
    assert "the loss is" in said and " at step 2 of 6, " in said and "\n" not in said
    assert "learning_rate = 1e+15, text_encoder_lr = 0.0001: try a tenth" in said and "output_name" in said
    assert state.load_state(project_of(config) / "runs" / "cat" / "cat.state").step == 1
    assert not bytes_under(config, "output") and lines_of(config, "StepLog") == 1
    with pytest.raises(ValueError, match=r"learning_rate 1000000000000000.0 -> 0.0005.*restart"):
        train(config)
    assert train(settings.replace(config, on_existing="restart")).status == "done"


def test_what_a_disk_cut_short_is_gone_when_the_run_is_done(config):
    """A write that fails on a Drive that goes away leaves its unfinished file there; it is made again under another name."""
    own = project_of(config) / "runs" / "cat"
    cut = [own / ".cat.state.0123abcd.tmp", own / "samples" / ".cat_e01_s000003_00.png.0123abcd.tmp"]
    cut.append(project_of(config) / "output" / ".cat-01.safetensors.0123abcd.tmp")
    others = project_of(config) / "output" / ".dog-01.safetensors.0123abcd.tmp"

    def tell(event):
        if isinstance(event, events.StepLog) and event.step == 2:
            for path in (*cut, others):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"half")

    train(config, tell)
    assert not [path for path in cut if path.exists()] and others.read_bytes() == b"half"


def test_weights_that_are_no_numbers_end_the_run_though_the_loss_is_one(config):
    """A gradient that overflows in the second epoch: the file and the state of the first stay as they were."""
    steps = []

    def overflow(optimizer, *_):
        steps.append(1)
        if len(steps) == 5:
            optimizer.param_groups[0]["params"][0].grad.fill_(float("inf"))

    hook = register_optimizer_step_pre_hook(overflow)
    try:
        with pytest.raises(ValueError, match="the weights are no longer numbers at step 5 of 6"):
            train(config, poll=StopAt(save=5))
    finally:
        hook.remove()
    assert sorted(bytes_under(config, "output")) == ["cat-01.json", "cat-01.safetensors"]
    assert state.load_state(project_of(config) / "runs" / "cat" / "cat.state").step == 3
    whole = elsewhere(config, "whole")
    assert train(config).status == train(whole).status == "done"
    assert bytes_under(config, "output") == bytes_under(whole, "output")


def broken_copy(base, folder, part):
    """`base` with one weight of `part` that is NaN, which all that it is given passes through."""
    shutil.copytree(base, folder)
    (path,) = (folder / part).glob("*.safetensors")
    tensors = load_file(path)
    next(tensors[name] for name in tensors if name.endswith("conv_in.bias") and "decoder" not in name)[0] = (
        float("nan")
    )
    save_file(tensors, path, {"format": "pt"})
    return str(folder)


@pytest.mark.parametrize(
    ("part", "words"),
    [("vae", "VAE of the base makes NaN .* of 00.png"), ("unet", "loss is NaN at step 1 .* the base itself")],
)
def test_a_base_that_answers_with_none_is_named_at_once(config, tiny_base, tmp_path, part, words):
    base = broken_copy(tiny_base, tmp_path / "base", part)
    with pytest.raises(ValueError, match=words):
        train(settings.replace(config, pretrained_model_name_or_path=base))
    assert not bytes_under(config, "output") and not list(project_of(config).rglob("*.state"))


def test_a_base_of_noise_prediction_at_zero_snr_is_refused(config, tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "base")
    path = tmp_path / "base" / "scheduler" / "scheduler_config.json"
    scheduler = json.loads(path.read_text()) | {"rescale_betas_zero_snr": True}
    path.write_text(json.dumps(scheduler))
    zero = settings.replace(config, pretrained_model_name_or_path=str(tmp_path / "base"))
    with pytest.raises(
        ValueError, match=r"base predicts epsilon .* zero SNR.*prediction_type = v_prediction"
    ):
        train(zero)
    path.write_text(json.dumps(scheduler | {"prediction_type": "v_prediction"}))
    assert train(settings.replace(zero, max_train_epochs=1)).status == "done"


def refuse_each_write_once(monkeypatch, number=errno.ENOSPC, except_for=()):
    """Let the disk be full (or another error) at the first try of every file that is put in its place; the list of them, as it grows."""
    refused, replacing = [], os.replace

    def replace_or_fail(source, target):
        name = Path(target).name
        content = b"" if name == "metrics.jsonl" else Path(source).read_bytes()  # the log holds times
        write = (name, hashlib.sha256(content).hexdigest())
        if write not in refused and name not in except_for:
            refused.append(write)
            raise OSError(number, os.strerror(number), str(target))
        replacing(source, target)

    monkeypatch.setattr(os, "replace", replace_or_fail)
    return refused


def test_a_failing_write_loses_nothing_whichever_it_is(config, monkeypatch):
    """Every file of the run fails once, and the run is begun again each time: all bytes are those of a run undisturbed."""
    config = settings.replace(
        config, sample_every_n_epochs=1, sample_prompts=("ohwx --s 2",), save_last_n_epochs=1
    )
    whole = elsewhere(config, "whole")
    train(whole)
    refused = refuse_each_write_once(monkeypatch)
    while True:
        before = len(refused)
        try:
            train(config)
            break
        except OSError:
            assert len(refused) == before + 1
        if "cat-01.json" in dict(refused):
            assert list((project_of(config) / "output").glob("cat-0?.safetensors")), (
                "the last sound file is gone"
            )
    names = [name for name, _ in refused]
    assert {
        "metrics.jsonl",
        *(f"cat-0{n}.{end}" for n in (1, 2) for end in ("safetensors", "json", "png")),
    } < set(names)
    assert names[:2] == ["run.toml", "cat.state"] and len(names) == 15
    assert names.count("cat.state") == 3 and names.count("cat.state.old") == 2
    assert bytes_under(config, "output", "runs/cat/samples") == bytes_under(
        whole, "output", "runs/cat/samples"
    )
    assert lines_of(config, "StepLog") == 6 and lines_of(config, "EpochLog") == 2


def test_a_disk_that_is_away_for_a_moment_at_every_write_changes_nothing(config, monkeypatch):
    config = settings.replace(
        config, sample_every_n_epochs=1, sample_prompts=("ohwx --s 2",), save_last_n_epochs=1
    )
    whole = elsewhere(config, "whole")
    train(whole)
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    refused = refuse_each_write_once(monkeypatch, errno.EIO, except_for=("run.toml", "metrics.jsonl"))
    told = []
    assert train(config, told.append).status == "done"
    assert len(refused) == 13 and {Path(name).suffix for name, _ in refused} == {
        ".state", ".old", ".safetensors", ".json", ".png",
    }  # fmt: skip
    said = [
        event.text for event in told if isinstance(event, events.Notice) and "answers again" in event.text
    ]
    assert len(said) == 13 - 4, "a state and the one before it, a file and its sidecar are one write each"
    assert bytes_under(config, "output", "runs/cat/samples") == bytes_under(
        whole, "output", "runs/cat/samples"
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's thread
def test_a_project_that_is_gone_for_a_second_is_waited_for(config, monkeypatch):
    """As a Drive that is not mounted: nothing is made anew in its place."""
    whole, home = elsewhere(config, "whole"), project_of(config)
    train(whole)
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.05)
    away, told, taken = home.with_name("away"), [], []

    def poll():
        if not taken:
            taken.append(home.rename(away))
        return frozenset()

    def tell(event):
        told.append(event)
        if "does not answer" in getattr(event, "text", ""):
            assert not home.exists()
            away.rename(home)

    assert train(config, tell, poll).status == "done"
    assert any("answers again" in getattr(event, "text", "") for event in told)
    assert bytes_under(config, "output") == bytes_under(whole, "output") and lines_of(config, "StepLog") == 6


def test_files_that_stand_are_not_written_again(config, monkeypatch):
    """A stop just at an epoch's end leaves nothing to catch up with."""
    train(config, poll=StopAt(stop=3))
    path = project_of(config) / "output" / "cat-01.safetensors"
    before = path.stat()
    train(config)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_state_of_the_version_before_goes_on_exactly(config):
    whole = elsewhere(config, "whole")
    train(whole)
    train(config, poll=StopAt(stop=4))
    path = project_of(config) / "runs" / "cat" / "cat.state"
    write_as_before(path, state.load_state(path))
    told = []
    train(config, told.append)
    assert bytes_under(config, "output") == bytes_under(whole, "output")
    last = [event for event in told if isinstance(event, events.EpochLog)][-1]
    assert 0 < last.plain < 10


def test_the_plain_loss_is_told_beside_what_is_minimised(config):
    """At the first step nothing is learnt yet: the plain loss is the one that is minimised without weights."""
    config = settings.replace(config, max_train_epochs=1)
    steps = {}
    for name, options in (
        ("plain", {"min_snr_gamma": None}),
        ("weighted", {"min_snr_gamma": 0.1}),
        ("kept", {"min_snr_gamma": None, "diff_output_preservation": 1.0}),
    ):
        told = []
        train(elsewhere(settings.replace(config, **options), name), told.append)
        steps[name] = [event for event in told if isinstance(event, events.StepLog)]
        epoch = next(event for event in told if isinstance(event, events.EpochLog))
        assert epoch.plain == pytest.approx(sum(step.plain for step in steps[name]) / 3)
    assert all((step.plain, step.plain_average) == (step.loss, step.loss_average) for step in steps["plain"])
    assert all(step.plain >= step.loss for step in steps["weighted"])
    assert any(step.plain > step.loss for step in steps["weighted"])
    assert steps["weighted"][0].plain == steps["plain"][0].loss == steps["kept"][0].plain
    assert all(step.plain < step.loss for step in steps["kept"][2:])
    board = EventAccumulator(str(project_of(elsewhere(config, "weighted")) / "runs" / "cat" / "tensorboard"))
    board.Reload()
    assert [round(value.value, 5) for value in board.Scalars("loss/plain_current")] == [
        round(step.plain, 5) for step in steps["weighted"]
    ]
    assert {"loss/current", "loss/average", "loss/plain_average", "loss/plain_epoch_average"} <= set(
        board.Tags()["scalars"]
    )


def notices(told):
    return [event.text for event in told if isinstance(event, events.Notice)]


def test_a_drawn_seed_is_told_written_and_taken_up_again(config):
    told = []
    drawing = settings.replace(config, seed=-1, sample_prompts=("cat --d -1",))
    train(drawing, told.append, StopAt(stop=2))
    (seed,) = [int(text.split()[3]) for text in notices(told) if "was drawn" in text]
    told = []
    train(drawing, told.append)
    assert f"🎲 seed = {seed}, drawn when this run began, is taken up again." in notices(told)
    assert any(text.startswith('🎲 The sample "cat" is drawn with seed ') for text in notices(told))
    with safe_open(project_of(config) / "output" / "cat-02.safetensors", "pt") as opened:
        about = opened.metadata()
    assert about["ss_seed"] == str(seed) == str(json.loads(about["lora_nb_settings"])["seed"])
    told_too = elsewhere(replace(drawing, seed=seed), "told")
    train(told_too)
    assert bytes_under(config, "output") == bytes_under(told_too, "output")


def test_an_open_seed_does_not_take_up_one_that_was_chosen(config):
    train(config, poll=StopAt(stop=1))
    with pytest.raises(ValueError, match=r"other settings \(seed 42 -> \d+\)"):
        train(settings.replace(config, seed=0))


@pytest.mark.parametrize("place", ["output", "runs", "runs/cat", "runs/cat/samples", "runs/cat/tensorboard"])
def test_a_folder_that_cannot_be_written_is_told_before_anything_starts(config, tmp_path, place):
    (tmp_path / "cat" / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "cat" / place).write_text("mine")
    told = []
    with pytest.raises(ValueError, match=rf"cannot be written: .*{place} is a file where a folder is needed"):
        train(settings.replace(config, sample_every_n_epochs=1), told.append)
    assert not any(isinstance(event, events.Progress) and "ncod" in event.stage for event in told)
    assert (tmp_path / "cat" / place).read_text() == "mine"


def test_an_update_that_the_files_numbers_cannot_hold_is_not_written(config):
    """Finite in training, infinite in fp16."""
    huge = settings.replace(
        config, learning_rate=1e5, lr_scheduler="constant", max_train_steps=1, save_precision="fp16"
    )
    with pytest.raises(ValueError, match=r"cat-01.safetensors is not written: .* torch.float16 \(first in"):
        train(huge)
    assert not bytes_under(config, "output")


def test_torch_is_single_threaded():
    assert torch.get_num_threads() == 1
