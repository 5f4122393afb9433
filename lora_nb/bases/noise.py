"""The noise of one sample: drawn from its own generator, so that no other sample of a batch has a part in it.

Shapes: C channels, h w latent sides.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lora_nb.config.noise import Noise

SMALLER = 2.0, 4.0  # how many times smaller each grain of multires noise is, at least and below


def draw_noise(latents: Tensor, noise: Noise, generator: Generator) -> Tensor:
    """The noise (C, h, w) that the base is to find in `latents` (C, h, w): its mean moved, coarse grains added."""
    drawn = torch.randn(latents.shape, generator=generator)
    if noise.noise_offset:
        drawn = drawn + _offset(latents, noise, generator)
    if noise.multires_noise_iterations:
        drawn = add_grains(drawn, noise.multires_noise_iterations, noise.multires_noise_discount, generator)
    return drawn


def _offset(latents: Tensor, noise: Noise, generator: Generator) -> Tensor:
    """(C, 1, 1) what moves the noise of each channel: a normal number times noise_offset.

    crosslabs.org, Diffusion with Offset Noise; sd-scripts' adaptive_noise_scale raises it by the channel's mean.
    """
    strength = _strength(noise.noise_offset, noise.noise_offset_random_strength, generator)
    if noise.adaptive_noise_scale:
        mean = latents.mean(dim=(1, 2), keepdim=True).abs()
        strength = (strength + noise.adaptive_noise_scale * mean).clamp(min=0)
    return strength * torch.randn(latents.shape[0], 1, 1, generator=generator)


def _strength(most: float, random: bool, generator: Generator) -> float | Tensor:
    return most * torch.rand((), generator=generator) if random else most


def add_grains(noise: Tensor, sizes: int, discount: float, generator: Generator) -> Tensor:
    """The noise (C, h, w) with coarser and coarser noise added, each `discount` times the one before; of deviation one.

    Whitaker's pyramid noise, as sd-scripts has it. It divides by the deviation of the whole batch, where the noise of a
    sample hangs on what else is in its batch; here it is that of the sample alone, the same in any batch.
    """
    channels, *sides = noise.shape
    for level in range(sizes):
        times = SMALLER[0] + (SMALLER[1] - SMALLER[0]) * float(torch.rand((), generator=generator))
        small = [max(1, int(side / times**level)) for side in sides]
        grains = torch.randn(1, channels, *small, generator=generator)
        grown = F.interpolate(grains, size=sides, mode="bilinear", align_corners=False)[0]
        noise = noise + discount**level * grown
        if 1 in small:
            break
    return noise / noise.std()


def perturb(drawn: Tensor, noise: Noise, generator: Generator) -> Tensor:
    """The noise (C, h, w) that is mixed into the picture: `drawn`, and more that the base is not told of.

    Ning et al. (2023), Input Perturbation Reduces Exposure Bias in Diffusion Models.
    """
    if not noise.ip_noise_gamma:
        return drawn
    strength = _strength(noise.ip_noise_gamma, noise.ip_noise_gamma_random_strength, generator)
    return drawn + strength * torch.randn(drawn.shape, generator=generator)
