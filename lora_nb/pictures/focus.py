"""Where in a picture there is most to see: the point around which it is cropped."""

import numpy as np
from PIL import Image

SIDE = 64  # of the longer side that is looked at
NEAR = 3
CENTRED = 0.25  # how much the middle counts beside what is seen


def focal_point(picture: Image.Image) -> tuple[float, float]:
    """The middle of what stands out, as shares of width and height.

    Spectral residual (Hou & Zhang, Saliency Detection: A Spectral Residual Approach, 2007), weighted towards the
    middle, where people put what they mean.
    """
    ratio = SIDE / max(picture.size)
    size = tuple(max(8, round(side * ratio)) for side in picture.size)
    small = np.asarray(picture.convert("L").resize(size, Image.Resampling.BOX), dtype=np.float64)
    weight = _saliency(small) * _middle(*small.shape)
    weight[weight < np.quantile(weight, 0.75)] = 0
    rows, columns = (np.arange(count) + 0.5 for count in small.shape)
    total = weight.sum()
    if total <= 1e-12:
        return (0.5, 0.5)
    across, down = (weight.sum(0) @ columns) / total, (weight.sum(1) @ rows) / total
    return (float(across / small.shape[1]), float(down / small.shape[0]))


def _saliency(grey: np.ndarray) -> np.ndarray:
    if grey.std() < 1:
        return np.zeros_like(grey)
    spectrum = np.fft.fft2(grey - grey.mean())
    strength = np.log(np.abs(spectrum) + 1e-6)
    residual = strength - _blurred(strength, 1)
    seen = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    return _blurred(seen, NEAR)


def _middle(rows: int, columns: int) -> np.ndarray:
    down, across = (np.hanning(count + 2)[1:-1] for count in (rows, columns))
    return CENTRED + (1 - CENTRED) * np.outer(down, across)


def _blurred(field: np.ndarray, radius: int) -> np.ndarray:
    """The mean over a square around each place; the field goes on around its edges."""
    steps = range(-radius, radius + 1)
    rows = sum(np.roll(field, step, 0) for step in steps)
    return sum(np.roll(rows, step, 1) for step in steps) / (2 * radius + 1) ** 2
