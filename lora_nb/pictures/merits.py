"""Which of several pictures that show the same is the best, with the reason."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SHARPNESS_SIDE = 512


@dataclass(frozen=True)
class Looked:
    """What a look at one whole picture tells: what decides which of several copies is kept."""

    path: Path
    hash: int
    width: int
    height: int
    sharpness: float
    size: int
    captioned: bool

    @property
    def merits(self) -> tuple[float, ...]:
        """Larger is better, the first difference decides."""
        return (self.width * self.height, self.sharpness, self.size, self.captioned)


def measure_sharpness(picture: Image.Image) -> float:
    """Variance of the Laplacian at a common size, to two digits: closer ones are equally sharp."""
    grey = picture.convert("L")
    grey.thumbnail((SHARPNESS_SIDE, SHARPNESS_SIDE), Image.Resampling.BOX)
    pixels = np.pad(np.asarray(grey, dtype=np.float32), 1, mode="edge")
    across = pixels[1:-1, :-2] + pixels[1:-1, 2:] - 2 * pixels[1:-1, 1:-1]
    down = pixels[:-2, 1:-1] + pixels[2:, 1:-1] - 2 * pixels[1:-1, 1:-1]
    return float(f"{(across + down).var():.2g}")


def why(kept: Looked, second: Looked) -> str:
    """In what `kept` is better than the next best."""
    decisive = next(
        (k for k, (a, b) in enumerate(zip(kept.merits, second.merits, strict=True)) if a > b), None
    )
    return {
        0: f"the largest, {kept.width}x{kept.height}",
        1: f"the sharpest of equal size, {kept.width}x{kept.height}",
        2: f"the largest file of equal size and sharpness, {kept.size / 1000:.0f} kB",
        3: "the one with a caption",
        None: "the first of equals by name",
    }[decisive]
