"""Bases to choose from, and what each is right for."""

from lora_nb.bases.stable_files import DEMO

USUAL = "stable-diffusion-v1-5/stable-diffusion-v1-5"
SUGGESTED = (USUAL, "Lykon/AnyLoRA", "Lykon/dreamshaper-8", DEMO)
WITH_GPU = (
    "The base is Stable Diffusion 1.5, right for photos; for drawings take Lykon/AnyLoRA and clip skip 2."
)
