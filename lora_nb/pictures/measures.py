"""What can be measured in one picture at the size it will be trained at."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lora_nb.dataset import images

GRID = 8  # parts a side: a portrait before a blurred background is sharp where it matters
BLOCK = 16  # pixels of a part that is looked at for structure
STRUCTURE = 2.0  # grey levels: below it a part is flat
BLACK, WHITE = 6, 249
FEATURE_SIDE = 4
BINS = 6


@dataclass(frozen=True)
class Measures:
    """Of a picture: its upright size; from 0 to 1 sharpness of its sharpest tenth, shares that are flat, black, white.

    `features` are colours and light as a vector, for a comparison with other pictures.
    """

    path: Path
    width: int
    height: int
    sharpness: float
    flat: float
    dark: float
    bright: float
    features: np.ndarray

    @property
    def aspect(self) -> float:
        """The longer side by the shorter one."""
        return max(self.width, self.height) / max(1, min(self.width, self.height))


def measure(path: Path, resolution: int) -> Measures:
    """The measures of a picture at the area of `resolution`, to which it is shrunk, never enlarged."""
    picture, (width, height) = images.open_reduced(path, resolution)
    scale = resolution / (picture.width * picture.height) ** 0.5
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    grey = np.asarray(picture.convert("L"), dtype=np.float32)
    dark, bright = float((grey <= BLACK).mean()), float((grey >= WHITE).mean())
    return Measures(path, width, height, sharpness(grey), flat_share(grey), dark, bright, features(picture))


def sharpness(grey: np.ndarray) -> float:
    """How strong the finest structure is in the sharpest tenth of a picture, 0 (smooth) to 1, whatever its contrast.

    The Laplacian's spread by that of the grey levels in the same part (Pech-Pacheco et al., 2000, made relative).
    """
    padded = np.pad(grey, 1, mode="edge")
    laplacian = padded[1:-1, :-2] + padded[1:-1, 2:] + padded[:-2, 1:-1] + padded[2:, 1:-1] - 4 * grey
    found = []
    for rows in zip(np.array_split(laplacian, GRID), np.array_split(grey, GRID), strict=True):
        for fine, part in zip(*(np.array_split(block, GRID, axis=1) for block in rows), strict=True):
            if part.size and part.std() > STRUCTURE:
                found.append(float(fine.std() / (4.5 * part.std())))
    return float(np.quantile(found, 0.9)) if found else 0.0


def flat_share(grey: np.ndarray) -> float:
    """The share of a picture in parts of BLOCK x BLOCK without structure."""
    rows, columns = grey.shape[0] // BLOCK, grey.shape[1] // BLOCK
    if not rows or not columns:
        return 0.0
    cut = grey[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return float((cut.std(axis=(1, 3)) < STRUCTURE).mean())


def features(picture: Image.Image) -> np.ndarray:
    """Where which colours are, and how much of each: a vector of parts between 0 and 1."""
    small = np.asarray(picture.resize((FEATURE_SIDE, FEATURE_SIDE), Image.Resampling.BOX), dtype=np.float32)
    pixels = np.asarray(picture.convert("HSV").resize((64, 64), Image.Resampling.BOX), dtype=np.float32)
    hues = np.histogram(pixels[..., 0], BINS, (0, 256), weights=pixels[..., 1] / 255)[0] / pixels[..., 0].size
    lights = np.histogram(pixels[..., 2], BINS, (0, 256))[0] / pixels[..., 2].size
    return np.concatenate([small.ravel() / 255 / FEATURE_SIDE, hues, lights]).astype(np.float32)
