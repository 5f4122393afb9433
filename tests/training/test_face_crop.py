"""Pictures cut around the face that their names tell of."""

import random
from pathlib import Path

import pytest

from lora_nb.config.examples import Pictures
from lora_nb.dataset.buckets import place
from lora_nb.training.face_crop import SHIFTED, Face, cut_around, face_of

BUCKET, WHOLE = (64, 96), (400, 300)


def cut(face, reach=(2.0, 4.0), anywhere=False, whole=WHOLE, seed=0):
    placement = place(whole, BUCKET, Pictures(enable_bucket=False))
    return cut_around(placement, whole, face, reach, anywhere, random.Random(seed))


@pytest.mark.parametrize(
    ("name", "face"),
    [
        ("mia_120_80_30_44.png", Face((120, 80), 44)),
        ("my_cat_2_120_80_44_30.jpg", Face((120, 80), 44)),
        ("120_80_44_30.png", None),
        ("mia_120_80_0_0.png", None),
        ("mia_a_b_c_d.png", None),
        ("mia.png", None),
    ],
)
def test_a_name_says_where_the_face_is(name, face):
    assert face_of(Path(name)) == face


def test_the_shorter_side_is_so_many_faces_long():
    """Each draw of sd-scripts' formula: the scale first, then the place on the height, then on the width."""
    face = Face((200, 150), 50)
    for seed in range(50):
        chance = random.Random(seed)
        scale = chance.uniform(64 / (50 * 4), 64 / (50 * 2))
        wide, high = (int(side * scale + 0.5) for side in WHOLE)
        top = int(150 * scale + 0.5) - 48 + chance.randint(-(50 // SHIFTED), 50 // SHIFTED)
        left = int(200 * scale + 0.5) - 32 + chance.randint(-(50 // SHIFTED), 50 // SHIFTED)
        found = cut(face, seed=seed)
        assert found.resized == (wide, high) and found.bucket == BUCKET
        left, top = max(0, min(left, wide - 64)), max(0, min(top, high - 96))
        assert found.crop == (left, top, left + 64, top + 96)
        assert 2 <= 64 / (50 * scale) <= 4


@pytest.mark.parametrize("middle", [(0, 0), (399, 299), (10, 290)])
@pytest.mark.parametrize("anywhere", [False, True])
def test_a_cut_never_leaves_the_picture(middle, anywhere):
    for seed in range(40):
        found = cut(Face(middle, 30), (1.0, 9.0), anywhere, seed=seed)
        left, top, right, bottom = found.crop
        assert left >= 0 and top >= 0 and right <= found.resized[0] and bottom <= found.resized[1]


def test_equal_numbers_show_the_face_in_the_middle_always_alike():
    found = {cut(Face((200, 150), 40), (3.0, 3.0), seed=seed) for seed in range(9)}
    (one,) = found
    scale = 64 / 120
    assert abs((one.crop[0] + 32) - 200 * scale) <= 1 and abs((one.crop[1] + 48) - 150 * scale) <= 1


def test_a_picture_that_cannot_be_cut_stays_as_it_is_placed():
    small = (60, 90)
    assert cut(Face((30, 40), 20), whole=small) == place(small, BUCKET, Pictures(enable_bucket=False))


def test_anywhere_moves_farther_than_around_the_face():
    spread = [
        len({cut(Face((200, 150), 30), (1.0, 3.0), anywhere, seed=seed).crop[0] for seed in range(60)})
        for anywhere in (False, True)
    ]
    assert spread[1] > spread[0]
