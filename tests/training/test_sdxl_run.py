"""A Stable Diffusion XL trained as people do it: in a terminal, killed, gone on with, drawn."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from test_train import StopAt

from lora_nb.bases.base import Framing
from lora_nb.bases.models import load_base
from lora_nb.config.drawing import GridConfig
from lora_nb.config.training import TrainConfig
from lora_nb.drawing.grid import grid
from lora_nb.lora.lora_file import read_lora
from lora_nb.settings import make, replace, save
from lora_nb.training import state
from lora_nb.training.batches import Batch
from lora_nb.training.objective import Objective
from lora_nb.training.plan import plan_run
from lora_nb.training.train import train

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def config(tiny_sdxl, make_pictures, tmp_path):
    make_pictures(tmp_path / "Loras" / "cat" / "dataset", 4)
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_sdxl),
        train_data_dir=str(tmp_path / "Loras" / "cat" / "dataset"),
        output_name="cat",
        num_repeats=2,
        max_train_epochs=2,
        rank=4,
        alpha=2.0,
        learning_rate=0.01,
        text_encoder_lr=0.01,
        trigger_word="ohwx",
        source_date_epoch=1_700_000_000,
        save_precision="fp32",
        save_state_every_n_steps=1,
        sample_every_n_epochs=0,
        grid=False,
    )


def elsewhere(config, folder):
    return replace(config, output_dir=str(folder / "output"))


def test_a_run_in_a_terminal_killed_and_gone_on_with_gives_equal_bytes(config, tmp_path):
    config = replace(config, sample_every_n_epochs=1, sample_prompts=("ohwx --s 2",))
    whole = train(elsewhere(config, tmp_path / "whole"))
    assert [Path(path).name for path in whole.files] == ["cat-01.safetensors", "cat-02.safetensors"]
    cut = elsewhere(config, tmp_path / "cut")
    save(cut, tmp_path / "run.toml")
    line = [sys.executable, "-m", "lora_nb", "train", str(tmp_path / "run.toml")]
    process = subprocess.Popen(line, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not state.state_path(cut.place).exists() and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "changes the model's answer" in done.stdout
    assert "Going on with the run that stopped after step" in done.stdout
    for file in whole.files:
        assert Path(file).read_bytes() == (tmp_path / "cut" / "output" / Path(file).name).read_bytes()
    assert Image.open(tmp_path / "cut" / "output" / "cat-02.png").size == (64, 64)
    with safe_open(whole.files[-1], "pt") as opened:
        about = opened.metadata()
    assert (about["ss_base_model_version"], about["ss_v2"]) == ("sdxl_base_v1-0", "False")
    assert about["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    assert about["modelspec.implementation"] == "https://github.com/Stability-AI/generative-models"
    modules = read_lora(Path(whole.files[-1])).modules
    prefixes = ("lora_te1_text_model_", "lora_te2_text_model_", "lora_unet_")
    assert {name[: name.index("_", 5)] for name in modules} == {"lora_te1", "lora_te2", "lora_unet"}
    learnt = {
        prefix: any(not m.is_zero for n, m in modules.items() if n.startswith(prefix)) for prefix in prefixes
    }
    assert all(learnt.values())
    last = [name for name in modules if name.startswith("lora_te1_text_model_encoder_layers_2_")]
    assert len(last) == 6 and all(modules[name].is_zero for name in last)  # its layer is read before it
    drawn = grid(make(
        GridConfig, pretrained_model_name_or_path=config.base.pretrained_model_name_or_path, steps=1,
        lora_dir=str(tmp_path / "cut" / "output"), output_name="cat", trigger_word="ohwx",
        output_dir=str(tmp_path / "grid"), y_values=("STRENGTH", "0", "1"),
    ))  # fmt: skip
    assert len(drawn.files) == 2


def test_without_its_text_encoders_their_outputs_are_kept_and_it_goes_on_exactly(config, tmp_path):
    config = replace(config, text_encoder_lr=0.0, shuffle_caption=False, gradient_checkpointing=True)
    whole = train(elsewhere(config, tmp_path / "whole"))
    assert all(name.startswith("lora_unet_") for name in read_lora(Path(whole.files[-1])).modules)
    cut = elsewhere(config, tmp_path / "cut")
    assert train(cut, poll=StopAt(stop=3)).status == "stopped"
    assert [Path(file).read_bytes() for file in train(cut).files] == [
        Path(file).read_bytes() for file in whole.files
    ]


@torch.no_grad()
def test_the_loss_sees_where_a_picture_was_cropped_and_its_outputs_are_kept(config):
    base = load_base(config.base.pretrained_model_name_or_path)
    objective = Objective(
        config.loss, replace(config, shuffle_caption=False).captions, False, base, torch.device("cpu")
    )
    chance = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(2, 1, 4, 16, 16, generator=chance)

    def loss(framing):
        batch = Batch(latents, noise, torch.tensor([300]), ("a cat",), (), (), (framing,))
        return objective.losses(batch).minimised

    plain = Framing((64, 64), (0, 0), (64, 64))
    assert torch.equal(loss(plain), loss(plain)) and len(objective.known) == 1
    for other in (Framing((90, 64), (0, 0), (64, 64)), Framing((64, 64), (0, 16), (64, 64))):
        assert not torch.equal(loss(other), loss(plain))


def test_buckets_of_its_own_resolution(config):
    """At 1024 px the longest side is 2048, the sides are multiples of 64, and 32 can be had."""
    xl = plan_run(replace(config, resolution=1024)).config.pictures
    assert (xl.min_bucket_reso, xl.max_bucket_reso, xl.bucket_reso_steps) == (256, 2048, 64)
    assert (
        plan_run(replace(config, resolution=1024, bucket_reso_steps=32)).config.pictures.bucket_reso_steps
        == 32
    )
    assert (
        plan_run(replace(config, max_bucket_reso=1536, resolution=1024)).config.pictures.max_bucket_reso
        == 1536
    )
    assert plan_run(config).resolution == 64
    with pytest.raises(ValueError, match="clip_skip = 2 has no effect on Stable Diffusion XL"):
        plan_run(replace(config, clip_skip=2))
