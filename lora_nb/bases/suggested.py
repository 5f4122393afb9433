"""Bases to choose from, and what each is right for."""

from lora_nb.bases.stable_files import DEMO

USUAL = "stable-diffusion-v1-5/stable-diffusion-v1-5"
FOR_DRAWINGS = "Lykon/AnyLoRA"
OF_SDXL = (
    "sdxl",
    "illustrious",
    "noobai_eps",
    "noobai_vpred",
    "pony",
    "animagine",
)  # as the catalogue names them
SUGGESTED = (USUAL, FOR_DRAWINGS, "Lykon/dreamshaper-8", *OF_SDXL, DEMO)


def why(base: str) -> str:
    """What a base that is filled in is right for, and what to take instead."""
    if base == FOR_DRAWINGS:
        return "the base is AnyLoRA, right for drawings; for photos take Stable Diffusion 1.5."
    return "the base is Stable Diffusion 1.5, right for photos; for drawings take AnyLoRA or a base of SDXL."
