"""Batches: every picture once per repeat for any number of workers, and nothing left to chance."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from lora_nb import events, settings
from lora_nb.bases.models import load_base
from lora_nb.bases.process import Diffusion
from lora_nb.config.examples import Captions
from lora_nb.config.training import TrainConfig
from lora_nb.dataset.buckets import Sample
from lora_nb.dataset.variation import vary_caption
from lora_nb.settings import make
from lora_nb.training.batches import (
    EpochDataset,
    dice,
    load_batches,
    some_rows,
)
from lora_nb.training.latents import encode_pictures
from lora_nb.training.plan import plan_run


@pytest.fixture(scope="module")
def plan(tiny_base, make_pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cat") / "dataset"
    make_pictures(folder, 10)
    make_pictures(folder / "3_more", 3)
    config = make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(folder),
        num_repeats=2,
        flip_aug=True,
        caption_dropout_rate=0.3,
        noise_offset=0.1,
        train_batch_size=3,
    )
    return plan_run(config)


@pytest.fixture(scope="module")
def encoded(plan, tiny_base):
    return encode_pictures(plan, load_base(str(tiny_base)), events.silent)


PROCESS = Diffusion({"num_train_timesteps": 1000}, "epsilon")


def scale(latents):
    return latents * 0.18215


def epoch(plan, encoded, number):
    return EpochDataset(plan, encoded, scale, PROCESS, number)


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_the_batches_are_the_same_for_any_number_of_workers(plan, encoded, workers):
    seen = []
    for number in (1, 2):
        dataset = epoch(plan, encoded, number)
        wanted = [dataset[at] for at in range(len(dataset))]
        loaded = list(load_batches(dataset, range(len(dataset)), workers))
        assert len(loaded) == len(wanted)
        for batch, same in zip(loaded, wanted, strict=True):
            assert batch.samples == same.samples and batch.captions == same.captions
            assert torch.equal(batch.latents, same.latents) and torch.equal(batch.noise, same.noise)
            assert torch.equal(batch.timesteps, same.timesteps)
        counts = Counter(sample.image for batch in loaded for sample in batch.samples)
        assert counts == dict(enumerate(plan.repeats))
        seen.append(tuple(batch.samples for batch in loaded))
    assert seen[0] != seen[1]


def test_repeats_and_epochs_differ_in_everything_drawn(plan, encoded):
    first, second = epoch(plan, encoded, 1), epoch(plan, encoded, 2)
    one, two = first._draw(Sample(0, 0)), first._draw(Sample(0, 1))
    other = second._draw(Sample(0, 0))
    assert not torch.equal(one[1], two[1]) and not torch.equal(one[1], other[1])
    seeds = {
        dice(42, e, Sample(i, r), what)
        for e in (1, 2)
        for i in (0, 1)
        for r in (0, 1)
        for what in ("noise", "caption")
    }
    assert len(seeds) == 16


def test_the_rows_that_are_preserved_depend_on_seed_and_epoch_alone(plan, encoded):
    part = replace(plan, config=settings.replace(plan.config, diff_output_preservation_share=0.5))
    one, again, other = ([batch.preserved for batch in epoch(part, encoded, number)] for number in (1, 1, 2))
    assert one == again != other
    assert all(batch.preserved == tuple(range(len(batch.samples))) for batch in epoch(plan, encoded, 1))


@pytest.mark.parametrize(("count", "share"), [(1, 0.25), (4, 0.25), (3, 0.5), (7, 1.0)])
def test_over_many_seeds_each_row_is_preserved_as_often_as_its_share(count, share):
    drawn = Counter(row for seed in range(4000) for row in some_rows(count, share, seed))
    assert set(drawn) == set(range(count))
    assert all(abs(times / 4000 - share) < 0.03 for times in drawn.values())


def test_latents_are_the_encoded_picture_or_its_mirror_image(plan, encoded, tiny_base):
    assert all(len(views) == 2 for views in encoded)
    dataset = epoch(plan, encoded, 1)
    seen = set()
    for repeat in range(40):
        latents = dataset._draw(Sample(0, repeat))[0] / 0.18215
        distances = [((latents - view.mean) / view.std).pow(2).mean().item() for view in encoded[0]]
        assert min(distances) < 2
        seen.add(int(np.argmin(distances)))
    assert seen == {0, 1}


def test_the_picture_reaches_the_vae_upright_and_in_range(tiny_base, make_pictures, tmp_path):
    """Encoding equals the VAE's own answer to the same pixels."""
    folder = tmp_path / "dataset"
    paths = make_pictures(folder, 1, size=(64, 64))
    plan = plan_run(
        make(TrainConfig, pretrained_model_name_or_path=str(tiny_base), train_data_dir=str(folder))
    )
    base = load_base(str(tiny_base))
    pixels = (
        torch.from_numpy(np.array(Image.open(paths[0]).convert("RGB"))).float().permute(2, 0, 1)[None] / 127.5
        - 1
    )
    with torch.no_grad():
        wanted = base.vae.encode(pixels).latent_dist
    (posterior,) = encode_pictures(plan, base, events.silent)[0]
    assert torch.allclose(posterior.mean, wanted.mean[0], atol=1e-5) and torch.allclose(
        posterior.std, wanted.std[0], atol=1e-5
    )


def test_captions_keep_their_first_tags_and_lose_none():
    config = Captions(keep_tokens=2)
    tags = ["a b", "c", *map(str, range(8))]
    orders = {vary_caption(", ".join(tags), config, seed) for seed in range(20)}
    assert len(orders) == 20
    for order in orders:
        assert order.startswith("a b, c, ") and sorted(order.split(", ")) == sorted(tags)
    sentence = "A cat, sitting; on  a mat."
    assert vary_caption(sentence, replace(config, shuffle_caption=False), 1) == sentence


def test_caption_dropout_has_its_rate():
    config = Captions(caption_dropout_rate=0.3)
    dropped = sum(
        vary_caption("a, b", config, dice(42, 1, Sample(i, 0), "caption")) == "" for i in range(2000)
    )
    assert 520 < dropped < 680
