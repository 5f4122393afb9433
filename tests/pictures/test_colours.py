"""Copies and mere likenesses, told apart by their colours."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from lora_nb.dataset import example
from lora_nb.pictures import aligned, colours
from lora_nb.pictures.eyes import eye_for
from lora_nb.pictures.looking import look_at_all

ALL = (0.0, 0.0, 1.0, 1.0)


@pytest.fixture
def picture() -> Image.Image:
    bands = [
        Image.effect_noise((160, 128), 90).filter(ImageFilter.GaussianBlur(9)).point(lambda v: v * 0.8)
        for _ in range(3)
    ]
    return ImageOps.autocontrast(Image.merge("RGB", bands))


def same(tmp_path: Path, one: Image.Image, other: Image.Image, box=ALL, mirrored=False) -> bool:
    one.save(tmp_path / "one.png")
    other.save(tmp_path / "other.png")
    return colours.same(tmp_path / "one.png", tmp_path / "other.png", box, mirrored)


def test_a_brighter_a_flatter_and_a_mirrored_copy_have_the_same_colours(tmp_path, picture):
    for share in (0.6, 1.3):
        assert same(tmp_path, picture, ImageEnhance.Brightness(picture).enhance(share))
    assert same(tmp_path, ImageEnhance.Contrast(picture).enhance(0.5), picture)
    assert same(tmp_path, picture, ImageOps.mirror(picture), mirrored=True)
    assert not same(tmp_path, picture, ImageOps.mirror(picture))


def test_a_part_has_the_colours_of_its_place_and_of_no_other(tmp_path, picture):
    part = picture.crop((40, 32, 120, 96))
    assert same(tmp_path, picture, part, (0.25, 0.25, 0.5, 0.5))
    assert not same(tmp_path, picture, part, (0.0, 0.0, 0.5, 0.5))


def test_another_mouth_and_another_background_are_seen(tmp_path, picture):
    mouth = picture.copy()
    ImageDraw.Draw(mouth).rectangle((70, 90, 92, 100), fill=(255, 0, 160))
    assert not same(tmp_path, picture, mouth)
    pixels = np.asarray(picture).copy()
    pixels[:40] = (20, 200, 60)
    assert not same(tmp_path, picture, Image.fromarray(pixels))


@pytest.mark.parametrize(("source", "copies"), [(example.CHARACTER, 3), (example.FOLDER / "style.zip", 3)])
def test_of_drawings_of_one_figure_only_the_copies_are_copies(tmp_path, source, copies):
    """The shipped sets: 20 and 30 pictures that share a face or a hand, and three planted copies in each."""
    if not source.is_file():
        pytest.skip("the example sets are not in this build")
    with zipfile.ZipFile(source) as archive:
        archive.extractall(tmp_path)
    paths = sorted(path for path in tmp_path.rglob("*") if path.suffix in (".png", ".jpg"))
    looks, _ = look_at_all(paths, eye_for("aligned"))
    found = aligned.find(looks, 0.5).pairings
    names = [{looks[one.first].path.name, looks[one.second].path.name} for one in found]
    assert len(names) == copies
    assert all(pair & {"saved again.jpg", "copy (1).jpg", "blurred.jpg"} for pair in names), names
