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
    """(B,) min-SNR-gamma weights of Hang et al. (2023); ones without gamma. Finite for any signal from 0 to 1."""
    if gamma is None:
        return torch.ones_like(signal)
    snr = signal / (1 - signal)
    capped = snr.clamp(max=gamma)
    if prediction_type == "v_prediction":
        return capped / (snr + 1)
    return torch.where(snr < gamma, 1.0, capped / snr)


def check_schedule(scheduler_config: dict, prediction_type: str, name: str) -> None:
    """Raises ValueError for a base that predicts noise on a schedule that ends without signal.

    Where nothing of the picture is left, the noise is the input itself: its prediction teaches nothing, and the picture
    cannot be had back from it (a division by the signal, which is zero), so such a base cannot begin to draw.
    Leaving out the last timestep would train it; but what is called so is in practice a v-prediction base whose
    settings lack the word, and training that on epsilon spoils it without a sign. So it is refused.
    """
    if prediction_type == "epsilon" and not alphas_cumprod(scheduler_config)[-1] > 0:
        raise ValueError(
            f"{name} predicts epsilon on a noise schedule that ends at zero SNR, which cannot be learnt: if it is a "
            "v-prediction base, say so in its scheduler_config.json (prediction_type = v_prediction); if not, set "
            "rescale_betas_zero_snr = false there"
        )


def errors(prediction: Tensor, wanted: Tensor) -> Tensor:
    """(B,) mean squared error of each picture."""
    return F.mse_loss(prediction.float(), wanted.float(), reduction="none").mean(dim=(1, 2, 3))


def losses(prediction: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """(B,) weighted mean squared error of each picture."""
    return errors(prediction, wanted) * weights
