"""A Stable Diffusion 1.5 on disk. Imports no torch."""

from lora_nb.bases.file_kind import SD15
from lora_nb.bases.stable_files import VOCABULARY, StableFiles

FILES = StableFiles(SD15, VOCABULARY, ("text_encoder",), ("tokenizer",), resolution=512, unit=64)
