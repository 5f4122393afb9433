"""Which layers learn, how fast, and with which rank: block by block as sd-scripts numbers them, and by their names."""

import math
import re
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from lora_nb.bases.blocks import SD_BLOCKS, SDXL_BLOCKS
from lora_nb.bases.sd15_parts import parts_of, text_encoder_targets, unet_more_targets, unet_targets
from lora_nb.config.network import Network
from lora_nb.lora import inject
from lora_nb.lora.groups import groups_of
from lora_nb.lora.kind import LoraSpec, Shape
from lora_nb.lora.shapes import shapes_of, weights_of

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def parts():
    """The U-Net of a full size, without weights; what reads text has no part in blocks."""
    with torch.device("meta"):
        return parts_of(UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8), None)


def kohyas_number(name):
    """sd-scripts' number of the block of a layer in an SD 1.5, from the name in the file."""
    found = re.search(r"(up|down)_blocks_(\d+)_(resnets|upsamplers|downsamplers|attentions)_(\d+)_", name)
    if not found:
        return 12 if "mid_block_" in name else -1
    way, level, module, number = found[1], int(found[2]), found[3], int(found[4])
    index = 3 * level + (2 if "samplers" in module else number)
    return 1 + index if way == "down" else 13 + index


def test_blocks_have_sd_scripts_numbers(parts):
    unet = parts[0]
    paths = unet_targets(unet.model) + unet_more_targets(unet.model)
    assert len(paths) == 278
    assert all(SD_BLOCKS.number(path) == kohyas_number(unet.layer_name(path)) for path in paths)
    assert {SD_BLOCKS.number(path) for path in paths} == set(range(1, 25))
    # SDXL: input_blocks.N is 1 + N, middle_block.N 10 + N, output_blocks.N 13 + N
    for path, number in (
        ("down_blocks.0.resnets.0.conv1", 1 + 1), ("down_blocks.0.downsamplers.0.conv", 1 + 3),
        ("down_blocks.1.attentions.0.proj_in", 1 + 4), ("down_blocks.2.attentions.1.proj_in", 1 + 8),
        ("mid_block.resnets.0.conv1", 10), ("mid_block.attentions.0.proj_in", 11), ("mid_block.resnets.1.conv2", 12),
        ("up_blocks.0.attentions.0.proj_in", 13), ("up_blocks.0.upsamplers.0.conv", 15), ("up_blocks.2.resnets.2.conv1", 21),
    ):  # fmt: skip
        assert SDXL_BLOCKS.number(path) == number


def test_ranks_and_alphas_of_each_block(parts):
    dims, alphas = [0, *range(1, 25)], [1.0 + n for n in range(25)]
    network = Network(
        block_dims=tuple(dims),
        block_alphas=tuple(alphas),
        conv_block_dims=(2,) * 25,
        conv_block_alphas=(7.0,) * 25,
    )
    found = shapes_of(parts[0], network)
    assert found["down_blocks.0.attentions.1.proj_in"] == Shape(2, 3.0)
    assert found["up_blocks.3.attentions.2.transformer_blocks.0.attn2.to_k"] == Shape(24, 25.0)
    assert found["down_blocks.0.resnets.0.conv1"] == Shape(2, 7.0)
    assert found["down_blocks.1.resnets.0.conv_shortcut"] == Shape(4, 5.0)
    without = shapes_of(parts[0], Network(block_dims=tuple([0] * 12 + [4] * 13)))
    assert len(without) == 120 and not any(path.startswith("down_blocks") for path in without)
    alone = shapes_of(parts[0], Network(rank=8, block_alphas=tuple(alphas)))
    assert alone["down_blocks.0.attentions.0.proj_in"] == Shape(8, 2.0)


def test_conv_alpha_is_in_proportion_unless_it_is_given(parts):
    path = "down_blocks.0.resnets.0.conv1"
    assert shapes_of(parts[0], Network(rank=16, alpha=4.0, conv_rank=8))[path] == Shape(8, 2.0)
    assert shapes_of(parts[0], Network(rank=16, alpha=4.0, conv_rank=8, conv_alpha=1.0))[path] == Shape(
        8, 1.0
    )
    assert path not in shapes_of(parts[0], Network(rank=16, alpha=4.0))


PRESETS = {
    "cosine": [math.sin(math.pi * (i / 11) / 2) for i in reversed(range(12))],
    "sine": [math.sin(math.pi * (i / 11) / 2) for i in range(12)],
    "linear": [i / 11 for i in range(12)],
    "reverse_linear": [i / 11 for i in reversed(range(12))],
    "zeros": [0.0] * 12,
}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_sd_scripts(parts, preset):
    wanted = PRESETS[preset]
    assert weights_of(parts[0], Network(down_lr_weight=preset)) == wanted + [1.0] * 13
    assert weights_of(parts[0], Network(up_lr_weight=f"{preset}+.25", mid_lr_weight="0.5")) == [
        *[1.0] * 12, 0.5, *(share + 0.25 for share in wanted),
    ]  # fmt: skip


def test_a_block_of_0_is_left_out_and_the_others_learn_at_their_rate(tiny_base):
    unet = UNet2DConditionModel.from_pretrained(tiny_base, subfolder="unet").requires_grad_(False)
    part = parts_of(unet, None)[0]
    network = Network(rank=2, alpha=2.0, down_lr_weight="0," * 11 + "0", up_lr_weight=",".join(["0.5"] * 12))
    found = shapes_of(part, network)
    assert found and not any(path.startswith("down_blocks") for path in found)
    parameters = inject.inject(unet, found, LoraSpec(2, 2.0), 1)
    groups = groups_of(part, network, 1e-3)
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates.pop("unet/block12", 1e-3) == 1e-3 and set(rates.values()) == {5e-4}
    assert {id(p) for group in groups for p in group["params"]} == {id(p) for p in parameters}
    less = Network(down_lr_weight="linear", block_lr_zero_threshold=0.5)
    assert weights_of(part, less)[:7] == [0.0] * 6 + [6 / 11]


def test_without_blocks_or_ratios_a_part_is_one_group(tiny_base):
    unet = UNet2DConditionModel.from_pretrained(tiny_base, subfolder="unet").requires_grad_(False)
    part = parts_of(unet, None)[0]
    parameters = inject.inject(unet, part.targets(unet), LoraSpec(2, 2.0), 1)
    (group,) = groups_of(part, Network(), 1e-3)
    assert (group["name"], group["lr"]) == ("unet", 1e-3)
    assert [id(p) for p in group["params"]] == [id(p) for p in parameters]


def test_lora_plus_lets_up_learn_faster(tiny_base):
    unet = UNet2DConditionModel.from_pretrained(tiny_base, subfolder="unet").requires_grad_(False)
    part = parts_of(unet, None)[0]
    inject.inject(unet, part.targets(unet), LoraSpec(2, 2.0), 1)
    ups = {id(layer.lora_B["default"].weight) for _, layer in inject.layers_of(unet).values()}
    for network in (
        Network(loraplus_lr_ratio=16.0),
        Network(loraplus_unet_lr_ratio=16.0, loraplus_lr_ratio=2.0, loraplus_text_encoder_lr_ratio=3.0),
    ):
        groups = {group["name"]: group for group in groups_of(part, network, 1e-3)}
        assert {name: group["lr"] for name, group in groups.items()} == {"unet": 1e-3, "unet/up": 1.6e-2}
        assert {id(p) for p in groups["unet/up"]["params"]} == ups
    (plain,) = groups_of(part, Network(loraplus_text_encoder_lr_ratio=4.0), 1e-3)
    assert plain["name"] == "unet"


@pytest.mark.parametrize("kind", ["loha", "lokr"])
@pytest.mark.parametrize("name", ["dropout", "loraplus_lr_ratio", "loraplus_unet_lr_ratio"])
def test_what_suits_loras_alone_is_refused_for_loha_and_lokr(kind, name):
    """Of a file that a run begins from too, whose kind is known later."""
    value = 0.5 if name == "dropout" else 2.0
    with pytest.raises(ValueError, match=f"{name} has no effect on {kind}"):
        Network(network_type=kind, **{name: value})
    later = Network(network_type=kind, network_weights="x.safetensors", **{name: value})
    with pytest.raises(ValueError, match=f"{name} has no effect on {kind}"):
        later.refuse_unsuited({"lora", kind})
    later.refuse_unsuited({"lora", "dora"})


def test_only_some_layers_by_their_names(parts, base):
    unet = parts[0]
    crossing = shapes_of(unet, Network(only_layers="attn2"))
    assert len(crossing) == 64 and all(".attn2." in path for path in crossing)
    rest = shapes_of(unet, Network(skip_layers="attn2"))
    assert len(rest) == 128 and not rest.keys() & crossing.keys()
    one = shapes_of(unet, Network(only_layers="up_blocks_1_.*to_[kv]$", skip_layers="attn1"))
    assert len(one) == 6
    assert len(shapes_of(base.parts[1], Network(only_layers="self_attn"))) < len(
        text_encoder_targets(base.text_encoder)
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"block_dims": (4,) * 23}, "block_dims holds 23 numbers, and this base has 25 blocks"),
        ({"down_lr_weight": "1,1"}, 'down_lr_weight = "1,1" is not usable: give 12 numbers'),
        ({"up_lr_weight": "sinus"}, "cosine, sine, linear, reverse_linear, zeros"),
        ({"mid_lr_weight": "sine"}, "give 1 numbers of 0 or more"),
        ({"down_lr_weight": ",".join(["-1"] * 12)}, "numbers of 0 or more"),
        ({"up_lr_weight": "sine+x"}, "is not usable"),
    ],
)
def test_values_that_do_not_suit_the_base_are_told(parts, settings, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        shapes_of(parts[0], Network(**settings))


def test_a_base_without_numbered_blocks_says_so(base):
    class Unnumbered:
        name, model, reads_text, blocks = "other", base.unet, False, None
        targets, more_targets = staticmethod(unet_targets), staticmethod(unet_more_targets)
        layer_name = staticmethod(lambda path: path)

    with pytest.raises(ValueError, match="block_dims cannot be used: this base's blocks have no numbers"):
        shapes_of(Unnumbered(), Network(block_dims=(4,) * 25))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"block_lr_zero_threshold": 0.1}, "block_lr_zero_threshold has no effect"),
        ({"use_tucker": True, "network_type": "loha"}, "use_tucker has no effect without conv_rank"),
        ({"lokr_factor": 0}, "lokr_factor = 0"),
        ({"only_layers": "attn["}, "only_layers"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Network(**settings)
