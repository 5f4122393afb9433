"""Sizes of a base's models from headers and configurations: those of the loaded ones, and of what is not here yet."""

import pytest
from safetensors.torch import save_file

from lora_nb.bases import model_sizes
from lora_nb.bases.model_sizes import sizes_of


def test_a_folder_is_measured_as_it_loads(tiny_base, base):
    sizes = sizes_of(str(tiny_base))
    assert sizes.denoiser.parameters == sum(p.numel() for p in base.unet.parameters())
    assert sizes.vae.parameters == sum(p.numel() for p in base.vae.parameters())
    assert sizes.texts[0].parameters == pytest.approx(
        sum(p.numel() for p in base.text_encoder.parameters()), rel=0.01
    )
    assert sizes.denoiser.dtype == "F32" and sizes.download == 0 and not sizes.single_file


def test_sdxl_has_two_text_models(tiny_sdxl):
    assert len(sizes_of(str(tiny_sdxl)).texts) == 2


def test_what_is_not_here_is_counted_from_the_usual_configuration():
    sizes = sizes_of("nobody/has-this-base")
    assert sizes.denoiser.parameters == 859_520_964 and sizes.texts[0].parameters == 123_060_480
    assert sizes.download == 4 * (859_520_964 + 123_060_480 + 83_653_863)
    xl = sizes_of("sdxl")
    assert [each.parameters for each in xl.texts] == [123_060_480, 694_659_840]
    assert 6.9e9 < xl.download < 7.3e9  # fp16, but for the VAE


def test_a_single_file_is_told_apart_by_its_keys(tmp_path):
    import torch

    path = tmp_path / "cut.safetensors"
    parts = {"model.diffusion_model.x": 6, "first_stage_model.y": 5, "cond_stage_model.transformer.z": 4}
    save_file({name: torch.zeros(n, dtype=torch.float16) for name, n in parts.items()}, path)
    sizes = model_sizes._of_file(path, model_sizes.FAMILIES["sd15"])
    assert (sizes.denoiser.parameters, sizes.vae.parameters, sizes.texts[0].parameters) == (6, 5, 4)
    assert sizes.denoiser.dtype == "F16" and sizes.single_file


def test_a_name_that_is_no_base_is_said(tmp_path):
    with pytest.raises((ValueError, OSError)):
        sizes_of(str(tmp_path / "nothing.safetensors"))
