"""The noise level that one sample is trained at: a share of the way to pure noise, drawn by a distribution.

The distributions and the names of their numbers are OneTrainer's; some are of Esser et al., Scaling Rectified Flow
Transformers (2024). A shift stays within the least and the most timestep, whichever the distribution.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lora_nb.config.noise import Times

POINTS = 1000  # at which a density is looked at


def draw_timestep(times: Times, steps: int, generator: Generator) -> Tensor:
    """() a whole number from min_timestep up to, but not including, max_timestep; `steps` is how many there are."""
    low, high = times.min_timestep, min(times.max_timestep or steps, steps)
    if times.timestep_distribution == "uniform" and times.timestep_shift == 1:
        return torch.randint(low, high, (), generator=generator)
    share = shifted(draw_share(times, generator), times.timestep_shift)
    return (low + (share * (high - low)).long()).clamp(max=high - 1)


def draw_share(times: Times, generator: Generator) -> Tensor:
    """() a share of the way from the least to the most noise, before any shift."""
    name = times.timestep_distribution
    if name == "logit_normal":  # Esser et al. (2024)
        normal = torch.randn((), generator=generator)
        return torch.sigmoid(times.noising_bias + (1 + times.noising_weight) * normal)
    if name in DENSITIES:
        return _by_density(DENSITIES[name], times, generator)
    share = torch.rand((), generator=generator)
    return heavy_tailed(share, times.noising_weight) if name == "heavy_tail" else share


def shifted(share: Tensor, shift: float) -> Tensor:
    """The share of noise at which a picture `shift` times as long at its sides is as far gone. Esser et al."""
    return shift * share / (1 + (shift - 1) * share)


def heavy_tailed(share: Tensor, scale: float) -> Tensor:
    """Mode sampling with heavy tails: ends are never rare, whatever the scale. Esser et al. (2024)."""
    return 1 - share - scale * (torch.cos(math.pi / 2 * share) ** 2 - 1 + share)


def _by_density(density: Callable[[Tensor, Times], Tensor], times: Times, generator: Generator) -> Tensor:
    """() a share drawn from what `density` says of POINTS places, by the inverse of its sums."""
    here = density(torch.linspace(0, 1, POINTS), times)
    sums = here.cumsum(0)
    wanted = torch.rand((), generator=generator) * sums[-1]
    place = torch.searchsorted(sums, wanted, right=True).clamp(max=POINTS - 1)
    beyond = (sums[place] - wanted) / here[place].clamp(min=torch.finfo(here.dtype).tiny)
    return (place + 1 - beyond) / POINTS


def _cos_map(share: Tensor, times: Times) -> Tensor:
    """Esser et al. (2024)."""
    return 2 / (math.pi - 2 * math.pi * share + 2 * math.pi * share**2)


def _sigmoid(share: Tensor, times: Times) -> Tensor:
    """Its logarithm first: far out on its slope nothing of the sigmoid itself would be left."""
    logarithm = F.logsigmoid(times.noising_weight * (share - times.noising_bias - 0.5))
    return (logarithm - logarithm.max()).exp()


def _inverted_parabola(share: Tensor, times: Times) -> Tensor:
    return (2 - times.noising_weight * (share - times.noising_bias - 0.5) ** 2).clamp(min=0)


DENSITIES = {"cos_map": _cos_map, "sigmoid": _sigmoid, "inverted_parabola": _inverted_parabola}
