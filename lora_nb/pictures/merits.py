"""Which of several pictures that show the same is the best, with the reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lora_nb.dataset import images

SHARPNESS_SIDE = 512
STRETCH = 128  # pixels of a line that are looked at together
SHORTEST = 8
LARGER = 1.1  # times as many pixels a side for the same: below it nobody enlarged on purpose
ABOVE, BELOW = (1.1, 1.4), (0.8, 0.95)  # bands around the finest wave that the smaller picture can hold
REAL = 0.25  # of the power below that wave: a picture that was not enlarged has more above it
AS_SHARP = 0.5  # of the sharpest one: below it the difference is plain to see; block edges look sharp too


@dataclass(frozen=True)
class Merits:
    """What is good in a whole picture. `power` is that of its waves, from none to the finest (every other pixel).

    `losses` is how coarsely a JPEG is quantised, 0 for other formats.
    """

    path: Path
    width: int
    height: int
    power: np.ndarray
    sharpness: float
    losses: int
    size: int
    captioned: bool

    @property
    def area(self) -> int:
        return self.width * self.height


Density = Callable[
    [int, int], float
]  # how many times as many pixels a side the first picture has for the same


def judge(path: Path, captioned: bool) -> Merits:
    """The merits of a picture, which is read whole. Raises like `open_upright`."""
    picture = images.open_upright(path)
    grey = np.asarray(picture.convert("L"), dtype=np.float32)
    power = np.mean([_power(lines) for lines in (grey, grey.T)], axis=0)
    return Merits(
        path,
        *picture.size,
        power,
        measure_sharpness(picture),
        images.coarseness(path),
        path.stat().st_size,
        captioned,
    )


def is_enlarged(one: Merits, smaller: Merits, density: float) -> bool:
    """Whether a picture of `density` times as many pixels a side shows no finer waves than the smaller one holds."""
    if density < LARGER:
        return False
    above = _mean(one.power, ABOVE[0] / density, min(1.0, ABOVE[1] / density))
    below = _mean(smaller.power, *BELOW)
    return above < REAL * density * below


def _mean(power: np.ndarray, low: float, high: float) -> float:
    last = len(power) - 1
    return float(power[min(last, round(low * last)) : round(high * last) + 1].mean())


def _power(lines: np.ndarray) -> np.ndarray:
    """The mean power of STRETCH // 2 + 1 frequencies along the lines of a picture."""
    length = min(STRETCH, lines.shape[1])
    if length < SHORTEST:
        return np.zeros(STRETCH // 2 + 1)
    count = max(1, lines.shape[1] // length)
    stretches = lines[:, : count * length].reshape(-1, length)
    window = np.hanning(length + 1)[:-1].astype(np.float32)
    stretches = (stretches - stretches.mean(axis=1, keepdims=True)) * window
    power = (np.abs(np.fft.rfft(stretches, axis=1)) ** 2).mean(axis=0) / (window**2).sum()
    return np.interp(np.linspace(0, 1, STRETCH // 2 + 1), np.linspace(0, 1, len(power)), power)


def measure_sharpness(picture: Image.Image) -> float:
    """Variance of the Laplacian at a common size, to two digits: closer ones are equally sharp."""
    grey = picture.convert("L")
    grey.thumbnail((SHARPNESS_SIDE, SHARPNESS_SIDE), Image.Resampling.BOX)
    pixels = np.pad(np.asarray(grey, dtype=np.float32), 1, mode="edge")
    across = pixels[1:-1, :-2] + pixels[1:-1, 2:] - 2 * pixels[1:-1, 1:-1]
    down = pixels[:-2, 1:-1] + pixels[2:, 1:-1] - 2 * pixels[1:-1, 1:-1]
    return float(f"{(across + down).var():.2g}")


def ranked(judged: Mapping[int, Merits], density: Density) -> list[int]:
    """The numbers of these pictures, the best one first; equal ones in their order.

    Enlarged ones come last; then the first difference decides: size, sharpness that is plain to see, compression,
    sharpness, file size, caption.
    """
    enlarged = {one for one in judged for other in judged if _grew(judged, one, other, density)}
    order = {number: (number not in enlarged, *_order(judged, number)) for number in judged}
    return sorted(judged, key=order.__getitem__, reverse=True)


def _grew(judged: Mapping[int, Merits], one: int, other: int, density: Density) -> bool:
    return one != other and is_enlarged(judged[one], judged[other], density(one, other))


def _order(judged: Mapping[int, Merits], number: int) -> tuple[float, ...]:
    one, sharpest = judged[number], max(each.sharpness for each in judged.values())
    sharp = one.sharpness >= AS_SHARP * sharpest
    return (one.area, sharp, -one.losses, one.sharpness, one.size, one.captioned)


def why(kept: Merits, second: Merits) -> str:
    """In what `kept` is better than the next best."""
    if second.area > kept.area:
        return (
            f"the original, {kept.width}x{kept.height}: {second.path.name} has more pixels and no more detail"
        )
    orders = [_order({0: kept, 1: second}, number) for number in (0, 1)]
    decisive = next((k for k, (a, b) in enumerate(zip(*orders, strict=True)) if a > b), None)
    sharpest = f"the sharpest of equal size, {kept.width}x{kept.height}"
    return {
        0: f"the largest, {kept.width}x{kept.height}",
        1: sharpest,
        2: "the least compressed of equal size",
        3: sharpest,
        4: f"the largest file of equal size and sharpness, {kept.size / 1000:.0f} kB",
        5: "the one with a caption",
        None: "the first of equals by name",
    }[decisive]
