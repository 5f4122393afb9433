"""The blocks of a U-Net from its configuration: the very layers and parameters of the real class."""

import json
from pathlib import Path

import pytest

from lora_nb.bases.denoiser_blocks import blocks_of

PACKAGE = Path(__file__).parents[2] / "lora_nb"
WHOLE = {
    "sd15": 859_520_964, "sd2": 865_910_724, "sdxl": 2_567_463_684, "demo/base": 7_982_884,
}  # fmt: skip


def config_of(name):
    return json.loads((PACKAGE / name / "unet" / "config.json").read_text())


@pytest.fixture(params=list(WHOLE))
def both(request):
    """A configuration and the real model of it, without weights."""
    import torch
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return (
            request.param,
            config_of(request.param),
            UNet2DConditionModel.from_config(config_of(request.param)),
        )


def test_parameters_and_layers_are_those_of_the_real_model(both):
    from lora_nb.bases.sd15_parts import unet_more_targets, unet_targets

    name, config, model = both
    blocks = blocks_of(config)
    assert (
        sum(block.parameters for block in blocks) == sum(p.numel() for p in model.parameters()) == WHOLE[name]
    )
    for kinds, real in ((("frame", "transformer"), unet_targets), (("resnet", "sampler"), unet_more_targets)):
        mine = {layer.path for block in blocks if block.kind in kinds for layer in block.layers}
        assert mine == set(real(model))
    for block in blocks:
        for layer in block.layers:
            weight = model.get_submodule(layer.path).weight
            assert weight.shape[:2] == (layer.outer, layer.inner)
            assert len(weight.shape) == 2 or weight.shape[2] == layer.kernel


def test_levels_are_the_sizes_at_which_the_blocks_work(tiny_sdxl):
    import torch
    from diffusers import UNet2DConditionModel

    model = UNet2DConditionModel.from_pretrained(tiny_sdxl / "unet")
    config, seen = json.loads((tiny_sdxl / "unet" / "config.json").read_text()), {}
    for path, module in model.named_modules():
        if path.endswith("conv1"):
            module.register_forward_hook(lambda _, __, out, path=path: seen.update({path: out.shape[-1]}))
    more = {"text_embeds": torch.zeros(1, 40), "time_ids": torch.zeros(1, 6)}
    with torch.no_grad():
        model(torch.zeros(1, 4, 16, 16), 1, torch.zeros(1, 7, 80), added_cond_kwargs=more)
    resnets = [block for block in blocks_of(config) if block.kind == "resnet"]
    assert resnets and {block.layers[0].path: 16 >> block.level for block in resnets} == seen
