"""How much each noise level of a diffusion counts, and where an error is a large one there.

Shapes: B batch. `signal` (B,) is alphas_cumprod, the share of the picture left, of the schedule the base is used with.
SNR is signal / (1 - signal), the true one: sd-scripts takes it of the schedule before it is rescaled to zero terminal
SNR, which weighs its last steps as if they still held something of the picture (kohya-ss/sd-scripts#1263).
"""

import math

import torch
from torch import Tensor

from lora_nb.config.loss import Distance, Loss

MOST_SNR = 1000.0  # a picture with next to no noise; sd-scripts' limit


def weigh(signal: Tensor, loss: Loss, prediction_type: str) -> Tensor:
    """(B,) the product of all weights that `loss` asks for."""
    found = snr_weights(signal, loss.min_snr_gamma, prediction_type)
    if loss.weights.scale_v_pred_loss_like_noise_pred:
        found = found * noise_share(signal)
    if loss.weights.v_pred_like_loss:
        found = found * (1 + loss.weights.v_pred_like_loss / noise_share(signal))
    if loss.weights.debiased_estimation_loss:
        found = found * debiased_weights(signal, prediction_type)
    return found


def snr_weights(signal: Tensor, gamma: float | None, prediction_type: str) -> Tensor:
    """(B,) min-SNR-gamma weights of Hang et al. (2023); ones without gamma. Finite for any signal from 0 to 1."""
    if gamma is None:
        return torch.ones_like(signal)
    snr = signal / (1 - signal)
    capped = snr.clamp(max=gamma)
    if prediction_type == "v_prediction":
        return capped / (snr + 1)
    return torch.where(snr < gamma, 1.0, capped / snr)


def noise_share(signal: Tensor) -> Tensor:
    """(B,) SNR / (SNR + 1): what the error of a velocity is to be multiplied by to be that of the noise in it."""
    snr = _limited_snr(signal)
    return snr / (snr + 1)


def debiased_weights(signal: Tensor, prediction_type: str) -> Tensor:
    """(B,) 1 / sqrt(SNR) of Yu et al., Debias the Training of Diffusion Models (2023); 1 / (SNR + 1) for a velocity."""
    snr = _limited_snr(signal)
    return 1 / (snr + 1) if prediction_type == "v_prediction" else snr.rsqrt()


def _limited_snr(signal: Tensor) -> Tensor:
    return (signal / (1 - signal)).clamp(max=MOST_SNR)


def huber_thresholds(signal: Tensor, share: Tensor, distance: Distance) -> Tensor:
    """(B,) the error from which on it counts by its size; `share` (B,) is the timestep as a part of all, from 0 to 1.

    The schedules of sd-scripts; that by SNR knows no huber_scale.
    """
    c = distance.huber_c
    if distance.huber_schedule == "constant":
        return torch.full_like(signal, c * distance.huber_scale)
    if distance.huber_schedule == "exponential":
        return torch.exp(math.log(c) * share) * distance.huber_scale
    deviation = ((1 - signal) / signal).sqrt()  # infinite where nothing of the picture is left: then c alone
    return (1 - c) / (1 + deviation) ** 2 + c
