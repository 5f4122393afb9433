"""A Stable Diffusion 2 on disk. Imports no torch."""

from lora_nb.bases.file_kind import SD2
from lora_nb.bases.stable_files import PACKAGE, StableFiles

FILES = StableFiles(SD2, PACKAGE / "sd2", ("text_encoder",), ("tokenizer",), resolution=768, unit=64)
