"""LoRA in the models: what is trained, what a file does to a base, how strength acts."""

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from lora_nb import lora
from lora_nb.lora_file import LoraFile, LoraModule, read_lora, text_encoder_name, unet_name, write_lora
from lora_nb.verify import load_in_diffusers

SPEC = lora.LoraSpec(rank=4, alpha=2.0)


@pytest.fixture
def pipeline(tiny_base):
    return StableDiffusionPipeline.from_pretrained(tiny_base, safety_checker=None)


def inject_both(unet, text_encoder, spec=SPEC, seed=1):
    return [
        *lora.inject(unet, lora.unet_targets(unet), spec, seed),
        *lora.inject(text_encoder, lora.text_encoder_targets(text_encoder), spec, seed),
    ]


def randomize_up(unet, text_encoder):
    generator = torch.Generator().manual_seed(5)
    named = lora.modules(unet, text_encoder)
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
        inject_both(unet, text_encoder, lora.LoraSpec(8, 4.0))
    ours = {
        f"{name}\tdown{tuple(module.down.shape)}\tup{tuple(module.up.shape)}\talpha={module.alpha}"
        for name, module in lora.modules(unet, text_encoder).items()
    }
    wanted = set((Path(__file__).parent / "data" / "keys_sd15_lora_r8.tsv").read_text().splitlines())
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
    lora.load(pipeline.unet, pipeline.text_encoder, read_lora(path))
    ours = predict(pipeline.unet, pipeline.text_encoder)

    theirs = StableDiffusionPipeline.from_pretrained(tiny_base, safety_checker=None)
    base = predict(theirs.unet, theirs.text_encoder)
    load_in_diffusers(theirs, path, "x")
    assert torch.allclose(ours, predict(theirs.unet, theirs.text_encoder), atol=1e-5)
    theirs.set_adapters(["x"], [0.5])
    lora.set_strength(pipeline.unet, pipeline.text_encoder, 0.5)
    half = predict(pipeline.unet, pipeline.text_encoder)
    assert torch.allclose(half, predict(theirs.unet, theirs.text_encoder), atol=1e-5)
    lora.set_strength(pipeline.unet, pipeline.text_encoder, 0.0)
    assert torch.equal(predict(pipeline.unet, pipeline.text_encoder), base)
    assert not torch.allclose(ours, base, atol=1e-3) and not torch.allclose(half, ours, atol=1e-3)


def test_switched_off_the_models_are_the_base_and_then_as_before(pipeline):
    base = predict(pipeline.unet, pipeline.text_encoder)
    inject_both(pipeline.unet, pipeline.text_encoder)
    lora.load(pipeline.unet, pipeline.text_encoder, randomize_up(pipeline.unet, pipeline.text_encoder))
    lora.set_strength(pipeline.unet, pipeline.text_encoder, 0.5, 0.0)
    ours = predict(pipeline.unet, pipeline.text_encoder)
    with (
        pytest.raises(KeyboardInterrupt),
        lora.switched_off(pipeline.unet, pipeline.text_encoder),
    ):
        assert torch.equal(predict(pipeline.unet, pipeline.text_encoder), base)
        raise KeyboardInterrupt
    assert torch.equal(predict(pipeline.unet, pipeline.text_encoder), ours) and not torch.equal(ours, base)


def test_a_file_is_applied_with_its_own_ranks_and_layers(pipeline):
    """A file of the U-Net alone, one layer of another rank and alpha: the update is up @ down * alpha / rank."""
    path = next(p for p in lora.unet_targets(pipeline.unet) if p.endswith("attn1.to_q"))
    layer = pipeline.unet.get_submodule(path)
    down, up = torch.randn(3, layer.in_features), torch.randn(layer.out_features, 3)
    x = torch.randn(2, layer.in_features)
    wanted = layer(x) + x @ down.T @ up.T * 6.0 / 3
    lora.apply(
        pipeline.unet, pipeline.text_encoder, LoraFile({unet_name(path): LoraModule(down, up, 6.0)}, {})
    )
    assert torch.allclose(pipeline.unet.get_submodule(path)(x), wanted, atol=1e-4)


def test_a_lora_of_another_base_is_refused(pipeline):
    module = LoraModule(torch.ones(4, 32), torch.ones(32, 4), 4.0)
    strange = LoraFile({"lora_te1_text_model_x": module}, {})
    with pytest.raises(ValueError, match="does not fit this base.*lora_te1_text_model_x"):
        lora.apply(pipeline.unet, pipeline.text_encoder, strange)
    name = text_encoder_name(lora.text_encoder_targets(pipeline.text_encoder)[0])
    with pytest.raises(ValueError, match="does not fit this base"):
        lora.apply(
            pipeline.unet,
            pipeline.text_encoder,
            LoraFile({name: LoraModule(torch.ones(4, 999), torch.ones(32, 4), 4.0)}, {}),
        )
