"""The drawing of avatars: options -> SVG (DiceBear in node) -> RGB arrays (resvg), cached by name."""

import io
import json
import random
import subprocess
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

from settings import BASE_STYLES, DRAWN, HELD_OUT_STYLE, NPM, SCRATCH, SEEDS, STYLE_SHARE
from world import Avatar, framing, sample_avatar, sample_character


@dataclass(frozen=True)
class Pictures:
    """Drawn avatars. images: uint8 (B, H, W, 3); tags and styles: one entry a picture."""

    images: np.ndarray
    tags: list[tuple[str, ...]]
    styles: list[str]


def draw_svg(avatars: list[Avatar]) -> list[str]:
    """Return the SVG of each avatar, without background."""
    lines = "\n".join(json.dumps({"style": avatar.style, "options": avatar.options}) for avatar in avatars)
    script = Path(__file__).with_name("avatars.mjs")
    done = subprocess.run(
        ["node", str(script), str(NPM)], input=lines, text=True, capture_output=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _gradient(colours: tuple[str, str], size: int) -> np.ndarray:
    """Return a (size, size, 3) float picture from the first colour at the top to the second at the bottom."""
    top, bottom = (np.array([int(colour[i : i + 2], 16) for i in (0, 2, 4)], float) for colour in colours)
    share = np.linspace(0, 1, size)[:, None, None]
    return np.broadcast_to(top * (1 - share) + bottom * share, (size, size, 3))


def rasterise(job: tuple[str, tuple[str, str], int]) -> np.ndarray:
    """Return one picture, uint8 (size, size, 3), from (svg, background colours, size)."""
    svg, colours, size = job
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))
    rgba = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"), float)
    alpha = rgba[..., 3:] / 255
    return (rgba[..., :3] * alpha + _gradient(colours, size) * (1 - alpha)).round().astype(np.uint8)


def draw(avatars: list[Avatar], size: int = DRAWN) -> Pictures:
    """Return the pictures of some avatars."""
    jobs = [(svg, avatar.background, size) for svg, avatar in zip(draw_svg(avatars), avatars, strict=True)]
    with ProcessPoolExecutor(2) as pool:
        images = np.stack(list(pool.map(rasterise, jobs, chunksize=64)))
    return Pictures(images, [avatar.tags for avatar in avatars], [avatar.style for avatar in avatars])


def sample(purpose: str, count: int) -> list[Avatar]:
    """Return `count` seeded avatars for a purpose of settings.SEEDS.

    base*: the four base styles. tagger*, judge: also the held-out style and the character. character*, style*: only those."""
    rng = random.Random(SEEDS[purpose])
    if purpose.startswith("character"):
        return [sample_character(rng) for _ in range(count)]
    if purpose.startswith("style"):
        return [reframed(sample_avatar(HELD_OUT_STYLE, rng), rng) for _ in range(count)]
    base = rng.choices(BASE_STYLES, [STYLE_SHARE[style] for style in BASE_STYLES], k=count)
    everything = purpose.startswith(("tagger", "judge"))
    avatars = []
    for style in base:
        chance = rng.random() if everything else 1.0
        if chance < 0.03:
            avatars.append(sample_character(rng))
        else:
            avatars.append(sample_avatar(HELD_OUT_STYLE if chance < 0.18 else style, rng))
    return avatars


def reframed(avatar: Avatar, rng: random.Random) -> Avatar:
    """Return the avatar in a wider random frame."""
    return replace(avatar, options=avatar.options | framing(avatar.style, rng, wide=True))


def pictures(purpose: str, count: int) -> Pictures:
    """Return the cached pictures of a purpose, drawing them the first time."""
    cache = SCRATCH / "pictures" / f"{purpose}-{count}.npz"
    if not cache.exists():
        drawn = draw(sample(purpose, count))
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = cache.with_suffix(".tmp.npz")
        np.savez(temporary, images=drawn.images, labels=json.dumps([drawn.tags, drawn.styles]))
        temporary.rename(cache)
    stored = np.load(cache)
    tags, styles = json.loads(str(stored["labels"]))
    return Pictures(stored["images"], [tuple(row) for row in tags], styles)


def shrink(image: np.ndarray, size: int, rng: random.Random, jitter: float = 0.03) -> np.ndarray:
    """Return a picture at `size`, from a random nearly full crop."""
    whole = image.shape[0]
    side = whole * (1 - rng.uniform(0, jitter))
    left, top = rng.uniform(0, whole - side), rng.uniform(0, whole - side)
    return np.asarray(
        Image.fromarray(image).resize(
            (size, size), Image.Resampling.LANCZOS, (left, top, left + side, top + side)
        )
    )


def sheet(images: np.ndarray, columns: int, path: Path, zoom: int = 2) -> None:
    """Write pictures (B, H, W, 3) as one PNG grid."""
    count, height, width, _ = images.shape
    grid = Image.new("RGB", (columns * width * zoom, -(-count // columns) * height * zoom), "white")
    for index, image in enumerate(images):
        picture = Image.fromarray(image).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
        grid.paste(picture, (index % columns * width * zoom, index // columns * height * zoom))
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.save(path, optimize=True)
