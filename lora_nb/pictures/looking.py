"""One quick look at each picture of a dataset: its size, and codes that tell copies from others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lora_nb.dataset import images
from lora_nb.dataset.images import Broken
from lora_nb.events import Tell, silent
from lora_nb.pictures import windows

SIDE = 128  # pixels a picture is read at, where its format allows less than all


@dataclass(frozen=True)
class Look:
    """What a look tells: the upright size, and the codes (uint64) of the whole picture and perhaps of windows in it."""

    path: Path
    width: int
    height: int
    codes: np.ndarray


Eye = Callable[[Path], Look]


def look_at_all(
    paths: Sequence[Path], eye: Eye, tell: Tell = silent
) -> tuple[tuple[Look, ...], tuple[Broken, ...]]:
    """The pictures that can be read, as seen, and those that cannot."""

    def look(path: Path) -> Look | Broken:
        try:
            return eye(path)
        except ValueError as error:
            return Broken(path, str(error).removeprefix(f"{path}: "))

    seen = [one for _, one in images.each(look, paths, "Looking at pictures", tell)]
    looks = tuple(one for one in seen if isinstance(one, Look))
    return looks, tuple(one for one in seen if isinstance(one, Broken))


def see_windows(path: Path) -> Look:
    """A look that codes the windows which might have been cut out of the picture."""
    picture, size = grey(path)
    square = picture.resize((windows.SIDE, windows.SIDE), Image.Resampling.BOX)
    return Look(path, *size, windows.codes(np.asarray(square)))


def grey(path: Path) -> tuple[Image.Image, tuple[int, int]]:
    """A small grey picture, and the size the picture has."""
    return images.open_reduced(path, SIDE, "L")
