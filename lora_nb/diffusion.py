"""Noise, timesteps, targets and loss weights of a denoising diffusion model.

Shapes: B batch, C channels, h w latent sides. Timesteps are whole numbers from 0 to T - 1.
"""

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import Tensor


def alphas_cumprod(scheduler_config: dict) -> Tensor:
    """(T,) the share of signal left at each timestep, as the base was trained."""
    return DDPMScheduler.from_config(scheduler_config).alphas_cumprod.float()


def add_noise(latents: Tensor, noise: Tensor, signal: Tensor) -> Tensor:
    """Noisy latents (B, C, h, w); `signal` (B,) is alphas_cumprod at each picture's timestep. DDPM, eq. 4."""
    signal = signal.view(-1, 1, 1, 1)
    return signal.sqrt() * latents + (1 - signal).sqrt() * noise


def target(latents: Tensor, noise: Tensor, signal: Tensor, prediction_type: str) -> Tensor:
    """What the model should predict: the noise, or the velocity of Salimans & Ho (2022)."""
    if prediction_type == "epsilon":
        return noise
    signal = signal.view(-1, 1, 1, 1)
    return signal.sqrt() * noise - (1 - signal).sqrt() * latents


def snr_weights(signal: Tensor, gamma: float | None, prediction_type: str) -> Tensor:
    """(B,) min-SNR-gamma weights of Hang et al. (2023); ones without gamma."""
    if gamma is None:
        return torch.ones_like(signal)
    snr = signal / (1 - signal)
    capped = snr.clamp(max=gamma)
    return capped / (snr + 1) if prediction_type == "v_prediction" else capped / snr


def losses(prediction: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """(B,) weighted mean squared error of each picture."""
    return F.mse_loss(prediction.float(), wanted.float(), reduction="none").mean(dim=(1, 2, 3)) * weights
