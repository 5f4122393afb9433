"""Where the recipe reads and writes, and the numbers every stage shares."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
SCRATCH = Path(os.environ.get("DEMO_WORLD_SCRATCH", Path.home() / ".cache" / "lora_nb" / "world"))
DEMO = Path(os.environ.get("DEMO_WORLD_OUT", REPO / "lora_nb" / "demo"))
NPM = SCRATCH / "npm"

SIZE = 64  # pixels of a training picture
DRAWN = 128  # pixels of a cached render, before the random crop
LATENT = 16  # pixels of a latent picture
WIDTH = 128  # width of the text encoder
SCALING = 0.18215  # the VAE's scaling factor, as in Stable Diffusion 1.5
TOKENS = 77

BASE_STYLES = ("adventurer", "personas", "micah", "toonHead")
STYLE_SHARE = {"adventurer": 0.34, "personas": 0.26, "micah": 0.20, "toonHead": 0.20}
UNET_STYLES = (
    "personas",
    "micah",
    "toonHead",
)  # what the U-Net draws; VAE, text encoder, tagger and judge see all base styles
HELD_OUT_STYLE = "dylan"
CHARACTER_STYLE = "micah"

# One seed a purpose: no picture is shared between the models that are compared.
SEEDS = {
    "base": 1,
    "base_test": 2,
    "tagger": 3,
    "tagger_test": 4,
    "judge": 5,
    "character": 6,
    "character_truth": 7,
    "style": 8,
    "style_truth": 9,
    "measure": 10,
}
