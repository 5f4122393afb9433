"""Noise, targets and weights against the equations and against diffusers."""

import pytest
import torch
from diffusers import DDPMScheduler

from lora_nb.bases import process

SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(5, 4, 8, 8, generator=generator) for _ in range(2)], torch.tensor(
        [0, 10, 500, 900, 999]
    )


def test_noise_and_velocity_are_those_of_diffusers(batch):
    (latents, noise), timesteps = batch
    scheduler, signal = DDPMScheduler(**SCHEDULE), process.alphas_cumprod(SCHEDULE)[timesteps]
    assert torch.allclose(
        process.add_noise(latents, noise, signal), scheduler.add_noise(latents, noise, timesteps), atol=1e-6
    )
    assert torch.allclose(
        process.target(latents, noise, signal, "v_prediction"),
        scheduler.get_velocity(latents, noise, timesteps),
        atol=1e-6,
    )
    assert process.target(latents, noise, signal, "epsilon") is noise


def test_the_schedule_is_that_of_sd15():
    signal = process.alphas_cumprod(SCHEDULE)
    assert len(signal) == 1000 and signal[-1].item() == pytest.approx(0.00466, abs=2e-5)
    assert (signal / (1 - signal))[-1].item() == pytest.approx(0.00468, abs=2e-5)


def test_min_snr_caps_the_easy_steps_only():
    signal = process.alphas_cumprod(SCHEDULE)[torch.tensor([0, 500, 999])]
    snr = signal / (1 - signal)
    assert torch.allclose(process.snr_weights(signal, 5.0, "epsilon"), torch.tensor([5 / snr[0], 1, 1]))
    assert torch.allclose(process.snr_weights(signal, 5.0, "v_prediction"), snr.clamp(max=5) / (snr + 1))
    assert torch.equal(process.snr_weights(signal, None, "epsilon"), torch.ones(3))


def test_losses_are_per_picture(batch):
    (latents, noise), _ = batch
    losses = process.losses(latents, noise, torch.arange(5.0))
    assert losses[0] == 0 and losses.shape == (5,)
    assert losses[3].item() == pytest.approx(3 * ((latents[3] - noise[3]) ** 2).mean().item(), rel=1e-5)


ZERO_SNR = {**SCHEDULE, "rescale_betas_zero_snr": True}


def test_weights_are_finite_where_nothing_or_all_of_the_picture_is_left():
    signal = torch.tensor([1.0, 0.5, 1e-9, 0.0])
    assert process.snr_weights(signal, 5.0, "epsilon").tolist() == [0, 1, 1, 1]
    assert process.snr_weights(signal, 5.0, "v_prediction").tolist() == pytest.approx([0, 0.5, 1e-9, 0])


def test_noise_cannot_be_predicted_at_zero_snr():
    assert process.alphas_cumprod(ZERO_SNR)[-1] == 0
    with pytest.raises(ValueError, match="^mine predicts epsilon .* zero SNR"):
        process.check_schedule(ZERO_SNR, "epsilon", "mine")
    process.check_schedule(ZERO_SNR, "v_prediction", "mine")
    process.check_schedule(SCHEDULE, "epsilon", "mine")
