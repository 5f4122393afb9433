"""The loss of a batch, and what it asks to be left as it was."""

from dataclasses import replace

import pytest
import torch

from lora_nb.bases import process, weighting
from lora_nb.bases.base import Framing
from lora_nb.bases.models import load_base
from lora_nb.bases.sd15_parts import text_encoder_targets, unet_targets
from lora_nb.config.training import TrainConfig
from lora_nb.lora import inject
from lora_nb.settings import make
from lora_nb.training.batches import Batch
from lora_nb.training.objective import Objective

CAPTIONS = ("ohwx, red circle", "blue square", "photo of ohwx cat")
PLAIN = ("red circle", "blue square", "photo of cat")


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return Batch(
        torch.randn(3, 4, 16, 16),
        torch.randn(3, 4, 16, 16),
        torch.tensor([5, 400, 900]),
        CAPTIONS,
        (),
        (0, 1, 2),
        (Framing((64, 64), (0, 0), (64, 64)),) * 3,
    )


def objective(tiny_base, updated=True, **options):
    """An objective over the tiny base, whose update does something if `updated`."""
    base = load_base(str(tiny_base))
    spec = inject.LoraSpec(4, 4.0)
    parameters = [
        *inject.inject(base.unet, unet_targets(base.unet), spec, 1),
        *inject.inject(base.text_encoder, text_encoder_targets(base.text_encoder), spec, 1),
    ]
    if updated:
        for parameter in parameters:
            parameter.data += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)) * 0.2
    config = make(TrainConfig, trigger_word="ohwx", min_snr_gamma=None, **options)
    learns = config.learning.text_encoder_lr > 0
    return Objective(config.loss, config.captions, learns, base, torch.device("cpu")), parameters


def answers(model, noisy, batch, captions):
    return model.unet(noisy, batch.timesteps, model.encode(captions, 1, 75).states).sample


@torch.no_grad()
def test_the_loss_is_the_error_of_the_noise_and_the_change_without_the_trigger_word(tiny_base, batch):
    """Against a base loaded anew, which holds no update at all."""
    ours, _ = objective(tiny_base, diff_output_preservation=0.5)
    pure = load_base(str(tiny_base))
    noisy = process.add_noise(batch.latents, batch.noise, ours.base.process.signal[batch.timesteps])
    noise_error = (answers(ours.base, noisy, batch, CAPTIONS) - batch.noise).square().mean((1, 2, 3))
    moved = answers(ours.base, noisy, batch, PLAIN) - answers(pure, noisy, batch, PLAIN)
    change = moved.square().mean((1, 2, 3)) * torch.tensor([1.0, 0.0, 1.0])  # the second never had the word
    assert change[0] > 0.01 and change[2] > 0.01
    torch.testing.assert_close(ours.losses(batch).minimised, noise_error + 0.5 * change, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_class_word_stands_where_the_trigger_word_was(tiny_base, batch):
    ours, _ = objective(tiny_base, diff_output_preservation_class="person")
    pure, noisy = load_base(str(tiny_base)), batch.noise
    plain = ("person, red circle", "blue square", "photo of person cat")
    moved = answers(ours.base, noisy, batch, plain) - answers(pure, noisy, batch, plain)
    change = moved.square().mean((1, 2, 3)) * torch.tensor([1.0, 0.0, 1.0])
    torch.testing.assert_close(ours.changes(batch, noisy, torch.ones(3)), change, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_share_of_the_rows_counts_for_all(tiny_base, batch):
    whole = objective(tiny_base)[0].changes(batch, batch.noise, torch.ones(3))
    ours, _ = objective(tiny_base, diff_output_preservation_share=0.5)
    part = ours.changes(replace(batch, preserved=(1, 2)), batch.noise, torch.ones(3))
    torch.testing.assert_close(part, whole * torch.tensor([0.0, 0.0, 2.0]), atol=1e-4, rtol=1e-4)
    none = ours.changes(replace(batch, preserved=()), batch.noise, torch.ones(3))
    assert torch.equal(none, torch.zeros(3))


@torch.no_grad()
def test_without_preservation_the_loss_knows_nothing_of_it(tiny_base, batch):
    options = {"diff_output_preservation_class": "person", "diff_output_preservation_share": 0.5}
    plain, other = objective(tiny_base)[0], objective(tiny_base, **options)[0]
    ours, others = plain.losses(batch), other.losses(replace(batch, preserved=()))
    assert torch.equal(ours.minimised, others.minimised) and torch.equal(ours.plain, others.plain)


def test_a_fresh_update_has_changed_nothing_yet(tiny_base, batch):
    ours, _ = objective(tiny_base, updated=False)
    assert torch.equal(ours.changes(batch, batch.noise, torch.ones(3)), torch.zeros(3))


@pytest.mark.parametrize("text_encoder_lr", [0.0, 1e-4])
def test_only_the_update_learns_from_the_change(tiny_base, batch, text_encoder_lr):
    """With a cached text encoder, too, whose own update then gets no gradient."""
    ours, parameters = objective(tiny_base, text_encoder_lr=text_encoder_lr, shuffle_caption=False)
    ours.changes(batch, batch.noise, torch.ones(3)).sum().backward()
    unet = {id(p) for p in ours.base.unet.parameters()}
    learning = {id(p) for p in parameters if text_encoder_lr or id(p) in unet}
    models = (ours.base.unet, ours.base.text_encoder)
    touched = {id(p) for model in models for p in model.parameters() if p.grad is not None and p.grad.any()}
    assert touched == learning


def test_the_plain_loss_is_what_is_minimised_when_nothing_weighs_or_adds_to_it(tiny_base, batch):
    plain, _ = objective(tiny_base)
    losses = plain.losses(batch)
    assert torch.equal(losses.minimised, losses.plain) and not losses.plain.requires_grad
    kept, _ = objective(tiny_base, diff_output_preservation=0.5)
    assert torch.equal(kept.losses(batch).plain, losses.plain)
    weighted, _ = objective(tiny_base)
    object.__setattr__(weighted.loss, "min_snr_gamma", 5.0)
    weights = weighting.snr_weights(weighted.base.process.signal[batch.timesteps], 5.0, "epsilon")
    assert torch.equal(weighted.losses(batch).plain, losses.plain)
    assert torch.equal(weighted.losses(batch).minimised, losses.plain * weights)


@torch.no_grad()
def test_what_is_mixed_in_besides_is_not_to_be_told(tiny_base, batch):
    """Input perturbation: the base sees `mixed`, and the answer that is wanted is `noise`."""
    ours, _ = objective(tiny_base)
    noisy = process.add_noise(batch.latents, batch.noise + 0.5, ours.base.process.signal[batch.timesteps])
    expected = (answers(ours.base, noisy, batch, CAPTIONS) - batch.noise).square().mean((1, 2, 3))
    seen = ours.losses(replace(batch, mixed=batch.noise + 0.5))
    torch.testing.assert_close(seen.minimised, expected, atol=1e-4, rtol=1e-4)
    same = ours.losses(replace(batch, mixed=batch.noise))
    assert torch.equal(same.minimised, ours.losses(batch).minimised)


@torch.no_grad()
def test_an_error_costs_what_the_loss_type_says_and_the_log_keeps_the_plain_loss(tiny_base, batch):
    plain = objective(tiny_base)[0]
    noisy = process.add_noise(batch.latents, batch.noise, plain.base.process.signal[batch.timesteps])
    far = answers(plain.base, noisy, batch, CAPTIONS) - batch.noise
    c = torch.tensor([2 * 0.1**0.005, 2 * 0.1**0.4, 2 * 0.1**0.9]).view(3, 1, 1, 1)
    costs = {"l1": far.abs(), "huber": 2 * c * ((far**2 + c**2).sqrt() - c)}
    costs["smooth_l1"] = costs["huber"] / c
    for name, cost in costs.items():
        options = {} if name == "l1" else {"huber_schedule": "exponential", "huber_scale": 2.0}
        losses = objective(tiny_base, loss_type=name, **options)[0].losses(batch)
        torch.testing.assert_close(losses.minimised, cost.mean((1, 2, 3)), atol=1e-4, rtol=1e-4)
        assert torch.equal(losses.plain, plain.losses(batch).plain)


MASKS = torch.zeros(3, 1, 16, 16)
MASKS[0, :, :, :4], MASKS[1] = 1, 1  # a quarter, all, nothing


@torch.no_grad()
def test_what_masks_leave_is_learnt_and_the_log_keeps_the_plain_loss(tiny_base, batch):
    plain = objective(tiny_base)[0]
    noisy = process.add_noise(batch.latents, batch.noise, plain.base.process.signal[batch.timesteps])
    errors = (answers(plain.base, noisy, batch, CAPTIONS) - batch.noise).square()
    seen = plain.losses(replace(batch, masks=MASKS))
    torch.testing.assert_close(seen.minimised, (errors * MASKS).mean((1, 2, 3)), atol=1e-4, rtol=1e-4)
    assert seen.minimised[2] == 0 and torch.equal(seen.plain, plain.losses(batch).plain)
    quarter = objective(tiny_base, normalize_masked_area_loss=True)[0]
    found = quarter.losses(replace(batch, masks=MASKS)).minimised[0]
    torch.testing.assert_close(found, errors[0, :, :, :4].mean(), atol=1e-4, rtol=1e-4)
    floor = objective(tiny_base, unmasked_weight=0.25)[0]
    found = floor.losses(replace(batch, masks=MASKS)).minimised[2]
    torch.testing.assert_close(found, errors[2].mean() / 4, atol=1e-4, rtol=1e-4)
    everything = plain.losses(replace(batch, masks=torch.ones(3, 1, 16, 16)))
    assert torch.equal(everything.minimised, plain.losses(batch).minimised)


def test_nothing_is_learnt_of_what_is_masked(tiny_base, batch):
    ours, parameters = objective(tiny_base)
    ours.losses(replace(batch, masks=torch.zeros(3, 1, 16, 16))).minimised.sum().backward()
    assert not any(parameter.grad.any() for parameter in parameters)
    ours.losses(replace(batch, masks=MASKS)).minimised.sum().backward()
    assert all(parameter.grad.any() for parameter in parameters)


@torch.no_grad()
def test_a_picture_counts_as_often_as_its_batch_says(tiny_base, batch):
    ours, _ = objective(tiny_base, debiased_estimation_loss=True)
    plain, counted = ours.losses(batch), ours.losses(replace(batch, counts=(1.0, 0.5, 0.0)))
    torch.testing.assert_close(counted.minimised, plain.minimised * torch.tensor([1.0, 0.5, 0.0]))
    assert torch.equal(counted.plain, plain.plain)


@torch.no_grad()
def test_without_a_prompt_the_base_is_held_to_its_own_answer(tiny_base, batch):
    batch = replace(batch, captions=("ohwx, red circle", "", "photo of ohwx cat"), preserved=())
    plain = objective(tiny_base)[0].losses(batch).minimised
    ours, _ = objective(tiny_base, blank_prompt_preservation=0.5)
    pure = load_base(str(tiny_base))
    noisy = process.add_noise(batch.latents, batch.noise, pure.process.signal[batch.timesteps])
    empty = ("", "", "")
    moved = answers(ours.base, noisy, batch, empty) - answers(pure, noisy, batch, empty)
    change = moved.square().mean((1, 2, 3)) * torch.tensor(
        [1.0, 0.0, 1.0]
    )  # the second is learnt without a prompt
    assert change[0] > 0.01 and change[2] > 0.01
    torch.testing.assert_close(ours.losses(batch).minimised, plain + 0.5 * change, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_both_preservations_add_up(tiny_base, batch):
    plain, own, blank, both = (
        objective(tiny_base, **options)[0].losses(batch).minimised
        for options in (
            {},
            {"diff_output_preservation": 1.0},
            {"blank_prompt_preservation": 1.0},
            {"diff_output_preservation": 1.0, "blank_prompt_preservation": 1.0},
        )
    )
    torch.testing.assert_close(both, own + blank - plain, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_brackets_in_captions_are_words_unless_they_are_weighted(tiny_base, batch):
    heavy = replace(batch, captions=("(ohwx:1.3), red circle", *CAPTIONS[1:]))
    plain, weighted = (
        objective(tiny_base, weighted_captions=flag, text_encoder_lr=0)[0].losses(heavy).minimised
        for flag in (False, True)
    )
    told = objective(tiny_base, text_encoder_lr=0)[0].losses(batch).minimised
    assert not torch.isclose(plain[0], weighted[0]) and not torch.isclose(weighted[0], told[0])
    assert torch.allclose(plain[1:], weighted[1:], atol=1e-6)
    without = objective(tiny_base, weighted_captions=True, text_encoder_lr=0)[0].losses(batch).minimised
    assert torch.equal(without, told), "where no caption has weights nothing changes"
