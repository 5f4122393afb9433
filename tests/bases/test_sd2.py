"""Stable Diffusion 2: known, loaded from both layouts, named as kohya does."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import save_file
from test_lookup import refused

from conftest import build_tiny_base
from ldm_layout import read_sd2_as_ldm
from lora_nb.bases import lookup, sd2, sd15, single_file
from lora_nb.bases.models import load_base
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.training.train import train


@pytest.fixture(scope="module")
def tiny_sd2(tmp_path_factory):
    """The folder of `tiny_base` with a U-Net of linear projections, which predicts a velocity."""
    folder = tmp_path_factory.mktemp("tiny_sd2")
    build_tiny_base(folder, "v_prediction")
    config = {**UNet2DConditionModel.load_config(folder / "unet"), "use_linear_projection": True}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        UNet2DConditionModel.from_config(config).save_pretrained(folder / "unet")
    said = folder / "tokenizer" / "tokenizer_config.json"
    said.write_text(json.dumps({**json.loads(said.read_text()), "pad_token": "!"}))
    return folder


@pytest.fixture
def layout(tiny_sd2):
    return replace(sd2.IN_A_FILE, configs=tiny_sd2)


def write(folder, path, **marks):
    save_file({key: value.contiguous() for key, value in read_sd2_as_ldm(folder).items()} | marks, path)
    return path


@pytest.mark.parametrize("half", [False, True])
def test_folder_and_single_file_hold_the_same_models(tiny_sd2, tmp_path, layout, half):
    base = load_base(str(tiny_sd2))
    assert base.tokenizer.pad_token_id == 0
    tensors = {
        key: (value.half() if half else value).contiguous()
        for key, value in read_sd2_as_ldm(tiny_sd2).items()
    }
    path = tmp_path / "two.safetensors"
    save_file(tensors, path)
    assert lookup.family_of(str(path)).title == "Stable Diffusion 2"
    found = single_file.load(path, torch.float32, layout)
    for model, part in ((found.texts[0], "text_encoder"), (found.vae, "vae"), (found.unet, "unet")):
        wanted, weights = (dict(one.named_parameters()) for one in (getattr(base, part), model))
        assert set(weights) == set(wanted)
        for name, weight in wanted.items():
            assert torch.equal(weights[name], weight.half().float() if half else weight), name


def test_a_file_that_does_not_say_what_it_predicts_is_refused(tiny_sd2, tmp_path, layout, monkeypatch):
    monkeypatch.setattr(sd2, "IN_A_FILE", layout)
    config = tiny_sd2 / "scheduler" / "scheduler_config.json"
    said = json.loads(config.read_text())
    config.write_text(json.dumps({key: value for key, value in said.items() if key != "prediction_type"}))
    monkeypatch.setattr(sd15, "tokenizer_folder", lambda path: tiny_sd2 / "tokenizer")
    path = write(tiny_sd2, tmp_path / "two.safetensors")
    with pytest.raises(ValueError, match="does not say what it predicts: set prediction_type = v_prediction"):
        load_base(str(path))
    assert load_base(str(path), prediction_type="epsilon").facts.version == "sd_v2"
    marked = write(tiny_sd2, tmp_path / "v.safetensors", v_pred=torch.zeros(0))
    base = load_base(str(marked))
    assert (base.facts.version, base.facts.architecture) == ("sd_v2_v", "stable-diffusion-v2-768-v/lora")
    assert base.tokenizer.pad_token == "!" and base.sha256
    config.write_text(json.dumps(said))


def test_it_trains_with_kohyas_names(tiny_sd2, make_pictures, tmp_path):
    make_pictures(tmp_path / "Loras" / "cat" / "dataset", 2)
    done = train(make(
        TrainConfig, pretrained_model_name_or_path=str(tiny_sd2), output_name="cat", num_repeats=1,
        train_data_dir=str(tmp_path / "Loras" / "cat" / "dataset"), max_train_epochs=1, learning_rate=0.01,
        trigger_word="ohwx", sample_every_n_epochs=0, grid=False, rank=2,
    ))  # fmt: skip
    with safe_open(done.files[-1], "pt") as opened:
        about, keys = opened.metadata(), list(opened.keys())
        shape = opened.get_tensor("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight").shape
    assert (about["ss_v2"], about["ss_base_model_version"]) == ("True", "sd_v2_v")
    assert about["modelspec.architecture"] == "stable-diffusion-v2-768-v/lora"
    assert len(shape) == 2
    assert {key.split("_")[1] for key in keys} == {"unet", "te"}


def test_a_folder_that_is_not_whole_is_named(tiny_sd2, tmp_path):
    folder = shutil.copytree(tiny_sd2, tmp_path / "two")
    shutil.rmtree(folder / "vae")
    assert refused(folder).endswith("it lacks vae")
