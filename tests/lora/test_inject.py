"""LoRA in the models: what is trained, what a file does to a base, how strength acts."""

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from lora_nb.bases.sd15_parts import (
    load_in_diffusers,
    parts_of,
    text_encoder_name,
    text_encoder_targets,
    unet_name,
    unet_targets,
)
from lora_nb.lora import inject
from lora_nb.lora.lora_file import LoraFile, read_lora, write_lora
from lora_nb.lora.updates import LoraModule

SPEC = inject.LoraSpec(rank=4, alpha=2.0)


@pytest.fixture
def pipeline(tiny_base):
    return StableDiffusionPipeline.from_pretrained(tiny_base, safety_checker=None)


def inject_both(unet, text_encoder, spec=SPEC, seed=1):
    return [
        *inject.inject(unet, unet_targets(unet), spec, seed),
        *inject.inject(text_encoder, text_encoder_targets(text_encoder), spec, seed),
    ]


def randomize_up(unet, text_encoder):
    generator = torch.Generator().manual_seed(5)
    named = inject.modules(parts_of(unet, text_encoder))
    return LoraFile(
        {
            name: LoraModule(m.down, torch.randn(m.up.shape, generator=generator) * 0.3, m.alpha)
            for name, m in named.items()
        },
        {},
    )


@torch.no_grad()
def predict(unet, text_encoder):
    hidden = text_encoder(torch.arange(77)[None] % 50).last_hidden_state
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    return unet(latents, 500, hidden).sample


def test_modules_of_the_full_size_sd15_are_kohyas():
    """Names and shapes of all 264 layers, on the meta device, against the list measured from sd-scripts."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768, sample_size=64, attention_head_dim=8)
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=768,
                intermediate_size=3072,
                num_hidden_layers=12,
                num_attention_heads=12,
                projection_dim=768,
            )
        )
        inject_both(unet, text_encoder, inject.LoraSpec(8, 4.0))
    ours = {
        f"{name}\tdown{tuple(module.down.shape)}\tup{tuple(module.up.shape)}\talpha={module.alpha}"
        for name, module in inject.modules(parts_of(unet, text_encoder)).items()
    }
    wanted = set((Path(__file__).parents[1] / "data" / "keys_sd15_lora_r8.tsv").read_text().splitlines())
    assert len(wanted) == 264 and ours == wanted


def test_a_fresh_update_changes_nothing_and_is_drawn_from_the_seed(pipeline, tiny_base):
    before = predict(pipeline.unet, pipeline.text_encoder)
    parameters = inject_both(pipeline.unet, pipeline.text_encoder)
    assert torch.equal(predict(pipeline.unet, pipeline.text_encoder), before)
    assert all(p.requires_grad and p.dtype == torch.float32 for p in parameters)
    trained = [
        p for model in (pipeline.unet, pipeline.text_encoder) for p in model.parameters() if p.requires_grad
    ]
    assert {id(p) for p in trained} == {id(p) for p in parameters}
    again = StableDiffusionPipeline.from_pretrained(tiny_base, safety_checker=None)
    torch.manual_seed(99)
    same, other = inject_both(again.unet, again.text_encoder), torch.rand(1)
    assert all(torch.equal(a, b) for a, b in zip(parameters, same, strict=True))
    torch.manual_seed(99)
    assert torch.equal(torch.rand(1), other)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_half_precision_base_gets_a_full_precision_update(pipeline, dtype):
    parameters = inject_both(pipeline.unet.to(dtype), pipeline.text_encoder.to(dtype))
    assert {p.dtype for p in parameters} == {torch.float32}


def test_our_file_does_in_diffusers_what_it_does_here(pipeline, tiny_base, tmp_path):
    inject_both(pipeline.unet, pipeline.text_encoder)
    file = randomize_up(pipeline.unet, pipeline.text_encoder)
    path = tmp_path / "x-01.safetensors"
    write_lora(path, file, torch.float32)
    inject.load(parts_of(pipeline.unet, pipeline.text_encoder), read_lora(path))
    ours = predict(pipeline.unet, pipeline.text_encoder)

    theirs = StableDiffusionPipeline.from_pretrained(tiny_base, safety_checker=None)
    base = predict(theirs.unet, theirs.text_encoder)
    load_in_diffusers(theirs, path, "x")
    assert torch.allclose(ours, predict(theirs.unet, theirs.text_encoder), atol=1e-5)
    theirs.set_adapters(["x"], [0.5])
    inject.set_strength(parts_of(pipeline.unet, pipeline.text_encoder), 0.5)
    half = predict(pipeline.unet, pipeline.text_encoder)
    assert torch.allclose(half, predict(theirs.unet, theirs.text_encoder), atol=1e-5)
    inject.set_strength(parts_of(pipeline.unet, pipeline.text_encoder), 0.0)
    assert torch.equal(predict(pipeline.unet, pipeline.text_encoder), base)
    assert not torch.allclose(ours, base, atol=1e-3) and not torch.allclose(half, ours, atol=1e-3)


def test_switched_off_the_models_are_the_base_and_then_as_before(pipeline):
    base = predict(pipeline.unet, pipeline.text_encoder)
    inject_both(pipeline.unet, pipeline.text_encoder)
    inject.load(
        parts_of(pipeline.unet, pipeline.text_encoder), randomize_up(pipeline.unet, pipeline.text_encoder)
    )
    inject.set_strength(parts_of(pipeline.unet, pipeline.text_encoder), 0.5, 0.0)
    ours = predict(pipeline.unet, pipeline.text_encoder)
    with (
        pytest.raises(KeyboardInterrupt),
        inject.switched_off(parts_of(pipeline.unet, pipeline.text_encoder)),
    ):
        assert torch.equal(predict(pipeline.unet, pipeline.text_encoder), base)
        raise KeyboardInterrupt
    assert torch.equal(predict(pipeline.unet, pipeline.text_encoder), ours) and not torch.equal(ours, base)


class Kohyas(torch.nn.Module):
    """One layer as in sd-scripts' networks/lora.py: org(x) + up(dropout(down(x))) * scale."""

    def __init__(self, layer):
        super().__init__()
        self.org, self.scale = layer.get_base_layer(), layer.scaling["default"]
        self.down, self.up = layer.lora_A["default"], layer.lora_B["default"]

    def forward(self, x):
        plain = torch.nn.functional.conv2d if self.down.weight.dim() == 4 else torch.nn.functional.linear
        inner = torch.nn.functional.dropout(plain(x, self.down.weight), 0.3, self.training)
        return self.org(x) + plain(inner, self.up.weight) * self.scale


@pytest.mark.parametrize("end", ["attn1.to_q", "proj_in"])
def test_dropout_drops_what_sd_scripts_drops(pipeline, end):
    """The same draw of chance, linear and convolution: outputs and gradients are those of the formula."""
    inject_both(pipeline.unet, pipeline.text_encoder, inject.LoraSpec(4, 2.0, 0.3))
    inject.load(
        parts_of(pipeline.unet, pipeline.text_encoder), randomize_up(pipeline.unet, pipeline.text_encoder)
    )
    path = next(path for path in unet_targets(pipeline.unet) if path.endswith(f"{end}.base_layer"))
    layer = pipeline.unet.get_submodule(path.removesuffix(".base_layer"))
    theirs = Kohyas(layer)
    shape = (5, theirs.org.in_channels, 3, 3) if end == "proj_in" else (2, 5, theirs.org.in_features)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    for training in (True, False):
        results = []
        for module in (layer.train(training), theirs.train(training)):
            torch.manual_seed(11)
            layer.zero_grad()
            output = module(x)
            output.square().sum().backward()
            gradients = [theirs.down.weight.grad.clone(), theirs.up.weight.grad.clone()]
            results.append([output.detach(), *gradients])
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*results, strict=True))
    torch.manual_seed(12)
    assert not torch.allclose(layer.train()(x), results[0][0], atol=1e-3)


def test_dropout_is_out_of_the_way_where_nothing_is_trained(pipeline):
    """Drawing and the base alone: no draw of chance is used up, the answers are those without dropout."""
    base = predict(pipeline.unet, pipeline.text_encoder)
    inject_both(pipeline.unet, pipeline.text_encoder, inject.LoraSpec(4, 2.0, 0.3))
    inject.load(
        parts_of(pipeline.unet, pipeline.text_encoder), randomize_up(pipeline.unet, pipeline.text_encoder)
    )
    pipeline.unet.train()
    torch.manual_seed(5)
    with inject.switched_off(parts_of(pipeline.unet, pipeline.text_encoder)):
        assert torch.equal(predict(pipeline.unet, pipeline.text_encoder), base)
    assert torch.equal(torch.get_rng_state(), torch.manual_seed(5).get_state())
    first, second = (predict(pipeline.unet, pipeline.text_encoder) for _ in range(2))
    assert not torch.equal(first, second)
    for model in (pipeline.unet, pipeline.text_encoder):
        model.eval()
    still, again = (predict(pipeline.unet, pipeline.text_encoder) for _ in range(2))
    assert torch.equal(still, again)


def test_dropout_under_gradient_checkpointing_drops_the_same_again(tiny_base):
    """What is computed again on the way back draws the same mask: the gradients are those without checkpointing."""
    gradients = []
    for checkpointing in (False, True):
        unet = UNet2DConditionModel.from_pretrained(tiny_base, subfolder="unet").requires_grad_(False)
        parameters = inject.inject(unet, unet_targets(unet), inject.LoraSpec(4, 2.0, 0.3), 1)
        torch.manual_seed(2)
        for parameter in parameters[1::2]:
            torch.nn.init.normal_(parameter)
        unet.train()
        if checkpointing:
            unet.enable_gradient_checkpointing()
        torch.manual_seed(7)
        unet(torch.ones(1, 4, 16, 16), 500, torch.ones(1, 77, 32)).sample.square().sum().backward()
        gradients.append([parameter.grad for parameter in parameters])
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(*gradients, strict=True))


def test_a_file_is_applied_with_its_own_ranks_and_layers(pipeline):
    """A file of the U-Net alone, one layer of another rank and alpha: the update is up @ down * alpha / rank."""
    path = next(p for p in unet_targets(pipeline.unet) if p.endswith("attn1.to_q"))
    layer = pipeline.unet.get_submodule(path)
    down, up = torch.randn(3, layer.in_features), torch.randn(layer.out_features, 3)
    x = torch.randn(2, layer.in_features)
    wanted = layer(x) + x @ down.T @ up.T * 6.0 / 3
    inject.apply(
        parts_of(pipeline.unet, pipeline.text_encoder),
        LoraFile({unet_name(path): LoraModule(down, up, 6.0)}, {}),
    )
    assert torch.allclose(pipeline.unet.get_submodule(path)(x), wanted, atol=1e-4)


def test_a_lora_of_another_base_is_refused(pipeline):
    module = LoraModule(torch.ones(4, 32), torch.ones(32, 4), 4.0)
    strange = LoraFile({"lora_te1_text_model_x": module}, {})
    with pytest.raises(ValueError, match="does not fit this base.*lora_te1_text_model_x"):
        inject.apply(parts_of(pipeline.unet, pipeline.text_encoder), strange)
    name = text_encoder_name(text_encoder_targets(pipeline.text_encoder)[0])
    with pytest.raises(ValueError, match="does not fit this base"):
        inject.apply(
            parts_of(pipeline.unet, pipeline.text_encoder),
            LoraFile({name: LoraModule(torch.ones(4, 999), torch.ones(32, 4), 4.0)}, {}),
        )
