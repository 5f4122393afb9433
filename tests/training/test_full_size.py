"""A real training on a full-size Stable Diffusion 1.5 (random weights): the file other programs expect."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel

from conftest import write_model_index
from lora_nb.bases import stable_files
from lora_nb.bases.sd15_parts import load_in_diffusers
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.training.train import train

KEYS = Path(__file__).parents[1] / "data" / "keys_sd15_lora_r8.tsv"


@pytest.fixture(scope="module")
def full_size_base(tmp_path_factory):
    """The real configurations with random weights, in half precision on disk."""
    folder = tmp_path_factory.mktemp("sd15")
    layout = stable_files.VOCABULARY
    torch.manual_seed(0)
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(layout, subfolder="unet"))
    assert sum(parameter.numel() for parameter in unet.parameters()) == 859_520_964
    unet.half().save_pretrained(folder / "unet")
    AutoencoderKL.from_config(AutoencoderKL.load_config(layout, subfolder="vae")).half().save_pretrained(
        folder / "vae"
    )
    CLIPTextModel(CLIPTextConfig.from_pretrained(layout / "text_encoder")).half().save_pretrained(
        folder / "text_encoder"
    )
    shutil.copytree(layout / "tokenizer", folder / "tokenizer")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(
        (layout / "scheduler" / "scheduler_config.json").read_text()
    )
    write_model_index(folder)
    return folder


@pytest.mark.slow
def test_rank_8_at_256_px(full_size_base, make_pictures, tmp_path):
    make_pictures(tmp_path / "dataset", 2, size=(300, 260))
    config = make(
        TrainConfig,
        pretrained_model_name_or_path=str(full_size_base),
        train_data_dir=str(tmp_path / "dataset"),
        output_name="full",
        resolution=256,
        num_repeats=1,
        train_batch_size=1,
        max_train_epochs=1,
        rank=8,
        alpha=4.0,
        save_precision="fp32",
        max_token_length=75,
        lr_warmup_steps=0.0,
        sample_every_n_epochs=0,
        grid=False,
    )
    done = train(config)
    assert done.status == "done" and len(done.files) == 1
    path = Path(done.files[0])
    check_names_and_shapes(path)
    check_hash(path)
    check_diffusers(path, full_size_base)


def check_names_and_shapes(path):
    tensors = load_file(path)
    assert len(tensors) == 792 and all(value.is_floating_point() for value in tensors.values())
    names = [key.removesuffix(".alpha") for key in tensors if key.endswith(".alpha")]
    found = {
        f"{name}\tdown{tuple(tensors[name + '.lora_down.weight'].shape)}"
        f"\tup{tuple(tensors[name + '.lora_up.weight'].shape)}"
        f"\talpha={tensors[name + '.alpha'].item()}"
        for name in names
    }
    assert found == set(KEYS.read_text().splitlines()) and len(found) == 264
    assert tensors["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"].shape == (8, 1280, 1, 1)


def check_hash(path):
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    about = json.loads(content[8:start])["__metadata__"]
    assert about["sshs_model_hash"] == hashlib.sha256(content[start:]).hexdigest()


def check_diffusers(path, base):
    pipeline = StableDiffusionPipeline.from_pretrained(base, safety_checker=None, torch_dtype=torch.float16)
    load_in_diffusers(pipeline, path)
    layers = [
        sum(isinstance(layer, LoraLayer) for layer in model.modules())
        for model in (pipeline.unet, pipeline.text_encoder)
    ]
    assert layers == [192, 72]
