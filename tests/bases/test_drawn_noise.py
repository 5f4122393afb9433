"""Noise: sd-scripts' recipes, drawn for each sample alone."""

import pytest
import torch

from lora_nb.bases.noise import add_grains, draw_noise, perturb
from lora_nb.config.noise import Noise

LATENTS = torch.randn(4, 16, 24, generator=torch.Generator().manual_seed(7)) + torch.tensor(
    [0.0, 1, -2, 0.5]
).view(4, 1, 1)


def dice(seed=5):
    return torch.Generator().manual_seed(seed)


def drawn(seed=5, **options):
    return draw_noise(LATENTS, Noise(**options), dice(seed))


def moves(**options):
    """By how much each channel of noise is moved, seed by seed: (n, C)."""
    return torch.stack([(drawn(seed, **options) - drawn(seed)).mean((1, 2)) for seed in range(300)])


def test_an_offset_moves_whole_channels_by_a_normal_number_of_its_strength():
    both = drawn(noise_offset=0.2) - drawn()
    assert torch.allclose(both, both[:, :1, :1].expand_as(both), atol=1e-6)
    assert moves(noise_offset=0.2).std().item() == pytest.approx(0.2, rel=0.1)
    assert moves(noise_offset=0.2).mean().item() == pytest.approx(0, abs=0.02)


def test_a_random_strength_is_one_for_all_channels_of_a_sample_and_on_average_half():
    """The deviation of strength x normal, with strength uniform from 0 to s, is s / sqrt(3)."""
    found = moves(noise_offset=0.2, noise_offset_random_strength=True)
    assert found.std().item() == pytest.approx(0.2 / 3**0.5, rel=0.1)
    generator = dice()
    torch.randn(LATENTS.shape, generator=generator)
    strength, normal = torch.rand((), generator=generator), torch.randn(4, 1, 1, generator=generator)
    expected = drawn() + 0.2 * strength * normal
    assert torch.allclose(drawn(noise_offset=0.2, noise_offset_random_strength=True), expected)


def test_an_adaptive_offset_is_larger_where_a_channels_mean_is_and_never_below_none():
    plain, adaptive = moves(noise_offset=0.1), moves(noise_offset=0.1, adaptive_noise_scale=0.3)
    mean = LATENTS.mean((1, 2)).abs()
    assert torch.allclose(adaptive, plain * (0.1 + 0.3 * mean) / 0.1, atol=1e-4)
    less = moves(noise_offset=0.1, adaptive_noise_scale=-0.1)
    assert less[:, 2].abs().max() < 1e-6 < less[:, 0].abs().max()  # |mean| of channel 2 is about 2


def pyramid(noise, iterations, discount, generator):
    """sd-scripts' recipe for one sample, written out anew: kohya.md 1.6."""
    total = noise.clone()
    height, width = noise.shape[1:]
    for i in range(iterations):
        r = torch.rand((), generator=generator).item() * 2 + 2
        h, w = max(1, int(height / r**i)), max(1, int(width / r**i))
        up = torch.nn.Upsample(size=(height, width), mode="bilinear")
        total += up(torch.randn(1, 4, h, w, generator=generator))[0] * discount**i
        if h == 1 or w == 1:
            break
    return total / total.std()


@pytest.mark.parametrize(("iterations", "discount"), [(1, 0.3), (6, 0.3), (10, 0.8)])
def test_coarse_grains_are_sd_scripts_for_one_sample(iterations, discount):
    noise = torch.randn(LATENTS.shape, generator=dice(1))
    assert torch.allclose(
        add_grains(noise, iterations, discount, dice(2)),
        pyramid(noise, iterations, discount, dice(2)),
        atol=1e-6,
    )


def test_grains_make_noise_coarser_and_leave_its_deviation_one():
    def roughness(noise):
        return ((noise[:, 1:] - noise[:, :-1]) ** 2).mean().item()

    weak, strong = (drawn(multires_noise_iterations=6, multires_noise_discount=d) for d in (0.1, 0.9))
    assert weak.std().item() == pytest.approx(1, abs=1e-5) == pytest.approx(strong.std().item(), abs=1e-5)
    assert roughness(strong) < 0.8 * roughness(weak)
    assert not torch.equal(drawn(multires_noise_iterations=1), drawn(multires_noise_iterations=2))


def test_perturbation_adds_noise_of_its_strength():
    noise = drawn()
    assert perturb(noise, Noise(), dice()) is noise
    more = perturb(noise, Noise(ip_noise_gamma=0.1), dice(3)) - noise
    assert torch.allclose(more, 0.1 * torch.randn(noise.shape, generator=dice(3)), atol=1e-6)
    generator = dice(3)
    strength = torch.rand((), generator=generator)
    random = perturb(noise, Noise(ip_noise_gamma=0.1, ip_noise_gamma_random_strength=True), dice(3)) - noise
    assert torch.allclose(random, 0.1 * strength * torch.randn(noise.shape, generator=generator), atol=1e-6)
