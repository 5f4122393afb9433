"""A VAE in the place of a base's own, for each family: read, refused where it does not fit, said in the file."""

import json
import shutil

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from conftest import build_tiny_base
from ldm_layout import read_as_ldm
from lora_nb.bases.models import load_base
from lora_nb.bases.weights import file_hashes
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make, replace
from lora_nb.training.train import train
from tiny_sdxl import build_tiny_sdxl

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Bases with other weights, whose VAEs are wanted: of SD 1.5 and of SDXL."""
    folder = tmp_path_factory.mktemp("others")
    build_tiny_base(folder / "sd15", seed=7)
    build_tiny_sdxl(folder / "sdxl", seed=7)
    return folder


def as_file(folder, path, kind):
    """The VAE of a base as people have it: with the names of an LDM checkpoint, without their beginning, diffusers'."""
    if kind == "diffusers":
        return shutil.copy(folder / "vae" / WEIGHTS, path)
    tensors = {
        k: v.contiguous() for k, v in read_as_ldm(folder).items() if k.startswith("first_stage_model.")
    }
    bare = kind == "bare"
    save_file({k.removeprefix("first_stage_model.") if bare else k: v for k, v in tensors.items()}, path)
    return path


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_each_way_to_name_one_reads_the_same(others, tiny_base, tiny_sdxl, tmp_path, family):
    base = tiny_base if family == "sd15" else tiny_sdxl
    wanted = AutoencoderKL.from_pretrained(others / family / "vae").state_dict()
    plain = load_base(str(base))
    ways = [others / family, others / family / "vae"] + [
        as_file(others / family, tmp_path / f"{kind}.safetensors", kind)
        for kind in ("ldm", "bare", "diffusers")
    ]
    for way in ways:
        found = load_base(str(base), vae=str(way))
        assert all(torch.equal(value, wanted[name]) for name, value in found.vae.state_dict().items())
        assert not found.vae.training and not any(p.requires_grad for p in found.vae.parameters())
        assert found.fingerprint != plain.fingerprint and found.facts.vae_name == way.name
        assert not torch.equal(found.decode(torch.ones(1, 4, 4, 4)), plain.decode(torch.ones(1, 4, 4, 4)))
    assert plain.facts.vae_name == ""


def test_one_that_does_not_fit_is_refused(others, tiny_base, tmp_path):
    def refused(vae):
        with pytest.raises(ValueError) as error:
            load_base(str(tiny_base), vae=str(vae))
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "its scaling_factor is 0.13025, the base's 0.18215" in refused(others / "sdxl")
    assert "was not found: give a .safetensors file" in refused(tmp_path / "lost.safetensors")
    assert "not on this machine" in refused("nobody/never-seen")
    unet = others / "sd15" / "unet" / WEIGHTS
    assert "holds no VAE" in refused(unet)
    (tmp_path / "a.pt").write_bytes(b"\x80" * 100)
    assert "no .safetensors file" in refused(tmp_path / "a.pt")
    tensors = load_file(others / "sd15" / "vae" / WEIGHTS)
    short = {name: value for name, value in tensors.items() if name != "decoder.conv_out.weight"}
    save_file(short, tmp_path / "short.safetensors")
    assert "weights are missing" in refused(tmp_path / "short.safetensors")
    wide = {**tensors, "quant_conv.weight": torch.ones(16, 16, 1, 1)}
    save_file(wide, tmp_path / "wide.safetensors")
    assert "does not fit this base" in refused(tmp_path / "wide.safetensors")
    folder = shutil.copytree(others / "sd15" / "vae", tmp_path / "vae")
    config = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "latent_channels": 16}))
    assert "its latent_channels is 16" in refused(folder)


def test_a_run_with_one_learns_from_its_latents_and_says_so(others, tiny_base, make_pictures, tmp_path):
    make_pictures(tmp_path / "Loras" / "cat" / "dataset", 2)
    vae = as_file(others / "sd15", tmp_path / "other.vae.safetensors", "ldm")
    config = make(
        TrainConfig, pretrained_model_name_or_path=str(tiny_base), output_name="cat", num_repeats=1,
        train_data_dir=str(tmp_path / "Loras" / "cat" / "dataset"), max_train_epochs=1, learning_rate=0.01,
        trigger_word="ohwx", sample_every_n_epochs=0, grid=False, rank=2,
    )  # fmt: skip
    weights, about = {}, {}
    for name, chosen in (("own", ""), ("other", str(vae))):
        done = train(replace(config, vae=chosen, output_dir=str(tmp_path / name / "output")))
        with safe_open(done.files[-1], "pt") as opened:
            about[name] = opened.metadata()
            weights[name] = torch.cat([opened.get_tensor(key).flatten() for key in sorted(opened.keys())])
    assert not torch.equal(weights["own"], weights["other"])
    assert not any("vae" in key for key in about["own"])
    sha256, short = file_hashes(vae)
    said = about["other"]
    assert (said["ss_vae_name"], said["ss_vae_hash"]) == ("other.vae.safetensors", short)
    assert said["ss_new_vae_hash"] == sha256
    settings = json.loads(said["lora_nb_settings"])
    assert settings["vae"] == "other.vae.safetensors"
    with pytest.raises(ValueError, match="with other settings"):
        train(replace(config, vae="", output_dir=str(tmp_path / "other" / "output")))
