"""What looks at a picture, for each way to find copies."""

from pathlib import Path

import numpy as np

from lora_nb.dataset import images
from lora_nb.pictures.looking import SIDE, Eye, Look, see_windows


def eye_for(method: str) -> Eye:
    """What looks at a picture, for a way to find copies."""
    return _hashed(method) if method.endswith("hash") else see_windows


def _hashed(method: str) -> Eye:
    from imagededup import methods  # loads torch

    hasher = {"p": methods.PHash, "d": methods.DHash, "a": methods.AHash, "w": methods.WHash}[method[0]](
        verbose=False
    )

    def look(path: Path) -> Look:
        picture, size = images.open_reduced(path, SIDE)
        code = int(hasher.encode_image(image_array=np.asarray(picture)), 16)
        return Look(path, *size, np.array([code], dtype=np.uint64))

    return look
