"""Which family a diffusers folder is of, by its index and its U-Net's configuration. Imports no torch."""

from pathlib import Path

from lora_nb.bases.file_kind import KINDS, SD2, SD15, SDXL, TRAINABLE, OtherKind
from lora_nb.bases.folder import read_json

REFINER_WIDTH = 1280  # of what SDXL's refiner is told; it has the second text encoder alone


def check_kind(folder: Path, name: str, kind: str) -> None:
    """Raises ValueError about `name` when the files its family shows in, in `folder`, are not those of `kind`."""
    index = folder / "model_index.json"
    said = read_json(index).get("_class_name", "") if index.is_file() else "StableDiffusionPipeline"
    if "StableDiffusion" not in said or "Diffusion3" in said:
        raise ValueError(f"{name} holds a {said}: {TRAINABLE}")
    if not (folder / "unet").is_dir():
        raise ValueError(f"{name} holds a {said} without a U-Net: it is not a whole base")
    unet = read_json(folder / "unet" / "config.json")
    found = _kind_of(unet)
    if found == SDXL and unet.get("cross_attention_dim") == REFINER_WIDTH:
        raise ValueError(f"{name} holds the refiner of {KINDS[SDXL].title}: train on its base")
    if found != kind:
        raise OtherKind(f"{name} holds a {KINDS[found].title} model, not one of {KINDS[kind].title}")
    if unet.get("in_channels", 4) != 4:
        raise ValueError(
            f"{name} holds an inpainting model ({unet['in_channels']} input channels): {TRAINABLE}"
        )


def _kind_of(unet: dict) -> str:
    if unet.get("addition_embed_type"):
        return SDXL
    linear = unet.get("use_linear_projection") or unet.get("cross_attention_dim") == 1024
    return SD2 if linear else SD15
