"""What a base was trained to undo: how noise is drawn and mixed in, what the answer is to be, and what it counts.

Shapes: B batch, C channels, h w latent sides. A diffusion's times are whole numbers from 0 to T - 1.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import Generator, Tensor

from lora_nb.config.loss import Loss


class Process(Protocol):
    """The way from a picture to noise that a family's bases know."""

    def draw(self, shape: tuple[int, ...], loss: Loss, generator: Generator) -> tuple[Tensor, Tensor]:
        """Noise (C, h, w) and a time () for one sample."""

    def mix(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Noisy latents (B, C, h, w)."""

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """(B, C, h, w) what is to be answered."""

    def weights(self, times: Tensor, loss: Loss) -> Tensor:
        """(B,) how much each answer counts."""

    def middle(self) -> Tensor:
        """() a time in the middle."""

    def check(self, name: str) -> None:
        """Raises ValueError for a base `name` that cannot be trained so."""


class Diffusion:
    """A denoising diffusion by a table of noise levels: the base answers with the noise or with a velocity."""

    def __init__(self, scheduler_config: dict, prediction_type: str) -> None:
        self.config, self.kind = scheduler_config, prediction_type
        self.signal = alphas_cumprod(scheduler_config)

    def draw(self, shape: tuple[int, ...], loss: Loss, generator: Generator) -> tuple[Tensor, Tensor]:
        """Noise (C, h, w), its mean moved by noise_offset, and a timestep ()."""
        noise = torch.randn(shape, generator=generator)
        if loss.noise_offset:
            noise = noise + loss.noise_offset * torch.randn(noise.shape[0], 1, 1, generator=generator)
        return noise, torch.randint(len(self.signal), (), generator=generator)

    def _left(self, times: Tensor) -> Tensor:
        """(B,) the share of the picture left at each time."""
        self.signal = self.signal.to(times.device)
        return self.signal[times]

    def mix(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        return add_noise(latents, noise, self._left(times))

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        return target(latents, noise, self._left(times), self.kind)

    def weights(self, times: Tensor, loss: Loss) -> Tensor:
        return snr_weights(self._left(times), loss.min_snr_gamma, self.kind)

    def middle(self) -> Tensor:
        return torch.tensor(len(self.signal) // 2)

    def check(self, name: str) -> None:
        check_schedule(self.config, self.kind, name)


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
