"""Stable Diffusion XL: known, loaded, told of prompts and sizes as the peers do."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file
from test_lookup import refused

from ldm_layout import read_sdxl_as_ldm
from lora_nb.bases import lookup, process, sdxl, sdxl_files, single_file
from lora_nb.bases.base import Drawing, Framing
from lora_nb.bases.models import load_base
from tiny_sdxl import build_tiny_sdxl

LONG = "a photo of a red circle, " * 30
FRAMINGS = [Framing((1000, 1500), (0, 16), (832, 1216)), Framing((64, 64), (0, 0), (64, 64))]


@pytest.fixture(scope="module")
def base(tiny_sdxl):
    return load_base(str(tiny_sdxl))


def test_a_folder_is_known_and_loads_frozen(base, tiny_sdxl):
    assert lookup.family_of(str(tiny_sdxl)).title == "Stable Diffusion XL"
    assert isinstance(base, sdxl.StableDiffusionXL)
    models = (base.unet, base.text_encoder, base.text_encoder_2, base.vae)
    assert not any(p.requires_grad for model in models for p in model.parameters())
    assert not any(model.training for model in models)
    assert (base.factor, base.unit, base.native_size) == (4, 16, 64)
    assert sdxl_files.FILES.native_resolution(str(tiny_sdxl)) == 64
    assert sdxl_files.FILES.picture_unit(str(tiny_sdxl)) == 16
    assert base.scale(torch.ones(1)) == pytest.approx(0.13025)
    facts = base.facts
    assert (facts.version, facts.sd_version) == ("sdxl_base_v1-0", "SDXL")
    assert facts.architecture == "stable-diffusion-xl-v1-base/lora"
    assert facts.implementation == "https://github.com/Stability-AI/generative-models"


def test_the_vae_stays_in_float32(tiny_sdxl):
    base = load_base(str(tiny_sdxl), torch.float16)
    assert base.vae.dtype == torch.float32
    assert {model.dtype for model in (base.unet, base.text_encoder, base.text_encoder_2)} == {torch.float16}


@pytest.mark.parametrize("kind", ["fp32", "fp16"])
def test_a_single_file_holds_the_same_models(base, tiny_sdxl, tmp_path, kind):
    path = tmp_path / "xl.safetensors"
    half = kind == "fp16"
    tensors = {
        key: (value.half() if half else value).contiguous()
        for key, value in read_sdxl_as_ldm(tiny_sdxl).items()
    }
    save_file(tensors, path)
    assert lookup.family_of(str(path)).title == "Stable Diffusion XL"
    found = single_file.load(path, torch.float32, replace(sdxl.IN_A_FILE, configs=tiny_sdxl))
    for model, part in (
        *zip(found.texts, ("text_encoder", "text_encoder_2"), strict=True), (found.vae, "vae"), (found.unet, "unet")
    ):  # fmt: skip
        wanted = dict(getattr(base, part).named_parameters())
        weights = dict(model.named_parameters())
        assert set(weights) == set(wanted)
        for name, weight in wanted.items():
            assert torch.equal(weights[name], weight.half().float() if half else weight), name


def test_a_file_says_what_it_predicts(tiny_sdxl, tmp_path):
    path = tmp_path / "xl.safetensors"
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    save_file({key: value.contiguous() for key, value in read_sdxl_as_ldm(tiny_sdxl).items()} | marks, path)
    found = single_file.load(path, torch.float32, replace(sdxl.IN_A_FILE, configs=tiny_sdxl))
    config = found.scheduler_config
    assert config["prediction_type"] == "v_prediction" and config["rescale_betas_zero_snr"]


@pytest.mark.parametrize("told", [False, True])
def test_v_prediction_down_to_pure_noise(tmp_path, told):
    """As its scheduler says, or as the settings do; the weights of the loss come from the rescaled schedule."""
    build_tiny_sdxl(tmp_path / "v", *(() if told else ("v_prediction", True)))
    base = load_base(str(tmp_path / "v"), **(
        {"prediction_type": "v_prediction", "zero_terminal_snr": "yes"} if told else {}
    ))  # fmt: skip
    assert base.prediction_type == "v_prediction" and len(base.notes) == 2 * told
    assert (base.facts.prediction, base.facts.zero_terminal_snr) == ("v", True)
    assert base.process.signal[-1] < 1e-6
    plain = process.alphas_cumprod({**base.scheduler_config, "rescale_betas_zero_snr": False})
    assert plain[-1] > 1e-3
    base.process.check("v")


def test_what_is_no_whole_sdxl_is_named(tiny_sdxl, tmp_path):
    path, tensors = tmp_path / "xl.safetensors", read_sdxl_as_ldm(tiny_sdxl)
    whole = {key: value.contiguous() for key, value in tensors.items()}
    save_file({key: value for key, value in whole.items() if "embedders.1" not in key}, path)
    assert "lacks the second text encoder: choose a whole Stable Diffusion XL" in refused(path)
    save_file({key.replace("embedders.1", "embedders.0"): value for key, value in whole.items()}, path)
    assert "the refiner of Stable Diffusion XL" in refused(path)
    save_file(whole, path)
    with pytest.raises(ValueError, match="not that of Stable Diffusion XL"):
        load_base(str(path))
    folder = shutil.copytree(tiny_sdxl, tmp_path / "base")
    shutil.rmtree(folder / "tokenizer_2")
    assert refused(folder).endswith("it lacks tokenizer_2")
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "cross_attention_dim": 1280}))
    assert "holds the refiner" in refused(folder)


@pytest.mark.parametrize("clip_skip", [2, 12])
def test_clip_skip_is_refused_since_it_would_do_nothing(base, tiny_sdxl, clip_skip):
    for asked in (
        lambda: base.check_text_layer(clip_skip),
        lambda: base.encode(["a cat"], clip_skip, 75),
        lambda: lookup.family_of(str(tiny_sdxl)).check_text_layer("", clip_skip),
    ):
        with pytest.raises(ValueError, match=f"clip_skip = {clip_skip} has no effect on Stable Diffusion XL"):
            asked()


@pytest.mark.parametrize("tokens", [75, 150, 225])
def test_prompts_are_encoded_as_sd_scripts_does(base, tokens):
    captions = ["a cat", LONG, "", "cat " * 75]
    with torch.no_grad():
        found = base.encode(captions, 1, tokens)
        wanted = [as_in_sd_scripts(base, text, tokens) for text in captions]
    assert found.states.shape == (4, tokens + 2, 80)
    assert torch.allclose(found.states, torch.stack([states for states, _ in wanted]), atol=1e-6)
    assert torch.allclose(found.more["pooled"], torch.stack([pooled for _, pooled in wanted]), atol=1e-6)


def as_in_sd_scripts(base, text: str, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """strategy_sdxl.py: rows of 77 of each tokenizer, the layer before the last without a norm, pooled at the first end."""
    models, states = (base.text_encoder, base.text_encoder_2), []
    for tokenizer, model in zip(base.tokenizers, models, strict=True):
        ids = tokenizer(text, padding="max_length", truncation=True, max_length=tokens + 2).input_ids
        rows = [ids] if tokens == 75 else [
            row_of(ids, start, tokenizer) for start in range(1, tokens - 75 + 2, 75)
        ]  # fmt: skip
        answer = model(torch.tensor(rows), output_hidden_states=True)
        layer = answer.hidden_states[-2]
        states.append(torch.cat([layer[0, :1], *(row[1:-1] for row in layer), layer[-1, -1:]]))
    end = rows[0].index(base.tokenizers[1].eos_token_id)
    return torch.cat(states, dim=1), base.text_encoder_2.text_projection(answer.last_hidden_state[0, end])


def row_of(ids: list[int], start: int, tokenizer) -> list[int]:
    row = [ids[0], *ids[start : start + 75], ids[-1]]
    if row[-2] not in (tokenizer.eos_token_id, tokenizer.pad_token_id):
        row[-1] = tokenizer.eos_token_id
    if row[1] == tokenizer.pad_token_id:
        row[1] = tokenizer.eos_token_id
    return row


def test_the_second_tokenizer_pads_with_nothing(base):
    ids = [tokenizer("cat", padding="max_length", max_length=77).input_ids for tokenizer in base.tokenizers]
    assert ids[0][3] == base.tokenizers[0].eos_token_id and ids[1][3] == base.tokenizers[1].pad_token_id == 0


def test_six_numbers_are_original_crop_and_size_height_first(base):
    assert sdxl.six_numbers(FRAMINGS).tolist() == [[1500, 1000, 16, 0, 1216, 832], [64, 64, 0, 0, 64, 64]]
    pipe = base.pipeline()
    theirs = pipe._get_add_time_ids((1500, 1000), (16, 0), (1216, 832), torch.float32, 40)
    assert theirs.tolist() == sdxl.six_numbers(FRAMINGS[:1]).tolist()


@torch.no_grad()
def test_the_denoiser_is_told_of_prompt_pooled_state_and_sizes(base):
    noisy, times = (
        torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0)),
        torch.tensor([5, 900]),
    )
    told = base.encode(["a cat", "a dog"], 1, 75)
    answer = base.predict(noisy, times, told, FRAMINGS)
    wanted = base.unet(
        noisy, times, encoder_hidden_states=told.states,
        added_cond_kwargs={
            "text_embeds": told.more["pooled"],
            "time_ids": torch.tensor([[1500, 1000, 16, 0, 1216, 832], [64, 64, 0, 0, 64, 64]]),
        },
    ).sample  # fmt: skip
    assert torch.equal(answer, wanted)
    other = replace(told, more={"pooled": told.more["pooled"] + 1})
    assert not torch.equal(base.predict(noisy, times, other, FRAMINGS), answer)
    assert not torch.equal(base.predict(noisy, times, told, FRAMINGS[::-1]), answer)


@torch.no_grad()
def test_a_picture_is_drawn_as_diffusers_pipeline_does(base, tiny_sdxl):
    from lora_nb.bases.solver import make_solver

    noise = torch.randn(1, 4, 16, 24, generator=torch.Generator().manual_seed(1))
    told = base.encode(["a red cat", "a dog"], 1, 75)
    ours = base.denoise(noise, told.row(0), told.row(1), Drawing(4, 5.0), (96, 64))
    pipe = StableDiffusionXLPipeline.from_pretrained(tiny_sdxl, add_watermarker=False)
    pipe.scheduler = make_solver(base.scheduler_config)
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        "a red cat", negative_prompt="a dog", latents=noise, num_inference_steps=4, guidance_scale=5.0,
        width=96, height=64, output_type="latent",
    ).images  # fmt: skip
    assert torch.allclose(ours, theirs, atol=1e-4)
    pixels = base.decode(ours)
    assert pixels.shape == (1, 3, 64, 96)


def test_gradient_checkpointing_gives_the_same_gradients(tiny_sdxl):
    gradients = []
    for checkpointed in (False, True):
        base = load_base(str(tiny_sdxl))
        base.text_encoder_2.requires_grad_(True)
        if checkpointed:
            base.checkpoint_gradients()
        base.text_encoder_2.train()
        told = base.encode(["a cat"], 1, 75)
        base.predict(torch.ones(1, 4, 16, 16), torch.tensor([5]), told, FRAMINGS[1:]).sum().backward()
        gradients.append([p.grad for p in base.text_encoder_2.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 40
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(*gradients, strict=True))


def test_its_fingerprint_follows_both_text_encoders(base, tiny_sdxl, tmp_path):
    folder = shutil.copytree(tiny_sdxl, tmp_path / "base")
    path = folder / "text_encoder_2" / "model.safetensors"
    save_file({key: value + 1 for key, value in load_file(path).items()}, path, {"format": "pt"})
    assert load_base(str(folder)).fingerprint != base.fingerprint == load_base(str(tiny_sdxl)).fingerprint


def test_of_a_repository_with_both_the_smaller_weights_are_taken_but_of_the_vae():
    names = [
        f"{part}/{name}{half}.safetensors"
        for half in ("", ".fp16")
        for part, name in (("text_encoder", "model"), ("text_encoder_2", "model"),
                           ("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"))
    ]  # fmt: skip
    chosen = sdxl_files.FILES.layout.chosen(names)
    assert [".fp16." in name for name in chosen] == [True, True, True, False]
    assert "tokenizer_2/vocab.json" in sdxl_files.FILES.layout.described(["tokenizer_2/vocab.json"])
