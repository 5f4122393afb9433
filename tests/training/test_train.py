"""Training: what comes out, and that stopping, killing and going on change nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from lora_nb import events, settings
from lora_nb.bases.models import load_base
from lora_nb.bases.sd15_parts import parts_of
from lora_nb.config.training import TrainConfig
from lora_nb.lora import inject
from lora_nb.lora.lora_file import read_lora
from lora_nb.settings import make, replace
from lora_nb.training import state
from lora_nb.training.plan import plan_run
from lora_nb.training.train import train

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    make_pictures(tmp_path / "Loras" / "cat" / "dataset", 5)
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(tmp_path / "Loras" / "cat" / "dataset"),
        num_repeats=3,
        max_train_epochs=3,
        rank=4,
        alpha=2.0,
        trigger_word="ohwx",
        source_date_epoch=1_700_000_000,
        save_precision="fp32",
        dropout=0.1,
        flip_aug=True,
        caption_dropout_rate=0.1,
        save_state_every_n_steps=2,
        sample_every_n_epochs=0,
        grid=False,
    )


def elsewhere(config, name):
    """The same run with its own output."""
    return replace(
        config,
        output_dir=str(Path(config.place.train_data_dir).parent.parent / name / "output"),
        output_name="cat",
    )


def output(config):
    return Path(config.place.output_dir or Path(config.place.train_data_dir).parent / "output")


def last_file(config):
    return (output(config) / "cat-03.safetensors").read_bytes()


class StopAt:
    """A poll that asks for something after given steps."""

    def __init__(self, **steps):
        self.step, self.steps = 0, steps

    def __call__(self):
        self.step += 1
        return frozenset(name for name, step in self.steps.items() if step == self.step)


def test_a_run_leaves_numbered_files_that_say_what_they_are(config):
    told = []
    done = train(
        replace(config, sample_every_n_epochs=1, sample_prompts=("ohwx --s 2", "cat --s 2 --d 7")),
        told.append,
    )
    assert done.status == "done" and [Path(path).name for path in done.files] == [
        f"cat-0{n}.safetensors" for n in (1, 2, 3)
    ]
    steps = [event for event in told if isinstance(event, events.StepLog)]
    assert [event.step for event in steps] == list(range(1, 25)) and {
        event.total_steps for event in steps
    } == {24}
    assert any(
        "changes the model's answer" in event.text for event in told if isinstance(event, events.Notice)
    )
    with safe_open(done.files[1], "pt") as opened:
        about = opened.metadata()
    assert (about["ss_epoch"], about["ss_steps"], about["ss_output_name"]) == ("2", "16", "cat")
    folder = output(config)
    assert json.loads((folder / "cat-03.json").read_text())["activation text"] == "ohwx"
    assert (folder / "cat-03.png").read_bytes()[:4] == b"\x89PNG"
    run = folder.parent / "runs" / "cat"
    assert len(list((run / "samples").glob("*.png"))) == 6
    lines = [events.from_line(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line for line in lines if isinstance(line, events.StepLog)] == steps
    assert list((run / "tensorboard").iterdir())


def test_a_run_that_is_told_the_prediction_type_says_so(config):
    told = []
    done = train(replace(config, prediction_type="v_prediction", max_train_steps=1), told.append)
    with safe_open(done.files[0], "pt") as opened:
        assert opened.metadata()["ss_base_model_version"] == "sd_v1_v"
    warnings = [event.text for event in told if isinstance(event, events.Notice) and event.level == "warning"]
    assert any("v_prediction is followed, though" in text for text in warnings)


@torch.no_grad()
def change(path, folder):
    """How far a file moves the answers of a base to a caption without the trigger word: mean square over 16 noisy latents."""
    base = load_base(str(folder))
    inject.apply(parts_of(base.unet, base.text_encoder), read_lora(path))
    noisy = torch.randn(16, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    times = torch.linspace(20, 980, 16).long()

    def answer():
        return base.unet(noisy, times, base.encode(["red circle, photo"] * 16, 1, 75).states).sample

    with inject.switched_off(parts_of(base.unet, base.text_encoder)):
        before = answer()
    return float((answer() - before).square().mean())


def test_preservation_keeps_the_base_without_the_trigger_word_and_goes_on_exactly(config, tiny_base):
    changes, files = {}, {}
    for name, strength, share in (
        ("plain", 0.0, 1.0),
        ("kept", 10.0, 1.0),
        ("part", 10.0, 0.5),
        ("stopped", 10.0, 0.5),
    ):
        options = {"diff_output_preservation": strength, "diff_output_preservation_share": share}
        run = elsewhere(replace(config, learning_rate=2e-3, **options), name)
        if name == "stopped":
            assert train(run, poll=StopAt(stop=7)).status == "stopped"
        files[name] = Path(train(run).files[-1])
        changes[name] = change(files[name], tiny_base)
    assert changes["kept"] < changes["plain"] / 4, changes
    assert changes["part"] < changes["plain"] / 2, changes
    assert files["part"].read_bytes() == files["stopped"].read_bytes()


@pytest.mark.parametrize("seed", range(3))
def test_a_stopped_run_goes_on_as_if_it_had_not_been(config, seed):
    """Stops at random steps and at an epoch's end, several times in one run: the bytes of every file are the same."""
    whole = elsewhere(config, "whole")
    train(whole)
    stops = sorted({*random.Random(seed).sample(range(1, 24), 2), 16})
    for before, after in zip([0, *stops], stops, strict=False):
        stopped = train(config, poll=StopAt(stop=after - before))
        assert stopped.status == "stopped" and f"step {after} of 24" in stopped.text
    assert train(config).status == "done"
    for number in (1, 2, 3):
        name = f"cat-0{number}.safetensors"
        assert (output(config) / name).read_bytes() == (output(whole) / name).read_bytes()
    metrics = (output(config).parent / "runs" / "cat" / "metrics.jsonl").read_text()
    assert metrics.count("StepLog") == 24 and metrics.count("EpochLog") == 3


def launch(config, folder):
    folder.mkdir(parents=True, exist_ok=True)
    settings.save(config, folder / "run.toml")
    command = [sys.executable, "-m", "lora_nb", "train", str(folder / "run.toml")]
    log = open(folder / "run.log", "ab")  # noqa: SIM115
    return subprocess.Popen(command, env=ENVIRONMENT, cwd=folder, stdout=log, stderr=log)


def steps_done(config):
    path = output(config).parent / "runs" / "cat" / "metrics.jsonl"
    return path.read_text().count("StepLog") if path.exists() else 0


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end and process.poll() is None, (
            "the process ended or hung before the moment came"
        )
        time.sleep(0.0005)


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_it_had_not_been(config, tmp_path):
    """kill -9 at five random steps and once in the middle of a save; then the bytes are those of a run never killed."""
    config = replace(config, num_repeats=12, rank=64, save_state_every_n_steps=1)
    whole = elsewhere(config, "whole")
    train(whole)
    for step in sorted(random.Random(1).sample(range(2, 50), 5)):
        process = launch(config, tmp_path / "job")
        wait_for(lambda step=step: steps_done(config) >= step, process)
        process.kill()
        process.wait()
    kill_in_the_middle_of_a_save(config, tmp_path)
    process = launch(config, tmp_path / "job")
    assert process.wait() == 0, (tmp_path / "job" / "run.log").read_text()[-2000:]
    assert last_file(config) == last_file(whole)
    assert not list((output(config).parent / "runs" / "cat").glob(".*.tmp")) and not list(
        output(config).glob(".*.tmp")
    )


def kill_in_the_middle_of_a_save(config, tmp_path):
    """A temporary file left behind is the proof that the save was not finished."""
    folder = output(config).parent / "runs" / "cat"
    for _ in range(8):
        process = launch(config, tmp_path / "job")
        done = steps_done(config)
        wait_for(lambda done=done: steps_done(config) > done, process)
        wait_for(lambda: any(folder.glob(".*.tmp")), process)
        process.kill()
        process.wait()
        if list(folder.glob(".*.tmp")):
            return
    pytest.fail("no kill fell into a save")


@pytest.mark.slow
def test_ctrl_c_loses_nothing(config, tmp_path):
    config = replace(config, num_repeats=12, save_state_every_n_steps=0)
    whole = elsewhere(config, "whole")
    train(whole)
    process = launch(config, tmp_path / "job")
    wait_for(lambda: steps_done(config) >= 17, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    done = steps_done(config)
    assert state.load_state(output(config).parent / "runs" / "cat" / "cat.state").step == done >= 17
    assert launch(config, tmp_path / "job").wait() == 0
    assert last_file(config) == last_file(whole)
    assert steps_done(config) == 90


def run_launcher(config, tmp_path, *launcher):
    settings.save(config, tmp_path / "run.toml")
    command = [sys.executable, "-m", *launcher, "-m", "lora_nb", "train", str(tmp_path / "run.toml")]
    result = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("Exactly") == 1
    files = sorted(path.name for path in output(config).glob("*.safetensors"))
    assert files == ["cat-01.safetensors", "cat-02.safetensors", "cat-03.safetensors"]


@pytest.mark.slow
def test_two_processes_do_the_steps_of_one(config, tmp_path):
    """Two real CPU processes: half the steps, one set of files, the weights of one process with accumulation 2."""
    config = replace(config, dropout=0.0)
    alone = elsewhere(replace(config, gradient_accumulation_steps=2), "alone")
    train(alone)
    run_launcher(config, tmp_path, "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29517")
    assert steps_done(config) == 3 * 4
    one, two = (read_lora(output(c) / "cat-03.safetensors").modules for c in (alone, config))
    for name in one:
        assert torch.allclose(one[name].up, two[name].up, atol=1e-5) and torch.allclose(
            one[name].down, two[name].down, atol=1e-4
        )


@pytest.mark.slow
def test_accelerate_launch_on_cpus(config, tmp_path):
    """Without mpirun accelerate starts one process for --num_processes 2 --cpu: the steps are that one's."""
    run_launcher(config, tmp_path, "accelerate.commands.launch", "--num_processes", "2", "--cpu")
    with safe_open(output(config) / "cat-03.safetensors", "pt") as opened:
        about = opened.metadata()
    processes = int(about["ss_total_batch_size"]) // config.length.train_batch_size
    assert steps_done(config) == int(about["ss_steps"]) == {1: 24, 2: 12}[processes]


def test_save_now_and_sample_now(config):
    told = []
    train(replace(config, sample_prompts=("ohwx --s 2",)), told.append, StopAt(save=5, sample=6, stop=7))
    (saved,) = [event for event in told if isinstance(event, events.Saved)]
    (drawn,) = [event for event in told if isinstance(event, events.Drawn)]
    assert (
        Path(saved.path).name == "cat-step000005.safetensors"
        and saved.step == 5
        and Path(saved.path).exists()
    )
    assert drawn.step == 6 and Path(drawn.paths[0]).exists()
    assert train(config).status == "done"


def test_drawing_samples_does_not_change_what_is_learnt(config):
    other = elsewhere(replace(config, sample_every_n_epochs=1, sample_prompts=("ohwx --s 2",)), "other")
    train(config)
    train(other)
    assert read_bytes_of_weights(config) == read_bytes_of_weights(other)


def read_bytes_of_weights(config):
    modules = read_lora(output(config) / "cat-03.safetensors").modules
    return {
        name: (module.down.numpy().tobytes(), module.up.numpy().tobytes()) for name, module in modules.items()
    }


def test_a_finished_run_is_not_trained_again(config):
    first = train(config)
    told = []
    again = train(config, told.append)
    assert again.files == first.files and "already finished" in again.text
    assert not any(isinstance(event, events.StepLog) for event in told)
    for path in first.files:
        Path(path).unlink()
    with pytest.raises(ValueError, match="no longer in .*restart"):
        train(config)


def test_the_output_of_another_run_is_left_alone(config):
    train(config)
    before = last_file(config)
    other = replace(config, rank=8)
    with pytest.raises(ValueError, match=r'other settings \(rank 4 -> 8\).*on_existing = "restart"'):
        train(other)
    assert last_file(config) == before
    train(replace(other, on_existing="restart"))
    (earlier,) = (output(config) / "earlier").iterdir()
    assert (earlier / "cat-03.safetensors").read_bytes() == before and (earlier / "cat.state").exists()
    assert (
        read_lora(output(config) / "cat-03.safetensors")
        .modules["lora_unet_down_blocks_0_attentions_0_proj_in"]
        .rank
        == 8
    )


def test_files_without_a_state_are_not_overwritten(config):
    folder = output(config)
    folder.mkdir(parents=True)
    (folder / "cat-02.safetensors").write_bytes(b"mine")
    with pytest.raises(ValueError, match="already holds cat-02.safetensors of another run"):
        train(config)
    assert (folder / "cat-02.safetensors").read_bytes() == b"mine"


def test_only_the_newest_files_are_kept_and_every_second_is_saved(config):
    done = train(replace(config, max_train_epochs=6, save_every_n_epochs=2, save_last_n_epochs=2))
    assert [Path(path).name for path in done.files] == ["cat-04.safetensors", "cat-06.safetensors"]
    assert sorted(path.name for path in output(config).iterdir()) == [
        f"cat-0{n}.{e}" for n in (4, 6) for e in ("json", "safetensors")
    ]


@pytest.mark.parametrize(
    ("rates", "kept"), [({"text_encoder_lr": 0.0}, "lora_unet"), ({"learning_rate": 0.0}, "lora_te")]
)
def test_what_is_not_trained_is_not_stored(config, rates, kept):
    done = train(replace(config, **rates))
    assert {"_".join(name.split("_")[:2]) for name in read_lora(done.files[-1]).modules} == {kept}


@pytest.mark.parametrize(
    "options",
    [
        {"mixed_precision": "bf16"},
        {"gradient_checkpointing": True},
        {"optimizer": "AdamW8bit"},
        {"clip_skip": 2, "max_token_length": 75},
        {"shuffle_caption": False, "text_encoder_lr": 0.0},
        {"min_snr_gamma": None, "noise_offset": 0.1, "max_grad_norm": 0.0},
        {"multires_noise_iterations": 6, "ip_noise_gamma": 0.1, "timestep_distribution": "logit_normal",
         "loss_type": "huber", "blank_prompt_preservation": 0.5},
        {"lr_scheduler": "polynomial", "lr_scheduler_power": 2.0, "lr_warmup_steps": 3.0},
        {"lr_scheduler": "constant_with_warmup"},
        {"max_train_steps": 11},
        {"max_data_loader_n_workers": 2},
    ],
    ids=str,
)  # fmt: skip
def test_every_way_to_train_works_and_resumes(config, options):
    if options.get("optimizer") == "AdamW8bit":
        pytest.importorskip("bitsandbytes", reason="bitsandbytes is an extra")
    config = replace(config, max_train_epochs=2, **options)
    whole = elsewhere(config, "whole")
    told = []
    train(whole, told.append)
    losses = [event.loss for event in told if isinstance(event, events.StepLog)]
    assert len(losses) == options.get("max_train_steps", 16) and all(0 < loss < 10 for loss in losses)
    train(config, poll=StopAt(stop=9))
    train(config)
    name = "cat-02.safetensors"
    assert (output(config) / name).read_bytes() == (output(whole) / name).read_bytes()


def test_gradient_checkpointing_changes_no_weight(config):
    other = elsewhere(replace(config, gradient_checkpointing=True), "other")
    train(config)
    train(other)
    ours, theirs = (read_lora(output(c) / "cat-03.safetensors").modules for c in (config, other))
    assert all(torch.allclose(ours[name].up, theirs[name].up, atol=1e-6) for name in ours)


def test_the_loss_falls(config):
    """One picture, one caption, a high rate: the mean loss of the last epoch is below that of the first."""
    folder = Path(config.place.train_data_dir)
    for path in sorted(folder.iterdir())[2:]:
        path.unlink()
    config = replace(
        config, num_repeats=60, learning_rate=5e-3, dropout=0.0, lr_scheduler="constant", min_snr_gamma=None
    )
    told = []
    train(config, told.append)
    first, *_, last = [event.loss for event in told if isinstance(event, events.EpochLog)]
    assert last < 0.97 * first


def test_learning_rates_follow_the_schedule(config):
    told = []
    train(
        replace(config, lr_scheduler="linear", lr_warmup_steps=4.0, learning_rate=1e-3, text_encoder_lr=1e-4),
        told.append,
    )
    steps = [event for event in told if isinstance(event, events.StepLog)]
    assert [round(event.lr_unet / 2.5e-4, 6) for event in steps[:4]] == [1, 2, 3, 4]
    assert steps[-1].lr_unet == 0 and all(
        event.lr_text_encoder == pytest.approx(event.lr_unet / 10) for event in steps
    )


def test_a_full_disk_is_told_and_loses_nothing(config, tmp_path):
    """A real full file system, where this machine lets us make one."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(small)], capture_output=True
    ).returncode:
        pytest.skip("this user may not mount a small file system")
    try:
        full = replace(
            config, output_dir=str(small / "output"), output_name="cat", rank=16, save_state_every_n_steps=0
        )
        with pytest.raises(OSError, match="No space left") as caught:
            train(full)
        assert caught.value.errno == 28
        assert not list(small.rglob("*.tmp"))
        for path in small.rglob("*.safetensors"):
            assert read_lora(path).modules
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_short_caption_is_not_padded_to_the_longest_allowed(config):
    """Limits of 75 and 225 tokens teach the same when every caption has fewer than 75."""
    short, long = elsewhere(replace(config, max_token_length=75), "short"), elsewhere(config, "long")
    train(short)
    train(long)
    assert read_bytes_of_weights(short) == read_bytes_of_weights(long)


def test_captions_longer_than_75_tokens_are_read_whole(config):
    """With long captions in some pictures a run at 225 tokens learns otherwise than one cut at 75."""
    folder = Path(config.place.train_data_dir)
    (folder / "00.txt").write_text("ohwx, " + ", ".join(["red circle", "blue square", "cat", "dog"] * 15))
    config = replace(config, shuffle_caption=False, text_encoder_lr=0.0)
    short, long = elsewhere(replace(config, max_token_length=75), "short"), elsewhere(config, "long")
    train(short)
    train(long)
    assert read_bytes_of_weights(short) != read_bytes_of_weights(long)


def test_a_folder_that_is_away_when_the_last_file_is_proven_is_waited_for(config):
    """As a Drive that stalls: away from the last figures on, back a moment later."""
    folder, told = output(config), []

    def leave(event):
        told.append(event)
        if isinstance(event, events.Spent) and event.step == last:
            folder.rename(folder.with_name("away"))
            threading.Timer(1.0, lambda: folder.with_name("away").rename(folder)).start()

    last = plan_run(config).total_steps
    end = train(config, leave)
    said = [event.text for event in told if isinstance(event, events.Notice)]
    assert end.status == "done" and any(f"{folder} answers again" in text for text in said)
    assert any("was read back" in text for text in said)
