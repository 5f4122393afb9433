"""Codes of a picture and of the windows that may be cut out of it: how a crop of another picture is suspected.

A code is the signs of the 63 lowest cosine waves over a window (a perceptual hash without a median): brightness and
contrast do not change it, and the mirror image differs in the signs of the odd waves across, which are known.
"""

import numpy as np

SIDE = 64  # of the grey square in which windows are cut
WAVES = 8
SIZES = {
    0.9: 3,
    0.8: 4,
    0.7: 5,
}  # of a window, as shares of the picture's sides, and how many places a side it has
STRIPS = (0.8, 0.7, 0.6)  # of one side only
MIRROR = np.uint64(sum(1 << (row * WAVES + column) for row in range(WAVES) for column in range(1, WAVES, 2)))


def _starts(size: float, places: int = 3) -> list[float]:
    return [(1 - size) * place / (places - 1) for place in range(places)]


def _every_window() -> np.ndarray:
    """(windows, 4): left, top, width, height as shares; the whole picture is the first."""
    windows = [(0.0, 0.0, 1.0, 1.0)]
    for size, places in SIZES.items():
        starts = _starts(size, places)
        windows += [(left, top, size, size) for left in starts for top in starts]
    for size in STRIPS:
        windows += [(left, 0.0, size, 1.0) for left in _starts(size)]
        windows += [(0.0, top, 1.0, size) for top in _starts(size)]
    return np.array(windows)


WINDOWS = _every_window()


def _waves(start: float, size: float) -> np.ndarray:
    """(WAVES, SIDE): the cosine waves over a stretch of a line of pixels, each pixel by its share in the stretch."""
    edges = np.arange(SIDE + 1) / SIDE
    overlap = np.minimum(edges[1:], start + size) - np.maximum(edges[:-1], start)
    middle = ((edges[1:] + edges[:-1]) / 2 - start) / size
    weight = np.maximum(overlap, 0)
    waves = weight * np.cos(np.pi * np.arange(WAVES)[:, None] * middle)
    waves[1:] -= weight * (
        waves[1:].sum(axis=1, keepdims=True) / weight.sum()
    )  # blind to brightness, at any edge
    return waves


_STRETCHES = list(
    dict.fromkeys([tuple(row) for row in np.concatenate([WINDOWS[:, [0, 2]], WINDOWS[:, [1, 3]]])])
)
_BASES = np.concatenate([_waves(*stretch) for stretch in _STRETCHES]).astype(np.float32)
_ACROSS = [_STRETCHES.index((left, width)) for left, _, width, _ in WINDOWS]
_DOWN = [_STRETCHES.index((top, height)) for _, top, _, height in WINDOWS]
_BITS = np.uint64(1) << np.arange(WAVES * WAVES, dtype=np.uint64)


def codes(square: np.ndarray) -> np.ndarray:
    """The code of each of WINDOWS, as uint64, from the grey picture squeezed into (SIDE, SIDE)."""
    every = _BASES @ square.astype(np.float32) @ _BASES.T
    blocks = every.reshape(len(_STRETCHES), WAVES, len(_STRETCHES), WAVES)[_DOWN, :, _ACROSS, :]
    signs = blocks.reshape(len(WINDOWS), -1) > 0
    signs[:, 0] = False  # the mean, which says nothing
    return (signs * _BITS).sum(axis=1, dtype=np.uint64)


def mirrored(code: np.ndarray) -> np.ndarray:
    """The codes of the mirror images."""
    return code ^ MIRROR
