"""Which of several pictures of the same is the best: never the one that was enlarged."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from test_curate import photo

from lora_nb.pictures import merits


def natural(seed, side=400):
    """A picture whose waves grow weaker the finer they are, down to the finest, as those of photos do."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.fft.rfftfreq(side), np.fft.fftfreq(side))
    strength = 1 / np.maximum(np.hypot(across, down), 1 / side) ** 1.2
    waves = strength * np.exp(2j * np.pi * rng.random(strength.shape))
    grey = np.fft.irfft2(waves, (side, side))
    grey = 128 + 45 * (grey - grey.mean()) / grey.std()
    return Image.fromarray(np.rint(grey).clip(0, 255).astype(np.uint8)).convert("RGB")


def judged(tmp_path, name, picture, **options):
    picture.save(tmp_path / name, **options)
    return merits.judge(tmp_path / name, captioned=False)


def by_size(one, other):
    return (one.area / other.area) ** 0.5


@pytest.mark.parametrize("factor", [1.5, 2])
@pytest.mark.parametrize(
    "way", [Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BILINEAR]
)
@pytest.mark.parametrize("quality", [95, 80])
def test_an_enlarged_copy_is_known(tmp_path, factor, way, quality):
    original = judged(tmp_path, "a.jpg", natural(1), quality=92)
    side = round(400 * factor)
    large = judged(
        tmp_path, "b.jpg", Image.open(tmp_path / "a.jpg").resize((side, side), way), quality=quality
    )
    assert merits.is_enlarged(large, original, factor)
    ranked = merits.ranked({0: large, 1: original}, lambda one, other: factor if one == 0 else 1 / factor)
    assert ranked == [1, 0]
    assert merits.why(original, large) == "the original, 400x400: b.jpg has more pixels and no more detail"


@pytest.mark.parametrize("share", [0.5, 0.67, 0.8])
def test_the_original_of_a_smaller_copy_is_not_taken_for_enlarged(tmp_path, share):
    original = judged(tmp_path, "a.jpg", natural(2), quality=92)
    side = round(400 * share)
    small = judged(tmp_path, "b.jpg", natural(2).resize((side, side), Image.Resampling.LANCZOS), quality=92)
    assert not merits.is_enlarged(original, small, 1 / share)
    assert merits.ranked({0: small, 1: original}, lambda one, other: share if one == 0 else 1 / share) == [
        1,
        0,
    ]


def test_pictures_of_nearly_the_same_size_are_never_called_enlarged(tmp_path):
    soft = judged(tmp_path, "a.png", photo(0).filter(ImageFilter.GaussianBlur(3)))
    assert not merits.is_enlarged(soft, judged(tmp_path, "b.png", photo(0)), 1.05)


def test_a_tiny_picture_can_be_judged(tmp_path):
    tiny = judged(tmp_path, "a.png", Image.new("RGB", (5, 1)))
    assert tiny.area == 5 and np.isfinite(tiny.power).all()
