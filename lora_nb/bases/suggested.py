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
WITH_GPU = (
    "The base is Stable Diffusion 1.5, right for photos; for drawings take Lykon/AnyLoRA and clip skip 2."
)
