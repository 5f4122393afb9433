"""How much of a picture text covers, by rapidocr's detector, which ships its weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lora_nb.dataset import images

ABSENT = 'Text and watermarks were not looked for: pip install "lora_nb[text]" adds the detector.'
SIDE = 736  # pixels of the longer side the detector sees
SURE = 0.5


def load() -> Callable[[Path], float]:
    """What tells the share of a picture, 0 to 1, that lies under text. Raises ImportError without rapidocr."""
    import logging

    from rapidocr import RapidOCR

    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    detector = RapidOCR(params={"Global.log_level": "error", "Global.use_cls": False})

    def share(path: Path) -> float:
        picture, _ = images.open_reduced(path, SIDE)
        picture.thumbnail((SIDE, SIDE))
        found = detector(np.asarray(picture)[:, :, ::-1], use_det=True, use_cls=False, use_rec=True)
        boxes = [] if found.boxes is None else found.boxes
        scores = found.scores or [0.0] * len(boxes)
        area = sum(_area(np.asarray(box)) for box, sure in zip(boxes, scores, strict=True) if sure >= SURE)
        return float(area / (picture.width * picture.height))

    return share


def _area(corners: np.ndarray) -> float:
    """The area of a quadrangle, by the shoelace formula."""
    x, y = corners[:, 0], corners[:, 1]
    return float(abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2)
