"""The largest face in a picture, by OpenCV's detector (Wu et al., A Tiny Millisecond-level Face Detector, 2023)."""

from typing import Any

import numpy as np
from PIL import Image

from lora_nb.pictures import onnx_model

FILE = "face_detection_yunet_2023mar.onnx"
STRIDES = (8, 16, 32)
SURE = 0.6


def largest_face(session: Any, picture: Image.Image) -> tuple[float, float] | None:
    """The middle of the largest face, as shares of width and height; None where there is none."""
    width, height = onnx_model.side_of(session)
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    field = np.zeros((height, width, 3), dtype=np.float32)
    field[: size[1], : size[0]] = onnx_model.squeezed(picture, size)[:, :, ::-1]  # BGR
    said = onnx_model.ask(session, field)
    boxes = np.concatenate([_boxes(said, stride, width) for stride in STRIDES])
    if not len(boxes):
        return None
    x, y, _ = boxes[boxes[:, 2].argmax()]
    return (min(1.0, max(0.0, float(x / size[0]))), min(1.0, max(0.0, float(y / size[1]))))


def _boxes(said: dict[str, np.ndarray], stride: int, width: int) -> np.ndarray:
    """(faces, 3): the middle's x and y, and the area, of what one grid of the model is sure of."""
    seen, there = (np.maximum(said[f"{name}_{stride}"].reshape(-1), 0) for name in ("cls", "obj"))
    sure = np.flatnonzero(np.sqrt(seen * there) >= SURE)
    box = said[f"bbox_{stride}"].reshape(-1, 4)[sure]
    rows, columns = np.divmod(sure, width // stride)
    x, y = (columns + box[:, 0]) * stride, (rows + box[:, 1]) * stride
    return np.stack([x, y, np.exp(box[:, 2]) * np.exp(box[:, 3]) * stride**2], axis=1)
