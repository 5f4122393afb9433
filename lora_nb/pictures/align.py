"""Proof that one picture is a part of another: laid over it at the best scale and place, they agree everywhere.

Both are brought to local contrast first (each pixel against its surroundings), so that neither a flat background nor
brightness makes different pictures agree. The place is found by normalised cross-correlation over all shifts (Lewis,
Fast Normalized Cross-Correlation, 1995), the scale by trying several.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

ROUGH, EXACT = 48, 96  # pixels of the longer side of the whole picture: to find the scale, to judge
SPREAD = 0.14  # how far the scale may be from what the window says
COARSE, FINE = 0.035, 0.01
SMALLEST = 12  # pixels of the part's shorter side: below it anything fits somewhere
BLOCKS = 3  # a side: each part of the picture has to agree, not only most of it
WORST = 0.25  # the share of parts that need not: somebody painted there
PLAIN = 0.3  # of the usual structure: parts with less say nothing
NEAR = 4  # pixels: the surroundings of a pixel
GREY = 6.0  # differences below so many grey levels are noise


@dataclass(frozen=True)
class Overlay:
    """How well a part agrees with the whole (1: everywhere), and where it lies: left, top, width, height as shares."""

    agreement: float
    box: tuple[float, float, float, float]


NOWHERE = Overlay(-1.0, (0.0, 0.0, 1.0, 1.0))


def overlay(whole: Image.Image, part: Image.Image, window: np.ndarray) -> Overlay:
    """The best place of `part` in `whole` (grey pictures), searched around `window`'s size."""
    rough, exact = (_Field(whole, side) for side in (ROUGH, EXACT))
    best = NOWHERE
    for shape in _shapes(whole.size, part.size, window):
        scale = _best(rough, part, shape, np.arange(-SPREAD, SPREAD + 1e-6, COARSE) + 1)[1]
        found = _best(exact, part, shape, scale * (1 + np.arange(-2, 2.1) * FINE))[0]
        best = max(best, found, key=lambda one: one.agreement)
    return best


def _shapes(whole: tuple[int, int], part: tuple[int, int], window: np.ndarray) -> list[tuple[float, float]]:
    """The shares of the whole a part may have: with the proportions it has, and squeezed into the window."""
    wide, high = whole[0] * window[2], whole[1] * window[3]
    scale = np.sqrt(wide * high / (part[0] * part[1]))
    kept = (part[0] * scale / whole[0], part[1] * scale / whole[1])
    squeezed = abs(np.log(kept[0] / window[2])) > 0.03
    return [kept, (window[2], window[3])] if squeezed else [kept]


class _Field:
    """A ground over which parts are laid: what of the search does not depend on the part."""

    def __init__(self, whole: Image.Image, side: int) -> None:
        ratio = side / max(whole.size)
        size = (max(1, round(whole.width * ratio)), max(1, round(whole.height * ratio)))
        self.ground = local_contrast(whole, size)
        self.spectrum = np.fft.rfft2(self.ground)
        squares = self.ground.astype(np.float64) ** 2
        self.energy = np.pad(squares.cumsum(0).cumsum(1), ((1, 0), (1, 0)))

    def lay(self, part: np.ndarray) -> tuple[int, int]:
        """Where (row, column) `part` agrees best."""
        height, width = part.shape
        rows, columns = self.ground.shape[0] - height + 1, self.ground.shape[1] - width + 1
        spectrum = np.conj(np.fft.rfft2(part, self.ground.shape))
        dot = np.fft.irfft2(self.spectrum * spectrum, self.ground.shape)[:rows, :columns]
        e = self.energy
        under = e[height:, width:] - e[:-height, width:] - e[height:, :-width] + e[:-height, :-width]
        likeness = dot / np.sqrt(np.maximum(under, 1e-6))
        return np.unravel_index(int(likeness.argmax()), likeness.shape)


def _best(
    field: _Field, part: Image.Image, shape: tuple[float, float], scales: Iterable[float]
) -> tuple[Overlay, float]:
    best = (NOWHERE, 1.0)
    for scale in scales:
        height, width = field.ground.shape
        found = _laid(field, part, (round(width * shape[0] * scale), round(height * shape[1] * scale)))
        if found.agreement > best[0].agreement:
            best = (found, float(scale))
    return best


def _laid(field: _Field, part: Image.Image, size: tuple[int, int]) -> Overlay:
    height, width = field.ground.shape
    size = tuple(
        side - 1 if side - 1 == most else side for side, most in zip(size, (width, height), strict=True)
    )
    if min(size) < SMALLEST or size[0] > width or size[1] > height:
        return NOWHERE
    small = local_contrast(part, size)
    row, column = field.lay(small)
    under = field.ground[row : row + size[1], column : column + size[0]]
    box = (column / width, row / height, size[0] / width, size[1] / height)
    return Overlay(agreement(under, small), box)


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """The correlation of two fields of local contrast in all but the WORST of BLOCKS x BLOCKS parts, -1 to 1.

    Parts without structure are left out.
    """
    dots, squares = _sums(one * other), (_sums(one**2), _sums(other**2))
    strength = np.sqrt(squares[0] * squares[1])
    telling = strength > PLAIN * np.median(strength) + 1e-6
    if not telling.any():
        return -1.0
    return float(np.quantile(dots[telling] / strength[telling], WORST))


def _sums(field: np.ndarray) -> np.ndarray:
    """The sum of each of BLOCKS x BLOCKS parts."""
    rows, columns = ([side * part // BLOCKS for part in range(BLOCKS)] for side in field.shape)
    return np.add.reduceat(np.add.reduceat(field, rows, 0), columns, 1)


def local_contrast(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Of a grey picture brought to `size`: each pixel's difference from what is around it, by how much that differs."""
    grey = np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=np.float32)
    rest = grey - _blurred(grey)
    return rest / (np.sqrt(np.maximum(_blurred(rest**2), 0)) + GREY)


def _blurred(field: np.ndarray) -> np.ndarray:
    """The mean over a square around each pixel; the edge goes on outside."""
    width = 2 * NEAR + 1
    padded = np.pad(field, NEAR, mode="reflect" if min(field.shape) > NEAR else "edge").astype(np.float64)
    total = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    area = total[width:, width:] - total[:-width, width:] - total[width:, :-width] + total[:-width, :-width]
    return (area / width**2).astype(np.float32)
