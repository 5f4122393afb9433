"""Photographs and drawings told apart."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lora_nb.captioning.medium import Judged, judge

DEMO = Path(__file__).parents[2] / "lora_nb" / "demo" / "examples"


def photo(seed):
    """Shades everywhere, grain, and edges."""
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    smooth = np.asarray(rough.resize((800, 600), Image.Resampling.BICUBIC)).astype(float)
    return Image.fromarray(np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8))


def drawing(seed):
    """Areas of one colour with lines around them."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (800, 600), tuple(rng.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = rng.integers(0, 600, 2).tolist()
        draw.ellipse((x, y, x + 200, y + 150), tuple(rng.integers(0, 256, 3).tolist()), "black", 4)
    return image


@pytest.mark.parametrize(("make", "captions"), [(photo, "sentences"), (drawing, "tags")])
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_set_of_one_kind_is_known(tmp_path, make, captions, ending):
    paths = [tmp_path / f"{number}.{ending}" for number in range(4)]
    for number, path in enumerate(paths):
        make(number).save(path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    judged = judge([*paths, tmp_path / "broken.png"])
    assert (judged.seen, judged.captions) == (4, captions)
    assert judged.sentence.startswith(f"{judged.photographs} of 4 pictures looked at seem to be photographs")


@pytest.mark.parametrize("name", ["character", "style"])
def test_the_shipped_drawings_are_known_as_such(tmp_path, name):
    with zipfile.ZipFile(DEMO / f"{name}.zip") as archive:
        archive.extractall(tmp_path)
    judged = judge(
        [path for path in sorted(tmp_path.rglob("*")) if path.suffix.lower() in (".png", ".jpg", ".webp")]
    )
    assert judged.seen >= 6 and judged.captions == "tags"


def test_where_it_is_not_clear_nothing_is_chosen():
    assert Judged(4, 2).captions == "" and "Choose tags for a model that learnt tags" in Judged(4, 2).sentence
    assert judge([]).captions == ""


def test_of_many_pictures_some_are_looked_at(tmp_path):
    drawing(0).resize((40, 30)).save(tmp_path / "a.png")
    assert 6 <= judge([tmp_path / "a.png"] * 1000).seen <= 12
