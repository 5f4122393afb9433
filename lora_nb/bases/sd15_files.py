"""A Stable Diffusion 1.5 on disk. Imports no torch."""

from lora_nb.bases.file_kind import SD15
from lora_nb.bases.folder import component_json
from lora_nb.bases.stable_files import VOCABULARY, StableFiles, place_of

FILES = StableFiles(SD15, VOCABULARY, ("text_encoder",), ("tokenizer",), resolution=512, unit=64)


def check_clip_skip(name: str, clip_skip: int) -> None:
    """Raises ValueError when the text encoder of base `name` has fewer layers, as far as that can be known unloaded."""
    folder = place_of(name)
    known = FILES.configs if name and folder.is_file() else folder
    layers = component_json(name, known, "text_encoder").get("num_hidden_layers")
    if layers is not None:
        refuse_clip_skip(clip_skip, int(layers))


def refuse_clip_skip(clip_skip: int, layers: int) -> None:
    """Raises ValueError for a layer that a text encoder of `layers` layers does not have."""
    if clip_skip > layers:
        raise ValueError(
            f"clip_skip = {clip_skip} is not usable: this base's text encoder has {layers} layers, so at most {layers}"
        )
