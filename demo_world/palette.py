"""The colours of the world, each with its Danbooru word."""

import colorsys
import random

HAIR = {
    "black": "1c1a20",
    "brown": "6b3f22",
    "blonde": "f0cf65",
    "red": "c8281e",
    "orange": "f08a24",
    "pink": "f58cb8",
    "purple": "7d3fb5",
    "blue": "2f5fd0",
    "aqua": "3cc6c8",
    "green": "3a9d3f",
    "grey": "9a9aa2",
    "white": "f4f4f6",
}
CLOTHES = {
    "black": "232228",
    "white": "f4f4f4",
    "grey": "8f9098",
    "red": "d2332c",
    "orange": "f2862a",
    "yellow": "f3ce3c",
    "green": "3f9f4c",
    "blue": "2f62c9",
    "purple": "7f45b8",
    "pink": "f07fb0",
}
BACKGROUND = {
    "white": "fafafa",
    "grey": "b2b2b8",
    "black": "1b1b20",
    "red": "e04a44",
    "orange": "f7a04b",
    "yellow": "f7dd5a",
    "green": "6cc26a",
    "aqua": "7adcdc",
    "blue": "5b8fe8",
    "purple": "a07be0",
    "pink": "f7b3cf",
}
GLASSES = ("1a1a1a", "1a1a1a", "a02020", "20307a", "6b3f22")
LIGHT_SKIN = ("f6d9bd", "f2c9a8", "eeb998", "e5a878")
DARK_SKIN = ("8d5a34", "75462a", "5f3822")


def jitter(colour: str, rng: random.Random, amount: float = 1.0) -> str:
    """Return a hex colour near `colour` that still deserves its word."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4))
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    hue = (hue + rng.uniform(-0.012, 0.012) * amount) % 1
    saturation = min(max(saturation * (1 + rng.uniform(-0.12, 0.10) * amount), 0), 1)
    value = min(max(value * (1 + rng.uniform(-0.10, 0.08) * amount), 0), 1)
    return "".join(f"{round(part * 255):02x}" for part in colorsys.hsv_to_rgb(hue, saturation, value))
