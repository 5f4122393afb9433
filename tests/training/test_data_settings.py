"""No setting of the data does nothing: each changes what it should of an epoch, and a run with all of them goes on exactly."""

import tempfile
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from lora_nb import events, settings
from lora_nb.bases.process import Diffusion
from lora_nb.config.examples import Caching, Captions, Pictures
from lora_nb.config.training import TrainConfig
from lora_nb.dataset.images import mask_path
from lora_nb.settings import make
from lora_nb.training.batches import EpochDataset, texts_vary
from lora_nb.training.latents import encode_pictures
from lora_nb.training.objective import Objective
from lora_nb.training.plan import plan_run
from lora_nb.training.train import train

STILL = {"shuffle_caption": False}
DROPS = {"shuffle_caption": False, "caption_tag_dropout_rate": 1.0}
SMALL = {"resolution": 32}
# Each setting: with what, what it is set to, and which part of an epoch must be another for it, and no other part.
SHOWN = {
    "resolution": ({}, "32,64", "pixels"),
    "num_repeats": ({}, 3, "counted"),
    "flip_aug": ({}, True, "pixels"),
    "enable_bucket": ({}, False, "pixels"),
    "min_bucket_reso": ({}, 64, "pixels"),
    "max_bucket_reso": ({"min_bucket_reso": 32}, 64, "pixels"),
    "bucket_reso_steps": ({}, 32, "pixels"),
    "bucket_no_upscale": ({"resolution": 96}, True, "pixels"),
    "resize_interpolation": (SMALL, "nearest", "pixels"),
    "random_crop": ({}, True, "pixels"),
    "face_crop_aug_range": ({}, (1.0, 2.0), "pixels"),
    "color_aug": ({}, True, "pixels"),
    "augmented_views": ({"random_crop": True}, 3, "pixels"),
    "alpha_mask": ({}, True, "masks"),
    "balance": ({}, True, "counted"),
    "subsets": ({}, ('folder = "1_wide", num_repeats = 4',), "counted"),
    "reg_data_dir": ({}, "REG", "counts"),
    "dataset_config": ({}, "FILE", "counted"),
    "trigger_word": ({}, "sks", "captions"),
    "shuffle_caption": ({"keep_tokens": 0}, False, "captions"),
    "keep_tokens": (DROPS, 2, "captions"),
    "caption_dropout_rate": ({}, 1.0, "captions"),
    "caption_dropout_every_n_epochs": ({}, 2, "captions"),
    "caption_tag_dropout_rate": (STILL, 0.5, "captions"),
    "keep_tokens_separator": (DROPS, "|||", "captions"),
    "caption_separator": (DROPS, ".", "captions"),
    "secondary_separator": (STILL, "|||", "captions"),
    "enable_wildcard": (STILL, True, "captions"),
    "caption_prefix": (STILL, "x,", "captions"),
    "caption_suffix": (STILL, "x", "captions"),
    "token_warmup_step": (STILL, 0.9, "captions"),
    "token_warmup_min": ({**STILL, "token_warmup_step": 0.9}, 0, "captions"),
    "caption_extension": (STILL, ".cap", "captions"),
    "max_token_length": (STILL, 75, "texts"),
    "clip_skip": (STILL, 2, "texts"),
    "cache_latents_to_disk": ({}, True, "files"),
    "vae_batch_size": ({}, 3, "asked"),
    "cache_text_encoder_outputs": ({"text_encoder_lr": 0.0, "keep_tokens": 0}, True, "captions"),
    "caption_variants": (
        {"text_encoder_lr": 0.0, "keep_tokens": 0, "cache_text_encoder_outputs": True}, 2, "captions",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """The second epoch of a run."""

    pixels: list
    captions: list
    counted: int
    masks: list
    counts: list
    texts: list
    files: int
    asked: list


def with_a_face(path):
    """The picture under a name that says where its face is."""
    path.with_suffix(".txt").unlink()
    return path.rename(path.with_name("00_90_40_16_20.png"))


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path, monkeypatch):
    """Three pictures, one of them see-through and without a caption; a wide one in a folder of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "cat" / "dataset"
    for path in (
        *make_pictures(folder, 3, size=(80, 72)),
        with_a_face(make_pictures(folder / "1_wide", 1, size=(140, 90))[0]),
    ):
        path.with_suffix(".txt").write_text("a, b ||| c.d, {red|blue} cat, e " + "long words " * 60)
        path.with_suffix(".cap").write_text("another")
    (folder / "00.txt").unlink()
    see_through = Image.open(folder / "00.png").convert("RGB")
    see_through.putalpha(99)
    see_through.save(folder / "00.png")
    make_pictures(tmp_path / "reg" / "1_thing", 2)
    (tmp_path / "data.toml").write_text('[[datasets]]\n[[datasets.subsets]]\nimage_dir = "cat/dataset"\n')
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(folder),
        trigger_word="ohwx",
        num_repeats=2,
        train_batch_size=2,
        max_train_epochs=2,
    )


def look(config, base, tmp_path, monkeypatch):
    asked, encode = [], type(base).encode_images
    with monkeypatch.context() as watched:
        watched.setattr(
            type(base), "encode_images", lambda own, pixels: asked.append(len(pixels)) or encode(own, pixels)
        )
        plan = plan_run(config)
        encoded = encode_pictures(plan, base, events.silent)
    process = Diffusion({"num_train_timesteps": 1000}, "epsilon")
    dataset = EpochDataset(plan, encoded, lambda latents: latents, process, 2)
    batches = [dataset[at] for at in range(len(dataset))]
    objective = Objective(
        plan.config.loss, config.captions, False, base, torch.device("cpu"), texts_vary(plan)
    )
    with torch.no_grad():
        texts = [objective.encode([caption]).states for caption in batches[0].captions]
    return Seen(
        pixels=[(each.samples, each.latents.tolist()) for each in batches],
        captions=[(each.samples, each.captions) for each in batches],
        counted=sum(len(each.samples) for each in batches),
        masks=[None if each.masks is None else each.masks.tolist() for each in batches],
        counts=[each.counts for each in batches],
        texts=[(tuple(each.shape), each.tolist()) for each in texts],
        files=len(list(tmp_path.glob("lora_nb-latents/*/*.safetensors"))),
        asked=asked,
    )


def test_every_setting_of_the_data_is_shown_to_do_something():
    named = {field.name for slice in (Pictures, Captions, Caching) for field in fields(slice)}
    assert named - {"weighted_captions"} == set(SHOWN)  # which needs brackets: test_every_setting has some


@pytest.mark.parametrize("name", SHOWN)
def test_changing_a_setting_changes_what_it_should(config, base, tmp_path, monkeypatch, name):
    given, value, part = SHOWN[name]
    value = {"REG": str(tmp_path / "reg"), "FILE": str(tmp_path / "data.toml")}.get(str(value), value)
    config = settings.from_dict(TrainConfig, {**settings.to_dict(config), **given})
    other = settings.from_dict(
        TrainConfig, {**settings.to_dict(config), name: list(value) if isinstance(value, tuple) else value}
    )
    assert settings.without_effect(other) == []
    before, after = (look(each, base, tmp_path, monkeypatch) for each in (config, other))
    changed = {each.name for each in fields(Seen) if getattr(before, each.name) != getattr(after, each.name)}
    assert part in changed
    if part in ("masks", "files", "texts"):
        assert changed == {part}
    if part == "captions":
        assert changed <= {"captions", "texts"}


def stopping_at(step):
    seen = []
    return lambda: frozenset({"stop"}) if len(seen.append(0) or seen) == step else frozenset()


@pytest.fixture
def everything(config, tmp_path):
    """A run with much of it at once, on two resolutions."""
    folder = Path(config.place.train_data_dir)
    Image.new("L", (80, 72), 200).save(mask_path(folder / "01.png"))
    return settings.from_dict(
        TrainConfig,
        {
            **settings.to_dict(config), "resolution": "64;32", "reg_data_dir": str(tmp_path / "reg"),
            "subsets": [{"folder": "1_wide", "random_crop": True, "caption_prefix": "wide,"}],
            "alpha_mask": True, "balance": True, "enable_wildcard": True, "token_warmup_step": 0.5, "num_repeats": 1,
            "caption_tag_dropout_rate": 0.2, "text_encoder_lr": 0.0, "cache_text_encoder_outputs": True,
            "rank": 2, "alpha": 1.0, "gradient_accumulation_steps": 3, "source_date_epoch": 1_700_000_000,
            "sample_every_n_epochs": 0, "grid": False, "save_precision": "fp32",
        },
    )  # fmt: skip


def test_a_run_with_much_of_it_goes_on_exactly_from_memory_as_from_disk(everything, tmp_path):
    def run(name, *stops, **options):
        output = str(tmp_path / name / "output")
        own = settings.replace(everything, output_dir=output, output_name="cat", **options)
        for stop in stops:
            assert train(own, poll=stopping_at(stop)).status == "stopped"
        assert train(own).status == "done"
        return [load_file(path) for path in sorted(Path(output).glob("*.safetensors"))]

    whole = run("memory")
    again = run("disk", 2, 1, cache_latents_to_disk=True)
    assert len(whole) == len(again) == 2
    for one, other in zip(whole, again, strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
