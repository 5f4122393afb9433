"""Whether two pictures that lie over one another have the same colours everywhere, but for brightness and contrast.

Drawings of one figure agree in their lines, and differ in a mouth, a shirt, a background: they are no copies.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lora_nb.dataset import images

READ_AT = 128  # pixels of the longer side
FINE, COARSE = (
    16,
    8,
)  # cells a side: a difference as small as a mouth fills a fine one; blur does not fill a coarse one
ON_THE_WHOLE, ANYWHERE = 16.0, 60.0  # of 441 between black and white; copies stay below


def same(
    whole: Path, part: Path, box: tuple[float, float, float, float], mirrored: bool, cells: int = FINE
) -> bool:
    """Whether `part` has the colours of what lies in `box` (left, top, width, height as shares) of `whole`."""
    first, second = (images.open_reduced(path, READ_AT)[0] for path in (whole, part))
    left, top, width, height = box
    frame = (
        left * first.width,
        top * first.height,
        (left + width) * first.width,
        (top + height) * first.height,
    )
    second = ImageOps.mirror(second) if mirrored else second
    apart = differences(_means(first, frame, cells), _means(second, (0, 0, *second.size), cells))
    return float(apart.mean()) <= ON_THE_WHOLE and float(apart.max()) <= ANYWHERE


def differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(cells,): how far the colours (cells, 3) of one lie from the other's, once that is as bright and as contrasty.

    What brightening pushed to black or white counts as far as it can still be told.
    """
    forward, back = _fit(one, other), _fit(other, one)
    dark, bright, (gain, offset) = (one, other, forward) if forward[0] >= back[0] else (other, one, back)
    expected = np.minimum(np.maximum(gain * dark + offset, 0), 255)
    return np.sqrt(((bright - expected) ** 2).sum(axis=1))


def _fit(source: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """Gain and offset, by least squares over what is neither black nor white."""
    told = (target > 2) & (target < 253)
    x, y = (source[told], target[told]) if told.sum() > target.size / 10 else (source.ravel(), target.ravel())
    spread = float(x.var())
    gain = float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread > 1 else 1.0
    return gain, float(y.mean() - gain * x.mean())


def _means(picture: Image.Image, frame: tuple[float, float, float, float], cells: int) -> np.ndarray:
    """(cells x cells, 3): the mean colours in a frame."""
    small = picture.resize((cells, cells), Image.Resampling.BOX, box=frame)
    return np.asarray(small, dtype=np.float32).reshape(-1, 3)
