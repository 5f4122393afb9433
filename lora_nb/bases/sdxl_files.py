"""A Stable Diffusion XL on disk. Imports no torch."""

from lora_nb.bases.file_kind import SDXL
from lora_nb.bases.stable_files import PACKAGE, StableFiles

FILES = StableFiles(
    SDXL,
    PACKAGE / "sdxl",
    ("text_encoder", "text_encoder_2"),
    ("tokenizer", "tokenizer_2"),
    resolution=1024,
    unit=32,
    half=True,
)


def check_clip_skip(name: str, clip_skip: int) -> None:
    """Raises ValueError for any layer but its own: `name` does not matter."""
    if clip_skip != 1:
        raise ValueError(
            f"clip_skip = {clip_skip} has no effect on Stable Diffusion XL, which always reads the last layer but one "
            "of both text encoders: leave it at 1"
        )
