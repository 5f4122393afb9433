"""The shipped judge and tagger asked about pictures; needs nothing of what made them."""

import csv
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from settings import DEMO

# B batch, D width, K tags.
INPUT = 448  # pixels of the WD14 form
JUDGE, TAGGER = DEMO / "judge" / "model.onnx", DEMO / "tagger"


def embed(images: np.ndarray) -> np.ndarray:
    """Return unit vectors (B, D) of uint8 RGB pictures, by the exported judge."""
    session = onnxruntime.InferenceSession(str(JUDGE), providers=["CPUExecutionProvider"])
    large = (
        np.asarray(Image.fromarray(image).resize((INPUT, INPUT), Image.Resampling.BICUBIC), np.float32)
        for image in images
    )
    return np.stack([session.run(None, {"input": image[None, :, :, ::-1].copy()})[0][0] for image in large])


class Tagger:
    """The exported tagger, used as any WD14 model is."""

    def __init__(self, folder: Path = TAGGER) -> None:
        self.session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        with (folder / "selected_tags.csv").open() as file:
            self.names = [row["name"].replace("_", " ") for row in csv.DictReader(file)]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return (B, 4 + K) for uint8 RGB pictures (B, H, W, 3)."""
        told = []
        for image in images:
            large = np.asarray(
                Image.fromarray(image).resize((INPUT, INPUT), Image.Resampling.BICUBIC), np.float32
            )
            told.append(self.session.run(None, {"input": large[None, :, :, ::-1].copy()})[0][0])
        return np.stack(told)
