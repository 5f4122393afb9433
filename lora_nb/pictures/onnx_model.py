"""An ONNX model by its Hugging Face id or file, and pictures as it takes them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lora_nb import hub
from lora_nb.events import Tell, silent
from lora_nb.wording import first_line

NO_SIDE = 1024  # of a model that takes any


def load(name: str, file: str, what: str, tell: Tell = silent) -> Any:
    """A session of the model `name`: a file, or `file` in a repository. Raises ValueError saying `what` lacks."""
    import onnxruntime

    path = Path(name).expanduser()
    if not path.is_file():
        if path.suffix == ".onnx":
            raise ValueError(f"{what} {path} does not exist: give an .onnx file or a Hugging Face id")
        path = hub.download_file(name, file, tell)
    try:
        return onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise ValueError(
            f"{what} {path} cannot be loaded ({first_line(error)}): download it again"
        ) from error


def side_of(session: Any) -> tuple[int, int]:
    """(width, height) of the pictures it takes."""
    shape = session.get_inputs()[0].shape
    height, width = (one if isinstance(one, int) and one > 0 else NO_SIDE for one in shape[2:])
    return (width, height)


def ask(session: Any, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Every output by its name, for (H, W, 3) pixels."""
    given = session.get_inputs()[0]
    kind = np.float16 if "float16" in given.type else np.float32
    batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], dtype=kind)
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, {given.name: batch}), strict=True))


def squeezed(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) of the picture brought to `size` whatever its shape, 0 to 255."""
    return np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BILINEAR), dtype=np.float32)
