"""A mask of a picture's foreground, by a segmentation model (U2-Net, ISNet, BiRefNet and the like)."""

from typing import Any

import numpy as np
from PIL import Image

from lora_nb.pictures import onnx_model

FILE = "onnx/model.onnx"
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as these models were trained


def foreground(session: Any, picture: Image.Image) -> Image.Image:
    """A grey picture of the same size: white is foreground."""
    size = onnx_model.side_of(session)
    pixels = (onnx_model.squeezed(picture, size) / 255 - np.float32(MEAN)) / np.float32(SPREAD)
    found = next(iter(onnx_model.ask(session, pixels).values()))
    field = found.reshape(-1, *found.shape[-2:])[0].astype(np.float32)
    if field.min() < 0 or field.max() > 1:  # some give logits
        field = 1 / (1 + np.exp(-field))
    grey = Image.fromarray((field * 255 + 0.5).astype(np.uint8))
    return grey.resize(picture.size, Image.Resampling.BILINEAR)
