"""Copies found by laying pictures over each other: what fits, what does not, and what is suspected at all."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from test_curate import photo

from lora_nb.pictures import aligned, windows
from lora_nb.pictures.align import agreement, local_contrast, overlay
from lora_nb.pictures.looking import look_at_all, see_windows

WHOLE = np.array([0.0, 0.0, 1.0, 1.0])


def crop(picture, share, at):
    side = round(picture.width * share)
    left = round((picture.width - side) * at)
    return picture.crop((left, left, left + side, left + side))


CHANGES = {
    "half the size": lambda picture: picture.resize((128, 128)),
    "centre of 90 %": lambda picture: crop(picture, 0.9, 0.5),
    "corner of 95 %": lambda picture: crop(picture, 0.95, 0),
    "corner of 80 %": lambda picture: crop(picture, 0.8, 1),
    "off the centre, 75 %": lambda picture: crop(picture, 0.75, 0.3),
    "one side cut": lambda picture: picture.crop((40, 0, 232, 256)),
    "mirrored": ImageOps.mirror,
    "mirrored and cut": lambda picture: crop(ImageOps.mirror(picture), 0.85, 0.2),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
    "enlarged": lambda picture: picture.resize((400, 400)),
    "squeezed": lambda picture: picture.resize((256, 192)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_among_others(tmp_path, change):
    for seed in range(6):
        photo(seed).save(tmp_path / f"{seed}.png")
    CHANGES[change](photo(2)).save(tmp_path / "copy.jpg", quality=85)
    looks, _ = look_at_all(sorted(tmp_path.iterdir()), see_windows)
    (pairing,) = aligned.find(looks, 0.5).pairings
    assert {looks[pairing.first].path.name, looks[pairing.second].path.name} == {"2.png", "copy.jpg"}
    assert pairing.mirrored == ("mirrored" in change)


def test_what_a_part_is_of_the_whole_is_measured():
    picture = photo(0).convert("L")
    laid = overlay(picture, crop(picture, 0.8, 0), windows.WINDOWS[10])
    assert laid.agreement > 0.7
    assert laid.box == pytest.approx((0, 0, 0.8, 0.8), abs=0.03)


def test_different_pictures_do_not_agree_though_both_are_half_white():
    def half_white(seed):
        picture = photo(seed)
        picture.paste("white", (0, 0, 256, 128))
        return picture.convert("L")

    assert overlay(half_white(0), half_white(1), WHOLE).agreement < 0.3
    assert overlay(half_white(0), half_white(0).resize((200, 200)), WHOLE).agreement > 0.8


def test_the_same_frame_around_other_pictures_is_no_copy():
    def framed(seed):
        frame = photo(99)
        frame.paste(photo(seed).resize((200, 200)), (28, 28))
        return frame.convert("L")

    assert overlay(framed(0), framed(1), WHOLE).agreement < 0.4


def test_agreement_is_1_for_the_same_and_minus_1_where_nothing_is_to_be_seen():
    field = local_contrast(photo(0).convert("L"), (96, 96))
    assert agreement(field, field) == pytest.approx(1, abs=1e-4)
    assert agreement(field, -field) == pytest.approx(-1, abs=1e-4)
    flat = local_contrast(Image.new("L", (256, 256), 90), (96, 96))
    assert agreement(flat, flat) == -1.0


def test_codes_of_mirror_images_are_known_without_looking():
    square = np.asarray(photo(3).convert("L").resize((64, 64)))
    code, mirror = windows.codes(square)[0], windows.codes(square[:, ::-1])[0]
    assert windows.mirrored(code) == mirror != code


def test_codes_do_not_change_with_brightness_and_contrast():
    square = np.asarray(photo(3).convert("L").resize((64, 64)), dtype=np.float32)
    assert (windows.codes(square) == windows.codes(square * 0.5 + 40)).all()


def test_a_window_is_coded_as_the_picture_cut_out_of_it():
    picture = photo(1).convert("L")
    codes = windows.codes(np.asarray(picture.resize((64, 64), Image.Resampling.BOX)))
    left, top, width, height = windows.WINDOWS[26] * 256
    cut = picture.crop((round(left), round(top), round(left + width), round(top + height)))
    own = windows.codes(np.asarray(cut.resize((64, 64), Image.Resampling.BOX)))[0]
    assert int(codes[26] ^ own).bit_count() <= 6 < int(codes[0] ^ own).bit_count()
