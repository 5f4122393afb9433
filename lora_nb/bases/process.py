"""What a base was trained to undo: how noise is drawn and mixed in, what the answer is to be, and what it counts.

Shapes: B batch, C channels, h w latent sides. A diffusion's times are whole numbers from 0 to T - 1.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from diffusers import DDPMScheduler
from torch import Generator, Tensor

from lora_nb import settings
from lora_nb.bases import weighting
from lora_nb.bases.noise import draw_noise, perturb
from lora_nb.bases.times import draw_timestep
from lora_nb.config.loss import Loss
from lora_nb.config.noise import Noise, Times
from lora_nb.declare import Setting, settings_of

# The settings that a process carries out, if it can; the rest of Loss is for the objective.
ASKED = (
    *(each.name for kind in (Noise, Times) for each in settings_of(kind)),
    "min_snr_gamma",
    "debiased_estimation_loss",
    "scale_v_pred_loss_like_noise_pred",
    "v_pred_like_loss",
    "huber_schedule",
)


@dataclass(frozen=True)
class Draw:
    """What is drawn for one sample: noise (C, h, w) to be told from the picture, that which is mixed in, a time ()."""

    noise: Tensor
    mixed: Tensor
    time: Tensor


class Process(Protocol):
    """The way from a picture to noise that a family's bases know.

    `honours` names those of ASKED that it carries out; any other is refused where a person chose it (`refuse_unheard`).
    """

    honours: frozenset[str]

    def draw(self, latents: Tensor, loss: Loss, generator: Generator) -> Draw:
        """Noise and a time for one sample with `latents` (C, h, w); all chance from `generator`."""

    def mix(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Noisy latents (B, C, h, w)."""

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """(B, C, h, w) what is to be answered."""

    def weights(self, times: Tensor, loss: Loss) -> Tensor:
        """(B,) how much each answer counts."""

    def thresholds(self, times: Tensor, loss: Loss) -> Tensor:
        """(B,) the error from which on huber and smooth_l1 forgive; asked for with these alone."""

    def middle(self) -> Tensor:
        """() a time in the middle."""

    def check(self, name: str) -> None:
        """Raises ValueError for a base `name` that cannot be trained so."""


def refuse_unheard(process: Process, loss: Loss, name: str) -> None:
    """Raises ValueError for a setting that somebody chose and the process of base `name` does not carry out."""
    values = settings.values_of(loss)
    for each in settings_of(type(loss)):
        if each.name in ASKED and each.name not in process.honours and _is_chosen(each, values):
            raise ValueError(
                f"{each.name} = {values[each.name]} has no effect on {name}: {_why_unheard(each.name)}; leave it as it "
                "is by default"
            )


def _is_chosen(setting: Setting, values: dict) -> bool:
    """Whether it is on and somebody meant it: it is not the default, or is there for another one that is on."""
    value, needed = values[setting.name], setting.said.only_with
    return bool(value) and (value != setting.default if needed is None else needed.hold(values))


def _why_unheard(name: str) -> str:
    if name == "scale_v_pred_loss_like_noise_pred":
        return "it is for bases that predict v"
    if name == "v_pred_like_loss":
        return "it is for bases that predict noise"
    return "its way from picture to noise knows no such thing"


class Diffusion:
    """A denoising diffusion by a table of noise levels: the base answers with the noise or with a velocity."""

    def __init__(self, scheduler_config: dict, prediction_type: str) -> None:
        self.config, self.kind = scheduler_config, prediction_type
        self.signal = alphas_cumprod(scheduler_config)
        other = (
            "v_pred_like_loss" if prediction_type == "v_prediction" else "scale_v_pred_loss_like_noise_pred"
        )
        self.honours = frozenset(ASKED) - {other}

    def draw(self, latents: Tensor, loss: Loss, generator: Generator) -> Draw:
        """Noise, a timestep, then what else is mixed in: in the order of sd-scripts."""
        noise = draw_noise(latents, loss.noise, generator)
        time = draw_timestep(loss.times, len(self.signal), generator)
        return Draw(noise, perturb(noise, loss.noise, generator), time)

    def _left(self, times: Tensor) -> Tensor:
        """(B,) the share of the picture left at each time."""
        self.signal = self.signal.to(times.device)
        return self.signal[times]

    def mix(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        return add_noise(latents, noise, self._left(times))

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        return target(latents, noise, self._left(times), self.kind)

    def weights(self, times: Tensor, loss: Loss) -> Tensor:
        return weighting.weigh(self._left(times), loss, self.kind)

    def thresholds(self, times: Tensor, loss: Loss) -> Tensor:
        return weighting.huber_thresholds(self._left(times), times / len(self.signal), loss.distance)

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
