import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import build_tiny_base
from lora_nb.bases import sd15_files
from lora_nb.bases.models import load_base

LONG = "a photo of a red circle, " * 30


@pytest.fixture
def folder(tiny_base, tmp_path):
    return shutil.copytree(tiny_base, tmp_path / "base")


def test_a_folder_loads_frozen(base, tiny_base):
    parameters = [p for model in (base.unet, base.text_encoder, base.vae) for p in model.parameters()]
    assert not any(p.requires_grad for p in parameters)
    assert {p.dtype for p in parameters} == {torch.float32}
    assert not (base.unet.training or base.text_encoder.training or base.vae.training)
    assert base.name == tiny_base.name and base.prediction_type == "epsilon"
    assert base.factor == 4 and base.unit == 8


def test_half_precision(tiny_base):
    base = load_base(str(tiny_base), torch.float16)
    assert {p.dtype for p in base.unet.parameters()} == {torch.float16}
    assert (base.text_encoder.dtype, base.vae.dtype) == (torch.float16, torch.float32)


def test_the_fingerprint_follows_the_weights(base, folder):
    assert load_base(str(folder)).fingerprint == base.fingerprint
    shutil.rmtree(folder)
    build_tiny_base(folder, "v_prediction", seed=1)
    other = load_base(str(folder))
    assert other.fingerprint != base.fingerprint and other.prediction_type == "v_prediction"


def test_half_precision_files_and_pickled_ones_load(base, folder):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(
        {k: v.half() for k, v in load_file(path).items()},
        path.with_name("diffusion_pytorch_model.fp16.safetensors"),
    )
    path.unlink()
    text = folder / "text_encoder" / "model.safetensors"
    torch.save(load_file(text), text.with_name("pytorch_model.bin"))
    text.unlink()
    loaded = load_base(str(folder))
    for name, weight in base.unet.state_dict().items():
        assert torch.equal(loaded.unet.state_dict()[name], weight.half().float())
    states = base.text_encoder.state_dict()
    assert all(torch.equal(states[name], value) for name, value in loaded.text_encoder.state_dict().items())


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
def test_missing_weights_are_never_made_up(folder, part):
    path = next((folder / part).glob("*.safetensors"))
    tensors = load_file(path)
    lost = next(key for key in tensors if key.endswith("weight"))
    save_file({key: value for key, value in tensors.items() if key != lost}, path, {"format": "pt"})
    with pytest.raises(ValueError, match="weights are missing|could not be read"):
        load_base(str(folder))
    path.unlink()
    with pytest.raises(ValueError, match="holds no weights"):
        load_base(str(folder))


def test_a_truncated_weight_file_is_named(folder):
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="cut off"):
        load_base(str(folder))


@pytest.mark.parametrize(
    ("part", "content"),
    [("text_encoder", '{"a":' * 100_000), ("vae", "[]"), ("vae", '{"block_out_channels": "x"}'), ("unet", '{"sample_size": '),
     ("text_encoder", '{"model_type": "clip_text_model", "hidden_size": 0}'), ("vae", '{"norm_num_groups": 0}')],
)  # fmt: skip
def test_a_damaged_config_is_one_sentence(folder, part, content):
    (folder / part / "config.json").write_text(content)
    with pytest.raises(ValueError) as error:
        load_base(str(folder))
    assert part in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_prediction_type_is_refused(folder):
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "prediction_type": "sample"}))
    with pytest.raises(ValueError, match="predicts sample"):
        load_base(str(folder))


def test_a_hub_id_offline_is_one_sentence():
    with pytest.raises(ValueError, match="connect to the internet") as error:
        load_base("nobody/never-seen")
    assert "\n" not in str(error.value)


def test_one_weight_file_per_model_is_downloaded():
    names = [
        "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors",
        "text_encoder/pytorch_model.fp16.bin", "text_encoder/pytorch_model.bin",
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "safety_checker/model.safetensors", "v1-5-pruned.safetensors",
    ]  # fmt: skip
    assert sd15_files.FILES.layout.chosen(names) == [
        "text_encoder/pytorch_model.bin", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    ]  # fmt: skip


def test_gradient_checkpointing_gives_the_same_states(tiny_base):
    base = load_base(str(tiny_base))
    plain = base.encode(["a cat"], 2, 75).states
    base.text_encoder.requires_grad_(True)
    base.text_encoder.train()
    base.text_encoder.gradient_checkpointing_enable()
    again = base.encode(["a cat"], 2, 75).states
    assert torch.equal(plain, again)
    again.sum().backward()


def test_pictures_are_encoded_as_the_vae_does(base):
    pixels = torch.rand(2, 3, 64, 96) * 2 - 1
    mean, std = base.encode_images(pixels)
    assert mean.shape == std.shape == (2, 4, 16, 24)
    assert torch.equal(mean, base.vae.encode(pixels).latent_dist.mode())
