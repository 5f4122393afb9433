"""The example sets: raw zips as a person would collect them, with planted faults, and truth pictures for scoring."""

import io
import random
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from render import Pictures, draw, sample
from settings import DEMO

PIXELS = 256
COUNTS = {"character": 20, "style": 30}
TRUTHS = 40


def _encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    """Return a picture as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def planted(images: list[Image.Image]) -> dict[str, bytes]:
    """Return the faults a raw collection has: two near-duplicates, one blurred picture, one broken file."""
    small = images[2].resize((180, 180), Image.Resampling.BICUBIC)
    again = images[5].crop((4, 4, PIXELS - 4, PIXELS - 4))
    blurred = (
        images[7]
        .resize((48, 48), Image.Resampling.BILINEAR)
        .resize((PIXELS, PIXELS), Image.Resampling.BILINEAR)
    )
    return {
        "saved again.jpg": _encoded(small, "JPEG", quality=55),
        "copy (1).jpg": _encoded(again, "JPEG", quality=70),
        "blurred.jpg": _encoded(blurred.filter(ImageFilter.GaussianBlur(4)), "JPEG", quality=80),
        "broken.jpg": _encoded(images[8], "JPEG", quality=85)[:700],
    }


def perceptual_hash(image: np.ndarray) -> np.ndarray:
    """Return the 64 bits of the DCT hash that duplicate finders use."""
    grey = np.asarray(Image.fromarray(image).convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
    steps = np.arange(32)
    basis = np.cos(np.pi * (2 * steps[None] + 1) * steps[:, None] / 64)
    low = (basis @ grey @ basis.T)[:8, :8].ravel()
    return low > np.median(low)


def distinct(purpose: str, count: int, apart: int = 12, avoid: frozenset = frozenset()) -> Pictures:
    """Return pictures with different tags and hashes at least `apart` bits apart, so that only planted copies are duplicates."""
    avatars = list(
        {avatar.tags: avatar for avatar in sample(purpose, count * 20) if avatar.tags not in avoid}.values()
    )
    drawn = draw(avatars, PIXELS)
    kept: list[int] = []
    hashes = [perceptual_hash(image) for image in drawn.images]
    for index, bits in enumerate(hashes):
        if len(kept) < count and all((bits != hashes[other]).sum() >= apart for other in kept):
            kept.append(index)
    if len(kept) < count:
        raise ValueError(
            f"{purpose}: only {len(kept)} of {count} pictures are {apart} bits apart; sample more or lower `apart`"
        )
    return Pictures(
        drawn.images[kept], [drawn.tags[index] for index in kept], [drawn.styles[index] for index in kept]
    )


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    """Write a zip whose bytes depend only on its files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, (2026, 11, 21, 0, 0, 0)), content)
    temporary.rename(path)


def write_examples() -> list[Path]:
    """Write <set>.zip and <set>_truth.zip for both sets; return their paths."""
    written = []
    for name, count in COUNTS.items():
        drawn = distinct(name, count)
        images = [Image.fromarray(image) for image in drawn.images]
        order = list(range(count))
        random.Random(0).shuffle(order)
        files = {
            f"{name}_{number + 1:02d}.png": _encoded(images[index], "PNG", optimize=True)
            for number, index in enumerate(order)
        }
        write_zip(DEMO / "examples" / f"{name}.zip", files | planted(images))
        truth = distinct(f"{name}_truth", TRUTHS, apart=4, avoid=frozenset(drawn.tags))
        files = {}
        for number, (image, tags) in enumerate(zip(truth.images, truth.tags, strict=True)):
            files[f"truth_{number + 1:02d}.png"] = _encoded(Image.fromarray(image), "PNG", optimize=True)
            files[f"truth_{number + 1:02d}.txt"] = ", ".join(tags).encode()
        write_zip(DEMO / "examples" / f"{name}_truth.zip", files)
        written += [DEMO / "examples" / f"{name}{part}.zip" for part in ("", "_truth")]
    return written
