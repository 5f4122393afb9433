"""Timesteps: the range, and each distribution against its formula."""

import math

import pytest
import torch

from lora_nb.bases.times import draw_timestep, heavy_tailed, shifted
from lora_nb.config.noise import Times

MANY = 3000


def draw(times: Times) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.stack([draw_timestep(times, 1000, generator) for _ in range(MANY)])


def far(times: Times, cumulative) -> float:
    """The largest difference between what is drawn and a cumulative distribution (Kolmogorov and Smirnov's)."""
    drawn = draw(times).sort().values
    expected = torch.tensor([cumulative((t + 0.5) / 1000) for t in drawn.tolist()])
    return (expected - torch.arange(MANY) / MANY).abs().max().item()


def by_density(density):
    """The cumulative distribution of a density, summed up in 20,000 parts."""
    points = [(i + 0.5) / 20000 for i in range(20000)]
    sums = torch.tensor([density(x) for x in points]).cumsum(0)
    return lambda share: (sums[min(int(share * 20000), 19999)] / sums[-1]).item()


def normal_below(x):
    return 0.5 * (1 + math.erf(x / 2**0.5))


@pytest.mark.parametrize(
    ("times", "cumulative"),
    [
        (Times(), lambda s: s),
        (Times(timestep_distribution="logit_normal"), lambda s: normal_below(math.log(s / (1 - s)))),
        (
            Times(timestep_distribution="logit_normal", noising_bias=0.7, noising_weight=0.5),
            lambda s: normal_below((math.log(s / (1 - s)) - 0.7) / 1.5),
        ),
        (
            Times(timestep_distribution="cos_map"),
            by_density(lambda x: 2 / (math.pi - 2 * math.pi * x + 2 * math.pi * x**2)),
        ),
        (
            Times(timestep_distribution="sigmoid", noising_weight=8.0, noising_bias=0.1),
            by_density(lambda x: 1 / (1 + math.exp(-8 * (x - 0.6)))),
        ),
        (
            Times(timestep_distribution="inverted_parabola", noising_weight=12.0, noising_bias=-0.2),
            by_density(lambda x: max(0, 2 - 12 * (x - 0.3) ** 2)),
        ),
        (Times(timestep_shift=3.0), lambda s: s / (3 - 2 * s)),
        (Times(timestep_distribution="heavy_tail"), lambda s: s),
    ],
    ids=lambda value: value.timestep_distribution if isinstance(value, Times) else "",
)
def test_each_distribution_is_its_formulas(times, cumulative):
    assert far(times, cumulative) < 0.03  # 1 in 1,000 samples of this size would be as far as 0.036
    assert far(times, lambda share: share**1.5) > 0.05


def test_heavy_tails_and_a_shift_are_those_of_the_paper():
    shares = torch.tensor([0.0, 0.25, 0.5, 1.0])
    assert heavy_tailed(shares, 0.0).tolist() == pytest.approx([1, 0.75, 0.5, 0])
    cosine = math.cos(math.pi / 8) ** 2
    assert heavy_tailed(shares, 1.2).tolist() == pytest.approx([1, 0.75 - 1.2 * (cosine - 0.75), 0.5, 0])
    assert shifted(shares, 3.0).tolist() == pytest.approx([0, 0.5, 0.75, 1])
    heavy = draw(Times(timestep_distribution="heavy_tail", noising_weight=1.5)).float()
    assert heavy.std() < 0.9 * draw(Times()).float().std()


@pytest.mark.parametrize("shift", [1.0, 0.2, 6.0])
@pytest.mark.parametrize(
    "name", ["uniform", "logit_normal", "heavy_tail", "cos_map", "sigmoid", "inverted_parabola"]
)
def test_the_range_is_kept_whatever_the_distribution(name, shift):
    times = Times(500, 504, name, 1.0, 0.3, shift)
    generator = torch.Generator().manual_seed(0)
    drawn = {int(draw_timestep(times, 1000, generator)) for _ in range(400)}
    assert drawn == {500, 501, 502, 503}
    assert int(draw_timestep(Times(999), 1000, generator)) == 999


def test_steep_densities_can_be_drawn_from():
    steep = Times(timestep_distribution="sigmoid", noising_weight=100.0, noising_bias=10.0)
    assert draw_timestep(steep, 1000, torch.Generator().manual_seed(0)) > 900


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((500, 500), "min_timestep = 500 is not below max_timestep = 500"),
        ((0, None, "logit_normal", -1.0), "noising_weight = -1 leaves logit_normal no spread"),
        ((0, None, "heavy_tail", 1.8), "noising_weight = 1.8 leads heavy_tail out of"),
        (
            (0, None, "inverted_parabola", 9.0, 1.0),
            "noising_bias = 1 leaves inverted_parabola no noise level",
        ),
    ],
)
def test_what_leaves_no_timestep_is_refused(values, says):
    with pytest.raises(ValueError, match=says):
        Times(*values)
