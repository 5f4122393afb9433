"""Measures of drawn pictures that agree with eyes (tags found, burnt colours, structure), and the loss on held-out ones.

B batch, H W pixels, K tags.
"""

import numpy as np
import torch

from groups import group_scores
from lora_nb.bases import process
from lora_nb.bases.base import Base
from shipped import Tagger

BINS, WINDOW = 8, 8
LEVELS = 10  # noise levels each held-out picture is tried at


def tags_found(pictures: np.ndarray, texts: tuple[str, ...], tagger: Tagger) -> float:
    """Return the F1 of the tags found in pictures (B, H, W, 3) against those of `texts`, the mean of measure.py's groups."""
    names = tagger.names[4:]
    wanted = np.array([[name in text.split(", ") for name in names] for text in texts])
    return group_scores(tagger.probabilities(pictures)[:, 4:] > 0.35, wanted, names)["mean"]


def look(pictures: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return how drawn pictures (B, H, W, 3) look beside truth pictures: 0 `burnt` and 0 `colours` would be the same.

    `burnt` is their mean saturation (0 to 255) above that of the truth, `colours` half the difference of the two colour
    histograms, `structure` the SSIM of each picture and the truth picture of its tags.
    """
    return {
        "burnt": saturation(pictures) - saturation(truth),
        "colours": float(np.abs(histogram(pictures) - histogram(truth)).sum() / 2),
        "structure": float(np.mean([ssim(one, other) for one, other in zip(pictures, truth, strict=False)])),
    }


def saturation(pictures: np.ndarray) -> float:
    """Return the mean difference of each pixel's strongest and weakest colour."""
    return float((pictures.max(-1).astype(float) - pictures.min(-1)).mean())


def histogram(pictures: np.ndarray) -> np.ndarray:
    """Return the shares of all pixels in BINS x BINS x BINS cells of colour."""
    cells = (pictures.reshape(-1, 3) // (256 // BINS)) @ np.array([BINS * BINS, BINS, 1])
    return np.bincount(cells, minlength=BINS**3) / len(cells)


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Return the structural similarity (Wang et al., 2004) of two pictures (H, W, 3) in grey, by windows of 8 pixels."""
    one, two = (
        np.lib.stride_tricks.sliding_window_view(picture.astype(float).mean(-1), (WINDOW, WINDOW))
        for picture in (first, second)
    )
    axes = (-2, -1)
    mean, other = one.mean(axes), two.mean(axes)
    shared = (one * two).mean(axes) - mean * other
    small, smaller = (0.03 * 255) ** 2, (0.01 * 255) ** 2
    likeness = (2 * mean * other + smaller) * (2 * shared + small)
    return float(
        (likeness / ((mean**2 + other**2 + smaller) * (one.var(axes) + two.var(axes) + small))).mean()
    )


@torch.no_grad()
def noise_loss(base: Base, pictures: np.ndarray, texts: tuple[str, ...]) -> float:
    """Return the mean squared error of the predicted noise on pictures (B, H, W, 3) and their captions, at fixed noise."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    latents = base.encode_images(pixels)[0] * base.vae.config.scaling_factor
    signal = process.alphas_cumprod(base.scheduler_config)
    generator, errors = torch.Generator().manual_seed(7), []
    for latent, text in zip(latents, texts, strict=True):
        timesteps = (torch.arange(LEVELS) * len(signal)) // LEVELS + len(signal) // LEVELS // 2
        noise = torch.randn((LEVELS, *latent.shape), generator=generator)
        noisy = process.add_noise(latent.expand_as(noise), noise, signal[timesteps])
        states = base.encode([text], 1, 75).states.expand(LEVELS, -1, -1)
        errors.append(float((base.unet(noisy, timesteps, states).sample - noise).square().mean()))
    return float(np.mean(errors))
