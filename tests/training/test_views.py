"""What of a picture is shown: cut, mirrored, coloured, and its mask alike."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lora_nb.config.examples import Captions, Pictures
from lora_nb.dataset.buckets import place
from lora_nb.dataset.images import ImageItem, mask_path
from lora_nb.training.examples import Example
from lora_nb.training.sources import Source
from lora_nb.training.views import View, masks_of, pictures_of, views_of

SIZE = (96, 64)


@pytest.fixture
def picture(tmp_path):
    """A picture whose red says the column, its green the row."""
    columns, rows = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    Image.fromarray(np.stack([columns, rows, 0 * rows + 90], -1).astype(np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def example(path, **options):
    pictures = Pictures(enable_bucket=False, **options)
    with Image.open(path) as image:
        size = image.size
    source = Source(path.parent, 1, pictures, Captions(), 1)
    return Example(
        ImageItem(path, *size, "a", 1, "x"), "a", source, (32, 64), place(size, (32, 64), pictures)
    )


def pixels(image):
    return np.asarray(image).astype(int)


def test_without_augmentation_a_picture_is_shown_as_it_is_placed_and_mirrored(picture):
    plain, flipped = example(picture), example(picture, flip_aug=True)
    assert views_of(plain, 0, 8, 1) == (View(plain.placement),)
    both = views_of(flipped, 0, 8, 1)
    assert both == (View(plain.placement), View(plain.placement, mirrored=True))
    seen, mirror = map(pixels, pictures_of(flipped, both))
    assert seen.shape == (64, 32, 3) and (seen[:, ::-1] == mirror).all() and seen[0, 0, 0] == 32


def test_a_random_crop_is_anywhere_and_cuts_what_it_says(picture):
    cropped = example(picture, random_crop=True)
    views = views_of(cropped, 0, 40, 1)
    lefts = {view.placement.crop[0] for view in views}
    assert len(lefts) > 15 and min(lefts) >= 0 and max(lefts) <= 64
    for view, seen in zip(views, pictures_of(cropped, views), strict=True):
        assert seen.size == (32, 64) and pixels(seen)[0, 0, 0] == view.placement.crop[0]


def test_views_come_from_seed_and_position_alone(picture):
    cropped = example(picture, random_crop=True, color_aug=True)
    assert views_of(cropped, 3, 8, 1) == views_of(cropped, 3, 8, 1)
    assert views_of(cropped, 3, 8, 1) == views_of(cropped, 3, 20, 1)[:8]
    assert len({views_of(cropped, 3, 8, 1), views_of(cropped, 4, 8, 1), views_of(cropped, 3, 8, 2)}) == 3


def test_a_third_of_the_views_is_coloured_half_in_hue_half_in_gamma(picture):
    views = views_of(example(picture, color_aug=True), 0, 3000, 1)
    hues, gammas = [v for v in views if v.hue], [v for v in views if v.gamma != 1]
    assert 400 < len(hues) < 590 and 400 < len(gammas) < 590 and not set(hues) & set(gammas)
    assert max(abs(v.hue) for v in hues) <= 8 / 180 and all(0.95 <= v.gamma <= 1.05 for v in gammas)
    assert {v.placement for v in views} == {views[0].placement}


def test_a_turned_hue_leaves_grey_and_brightness_and_turns_red_towards_yellow(tmp_path):
    """In RGB order: sd-scripts turns the hue of a picture whose channels it takes for BGR."""
    Image.new("RGB", SIZE, (200, 20, 20)).save(tmp_path / "red.png")
    Image.new("RGB", SIZE, (90, 90, 90)).save(tmp_path / "grey.png")
    red, grey = example(tmp_path / "red.png"), example(tmp_path / "grey.png")
    turned = (View(red.placement, hue=8 / 180),)
    (seen,), (same,) = pictures_of(red, turned), pictures_of(grey, turned)
    assert pixels(seen)[0, 0, 1] > 40 and pixels(seen)[0, 0, 2] <= 22 and pixels(seen)[0, 0, 0] >= 198
    assert (pixels(same) == 90).all()
    (darker,) = pictures_of(grey, (View(grey.placement, gamma=1.05),))
    assert pixels(darker)[0, 0].tolist() == [int(255.001 * (90 / 255) ** 1.05)] * 3


@pytest.mark.parametrize("by", ["bicubic", "bilinear", "box", "nearest"])
def test_another_interpolation_gives_other_pixels(tmp_path, by):
    noise = np.random.default_rng(1).integers(0, 256, (100, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "n.png")
    usual, other = example(tmp_path / "n.png"), example(tmp_path / "n.png", resize_interpolation=by)
    (one,), (two,) = (pictures_of(each, (View(each.placement),)) for each in (usual, other))
    assert one.size == two.size and (pixels(one) != pixels(two)).mean() > 0.5


def masks(example, views, files=True):
    return [mask if mask is None else mask.numpy() for mask in masks_of(example, views, (16, 8), files)]


def test_a_mask_is_cut_and_mirrored_with_its_picture_and_made_small_by_area(picture):
    """White where the column is 40 or more; latents are 4 pixels wide, the crop begins at column 32."""
    mask = np.zeros((SIZE[1], SIZE[0]), dtype=np.uint8)
    mask[:, 42:] = 255
    Image.fromarray(mask).save(mask_path(picture))
    flipped = example(picture, flip_aug=True)
    seen, mirror = masks(flipped, views_of(flipped, 0, 1, 1))
    assert seen.shape == (1, 16, 8)
    assert np.allclose(seen[0, 0], [0, 0, 0.5, 1, 1, 1, 1, 1]) and (seen[:, :, ::-1] == mirror).all()
    away = replace(flipped.placement, crop=(64, 0, 96, 64))
    assert (masks(flipped, (View(away),))[0] == 1).all()
    coloured = View(flipped.placement, hue=0.04, gamma=1.05)
    assert (masks(flipped, (coloured,))[0] == seen).all()
    assert masks(flipped, (coloured,), files=False) == [None]


def test_a_mask_of_another_size_is_laid_over_the_whole_picture(picture):
    Image.new("L", (3, 2), 51).save(mask_path(picture))
    assert np.allclose(masks(example(picture), (View(example(picture).placement),))[0], 0.2)


def test_transparency_is_a_mask_where_it_is_asked_for_and_no_file_says_otherwise(tmp_path):
    see_through = Image.new("RGBA", SIZE, (9, 9, 9, 128))
    see_through.save(tmp_path / "a.png")
    asked = example(tmp_path / "a.png", alpha_mask=True)
    view = (View(asked.placement),)
    assert np.allclose(masks(asked, view, files=False)[0], 128 / 255)
    assert masks(example(tmp_path / "a.png"), view) == [None]
    Image.new("L", SIZE, 255).save(mask_path(tmp_path / "a.png"))
    assert (masks(asked, view)[0] == 1).all()
    Image.new("RGB", SIZE).save(tmp_path / "a.png")
    assert masks(asked, view, files=False) == [None]


def test_a_mask_that_is_no_picture_is_named(picture):
    mask_path(picture).write_bytes(b"no picture")
    with pytest.raises(ValueError, match="a-masklabel.png: not a picture in a known format"):
        masks(example(picture), (View(example(picture).placement),))
