from dataclasses import replace

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageChops

from conftest import build_tiny_base
from lora_nb import settings
from lora_nb.bases.models import load_base
from lora_nb.bases.sd15_parts import load_in_diffusers, parts_of, text_encoder_targets, unet_targets
from lora_nb.bases.solver import make_solver
from lora_nb.config.drawing import SampleConfig
from lora_nb.config.samplers import SAMPLERS, USUAL
from lora_nb.drawing import sample
from lora_nb.drawing.sample import LoraCall, Prompt, parse_prompt, sample_images, split_lora_calls
from lora_nb.events import Drawn, Notice, Progress
from lora_nb.lora import inject, lora_file
from lora_nb.lora.lora_file import LoraFile
from lora_nb.lora.updates import LoraModule
from lora_nb.settings import make

ZERO_SNR = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
CAT = Prompt("a photo of a cat", steps=4, seed=1)


@pytest.fixture(scope="module")
def base(tiny_base):
    return load_base(str(tiny_base))


def make_lora(base_path, path, scale=0.5, seed=0, rank=2):
    """A LoRA file whose update is drawn from `seed`."""
    other = load_base(str(base_path))
    spec = inject.LoraSpec(rank=rank, alpha=1.0)
    inject.inject(other.unet, unet_targets(other.unet), spec, seed)
    inject.inject(other.text_encoder, text_encoder_targets(other.text_encoder), spec, seed)
    generator = torch.Generator().manual_seed(seed)
    modules = {
        name: LoraModule(m.down, scale * torch.randn(m.up.shape, generator=generator), m.alpha)
        for name, m in inject.modules(parts_of(other.unet, other.text_encoder)).items()
    }
    lora_file.write_lora(path, LoraFile(modules, {"ss_output_name": path.stem}), torch.float32)
    return path


@pytest.fixture
def lora_path(tiny_base, tmp_path):
    return make_lora(tiny_base, tmp_path / "cat-01.safetensors")


def same(first: Image.Image, second: Image.Image) -> bool:
    return first.tobytes() == second.tobytes()


def test_a_picture_is_drawn_as_the_base_is_said_to_predict(tiny_base, tmp_path):
    told = []
    config = make(
        SampleConfig,
        pretrained_model_name_or_path=str(tiny_base),
        prompts=("a cat",),
        steps=2,
        output_dir=str(tmp_path),
    )
    plain = sample.sample(config, told.append)
    assert not [event for event in told if isinstance(event, Notice)]
    other = sample.sample(settings.replace(config, prediction_type="v_prediction"), told.append)
    assert not same(Image.open(plain.files[0]), Image.open(other.files[0]))
    assert "v_prediction is followed" in next(event.text for event in told if isinstance(event, Notice))


def test_a_prompt_with_every_option():
    text = "a cat, sitting --n blurry, bad --w 512 --h 768 --s 12 --l 5.5 --d 7"
    assert parse_prompt(text, Prompt("")) == Prompt("a cat, sitting", "blurry, bad", 512, 768, 12, 5.5, 7)


def test_options_left_out_are_the_defaults():
    defaults = Prompt("", "ugly", 256, None, 9, 3.0, 5)
    assert parse_prompt("a well-known cat -- really", defaults) == Prompt(
        "a well-known cat -- really", "ugly", 256, None, 9, 3.0, 5
    )
    assert parse_prompt("--d 9", defaults).text == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cat --x 5", "--x is unknown"),
        ("cat --w wide", "--w: width"),
        ("cat --s 0", "from 1 to 200"),
        ("cat --d -2", "--d: seed"),
    ],
)
def test_a_bad_option_is_named(text, said):
    with pytest.raises(ValueError, match=said):
        parse_prompt(text, Prompt(""))


def test_lora_calls_in_a_prompt():
    assert split_lora_calls("a cat <lora:cat-03:0.8>, red") == ("a cat, red", [LoraCall("cat-03", 0.8, 0.8)])
    assert split_lora_calls("<lora:a>")[1] == [LoraCall("a", 1.0, 1.0)]
    assert split_lora_calls("<lora:a:0.5:0.9>")[1] == [LoraCall("a", 0.9, 0.5)]
    assert split_lora_calls("<lora:a:1:unet=0.2>")[1] == [LoraCall("a", 0.2, 1.0)]
    assert split_lora_calls("no  call,") == ("no  call,", [])
    with pytest.raises(ValueError, match="no number"):
        split_lora_calls("<lora:a:STRENGTH>")


def test_the_same_seed_draws_the_same_picture_whatever_else_is_drawn(base):
    other = Prompt("a dog", steps=4, seed=2)
    alone = sample_images(base, [CAT])[0]
    together = sample_images(base, [other, CAT])
    assert alone.size == (64, 64) and same(alone, together[1]) and not same(together[0], together[1])


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 3},
        {"text": "a red house"},
        {"negative": "a dog"},
        {"guidance": 2.0},
        {"guidance": 1.0},
        {"steps": 6},
    ],
)
def test_everything_in_a_prompt_matters(base, change):
    assert not same(*sample_images(base, [CAT, replace(CAT, **change)]))


def as_diffusers_draws(base, prompt, lora_path=None, zero_snr=False) -> Image.Image:
    """StableDiffusionPipeline's own picture from the same noise and solver."""
    pipeline = StableDiffusionPipeline(
        vae=base.vae, text_encoder=base.text_encoder, tokenizer=base.tokenizer, unet=base.unet,
        scheduler=make_solver({**base.scheduler_config, **(ZERO_SNR if zero_snr else {})}, prompt.sampler), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    if lora_path:
        load_in_diffusers(pipeline, lora_path)
    return pipeline(
        prompt.text, negative_prompt=prompt.negative, generator=torch.Generator().manual_seed(prompt.seed),
        num_inference_steps=prompt.steps, guidance_scale=prompt.guidance, width=64, height=64,
    ).images[0]  # fmt: skip


def nearly_same(first, second) -> bool:
    return ImageChops.difference(first, second).getextrema() <= ((0, 1),) * 3


@pytest.mark.parametrize("guidance", [1.0, 7.0])
def test_pictures_are_those_of_diffusers(base, guidance):
    prompt = replace(CAT, guidance=guidance, negative="a dog", steps=6)
    assert nearly_same(sample_images(base, [prompt])[0], as_diffusers_draws(base, prompt))


@pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_draws_as_it_does_in_diffusers(base, sampler):
    prompt = replace(CAT, negative="a dog", steps=5, sampler=sampler)
    drawn = sample_images(base, [prompt])[0]
    assert nearly_same(drawn, as_diffusers_draws(base, prompt))
    assert same(drawn, sample_images(base, [prompt])[0]), "its noise comes from the seed"
    assert sampler == USUAL or not same(drawn, sample_images(base, [replace(prompt, sampler=USUAL)])[0])


@pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_base_with_zero_snr_is_drawn_from_pure_noise_or_refused(base, sampler, monkeypatch):
    monkeypatch.setattr(base, "scheduler_config", {**base.scheduler_config, **ZERO_SNR})
    prompt = replace(CAT, steps=3, sampler=sampler)
    if not SAMPLERS[sampler].to_zero_snr:
        with pytest.raises(ValueError, match="zero terminal SNR.*take one of dpmpp_2m_karras"):
            sample_images(base, [prompt])
        return
    assert nearly_same(sample_images(base, [prompt])[0], as_diffusers_draws(base, prompt, zero_snr=True))


@pytest.mark.parametrize("name", ["DPM++ 2M Karras", "Euler a", "k_euler_a", "ddim", "dpmsolver++"])
def test_a_sampler_is_known_by_the_names_of_a1111_and_sd_scripts(name):
    assert parse_prompt(f"a cat --ss {name}", Prompt("")).sampler in SAMPLERS


def test_the_sampler_stands_in_the_picture(base):
    text = sample.parameters_text(base, replace(CAT, sampler="euler_a"), 1)
    assert "Sampler: Euler a, Schedule type: Automatic" in text


def test_pictures_with_a_lora_are_those_of_diffusers(tiny_base, lora_path):
    ours, theirs = load_base(str(tiny_base)), load_base(str(tiny_base))
    inject.apply(parts_of(ours.unet, ours.text_encoder), lora_file.read_lora(lora_path))
    drawn = sample_images(ours, [CAT])[0]
    assert nearly_same(drawn, as_diffusers_draws(theirs, CAT, lora_path))
    assert not nearly_same(drawn, sample_images(load_base(str(tiny_base)), [CAT])[0])


def test_weights_in_prompts_matter_and_escaped_brackets_do_not(base):
    texts = ["a photo of a cat", "a photo of a (cat:1.4)", "a photo of a [cat]", "a photo of BREAK a cat"]
    drawn = [sample_images(base, [replace(CAT, text=text)])[0] for text in texts]
    assert len({image.tobytes() for image in drawn}) == 4
    negative = [sample_images(base, [replace(CAT, negative=text)])[0] for text in ("dog", "(dog:1.5)")]
    assert not same(*negative)
    assert same(drawn[0], sample_images(base, [replace(CAT, text="a photo of a (cat:1.0)")])[0])


def test_clip_skip_matters(base):
    assert not same(sample_images(base, [CAT])[0], sample_images(base, [CAT], clip_skip=2)[0])


def test_sizes_are_the_nearest_the_base_can_draw(base):
    prompts = [
        Prompt("a cat", width=width, height=height, steps=1)
        for width, height in ((96, 32), (69, 77), (3, 64))
    ]
    assert [image.size for image in sample_images(base, prompts)] == [(96, 32), (72, 80), (8, 64)]


def test_prompts_of_any_length(base):
    long = Prompt("a photo of a cat, " * 60, "a dog", steps=1)
    assert sample_images(base, [long])[0].size == (64, 64)


def test_drawing_leaves_a_training_untouched(base):
    base.unet.train()
    base.text_encoder.encoder.layers[0].train() if hasattr(base.text_encoder, "encoder") else None
    modes = [module.training for model in (base.unet, base.text_encoder) for module in model.modules()]
    state = torch.get_rng_state()
    trained = sample_images(base, [CAT])[0]
    assert torch.equal(state, torch.get_rng_state())
    assert modes == [
        module.training for model in (base.unet, base.text_encoder) for module in model.modules()
    ]
    base.unet.eval()
    base.text_encoder.eval()
    assert same(trained, sample_images(base, [CAT])[0])


def test_v_prediction_bases_draw(tmp_path):
    build_tiny_base(tmp_path / "v", "v_prediction")
    build_tiny_base(tmp_path / "e", "epsilon")
    v, e = (sample_images(load_base(str(tmp_path / kind)), [CAT])[0] for kind in "ve")
    assert not same(v, e)


def test_half_precision_draws_nearly_the_same(base, tiny_base):
    half = load_base(str(tiny_base), torch.bfloat16)
    images = [
        torch.tensor(list(sample_images(b, [CAT])[0].tobytes()), dtype=torch.float) for b in (base, half)
    ]
    assert (images[0] - images[1]).abs().mean() < 12
    assert (half.unet.dtype, half.vae.dtype) == (torch.bfloat16, torch.float32)


def test_a_black_picture_is_an_error(tiny_base):
    broken = load_base(str(tiny_base))
    broken.unet.conv_out.bias.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="would be black"):
        sample_images(broken, [CAT])


@pytest.mark.parametrize("spacing", ["trailing", "leading"])
def test_zero_snr_bases_have_their_own_noise_levels_and_begin_with_pure_noise(base, spacing):
    config = {**base.scheduler_config, "rescale_betas_zero_snr": True, "timestep_spacing": spacing}
    scheduler = make_solver(config)
    scheduler.set_timesteps(5)
    assert scheduler.sigmas.isfinite().all() and int(scheduler.timesteps[0]) == 999


def test_the_sample_verb(tiny_base, lora_path, tmp_path):
    told = []
    config = make(SampleConfig,
        pretrained_model_name_or_path=str(tiny_base), lora=str(lora_path), strength=0.5,
        output_dir=str(tmp_path / "out"),
        prompts=("a cat <lora:x:1> --d 5", "a dog --w 96 --n bad"), steps=2, negative_prompt="ugly",
    )  # fmt: skip
    finished = sample.sample(config, told.append)
    assert finished.status == "done" and len(finished.files) == 2
    again = sample.sample(config)
    assert not set(again.files) & set(finished.files)
    first, second = (Image.open(path) for path in finished.files)
    assert same(first, Image.open(again.files[0])) and second.size == (96, 64)
    lines = first.text["parameters"].splitlines()
    assert lines[:2] == ["a cat <lora:cat-01:0.5>", "Negative prompt: ugly"]
    digest = lora_file.read_lora(lora_path).metadata["sshs_model_hash"]
    assert lines[2].startswith(
        "Steps: 2, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 64x64"
    )
    assert lines[2].endswith(f'Lora hashes: "cat-01: {digest[:12]}"')
    assert "Negative prompt: bad" in second.text["parameters"]
    assert [type(event) for event in told].count(Drawn) == 2 and told[-1] == Progress("Drawing", 2, 2)
    assert any(isinstance(event, Notice) and event.level == "warning" for event in told)


def test_strength_0_draws_the_bases_own_picture(tiny_base, lora_path, tmp_path):
    options = {"pretrained_model_name_or_path": str(tiny_base), "prompts": ("a cat",), "steps": 2}
    drawn = [
        Image.open(
            sample.sample(make(SampleConfig, output_dir=str(tmp_path / name), **options, **more)).files[0]
        )
        for name, more in (
            ("base", {}),
            ("zero", {"lora": str(lora_path), "strength": 0.0}),
            ("full", {"lora": str(lora_path)}),
        )
    ]
    assert same(drawn[0], drawn[1]) and not same(drawn[0], drawn[2])


def test_no_prompt_is_an_error(tiny_base, tmp_path):
    with pytest.raises(ValueError, match="prompts is empty"):
        sample.sample(
            make(SampleConfig, pretrained_model_name_or_path=str(tiny_base), output_dir=str(tmp_path))
        )


def test_an_open_seed_is_drawn_told_and_written(tiny_base, tmp_path):
    told = []
    config = make(SampleConfig,
        pretrained_model_name_or_path=str(tiny_base), prompts=("a cat", "a dog", "a house --d -1", "red --d 5"),
        output_dir=str(tmp_path / "out"), steps=2, seed=0,
    )  # fmt: skip
    finished = sample.sample(config, told.append)
    drawn = [int(text.split(" = ")[1].split()[0]) for text in (e.text for e in told if isinstance(e, Notice))]
    seeds = [
        int(Image.open(path).info["parameters"].split("Seed: ")[1].split(",")[0]) for path in finished.files
    ]
    assert seeds == [drawn[0], drawn[0], drawn[1], 5] and len(set(seeds)) == 3 and min(seeds) > 0
