"""Pictures: found, measured, opened upright."""

from io import BytesIO

import pytest
from PIL import Image, features

from lora_nb.dataset import captions, images
from lora_nb.events import Notice, Progress


def left_red(width=40, height=20):
    """A white picture whose left half is red."""
    picture = Image.new("RGB", (width, height), "white")
    picture.paste((255, 0, 0), (0, 0, width // 2, height))
    return picture


def near(pixel, colour, tolerance=12):
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, colour, strict=True))


@pytest.fixture
def folder(tmp_path):
    left_red().save(tmp_path / "b.JPG")
    left_red().save(tmp_path / "a.png")
    left_red().save(tmp_path / "c.WebP")
    (tmp_path / "3_cat dog").mkdir()
    left_red().save(tmp_path / "3_cat dog" / "d.bmp")
    (tmp_path / "more").mkdir()
    left_red(20, 40).save(tmp_path / "more" / "e.jpeg")
    captions.write_caption(tmp_path / "b.JPG", "a cat")
    return tmp_path


def test_a_scan_finds_every_ending_in_a_fixed_order_with_repeats_and_captions(folder):
    (folder / ".hidden.png").write_bytes(b"x")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "x.png").write_bytes(b"x")
    (folder / "notes.md").touch()
    seen = []
    found = images.scan(folder, num_repeats=7, tell=seen.append)
    assert [(item.path.name, item.num_repeats, item.caption) for item in found.items] == [
        ("a.png", 7, None),
        ("b.JPG", 7, "a cat"),
        ("c.WebP", 7, None),
        ("d.bmp", 3, None),
        ("e.jpeg", 7, None),
    ]
    assert [item.subset for item in found.items] == [folder.name] * 3 + ["3_cat dog", "more"]
    assert (found.items[-1].width, found.items[-1].height) == (20, 40)
    assert found.broken == ()
    assert seen[-1] == Progress("Reading images", 5, 5)
    assert images.scan(folder, num_repeats=7, verify=False) == found


def test_a_folder_of_0_repeats_is_left_out_and_named(folder):
    (folder / "3_cat dog").rename(folder / "0_cat dog")
    seen = []
    assert len(images.scan(folder, tell=seen.append).items) == 4
    assert any(isinstance(event, Notice) and "0_cat dog" in event.text for event in seen)


def test_a_missing_folder_is_one_clear_sentence(tmp_path):
    with pytest.raises(ValueError, match="is not a folder: give the dataset folder"):
        images.scan(tmp_path / "none")


def jpeg_bytes():
    content = BytesIO()
    left_red(200, 200).save(content, "JPEG")
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.jpg", jpeg_bytes()[:-200], "damaged: "),
        ("empty.jpg", b"", "the file is empty"),
        ("page.png", b"<!DOCTYPE html><html>", "a web page"),
        ("noise.jpg", b"\x00\x01garbage" * 30, "not a picture"),
        ("phone.jpg", b"\x00\x00\x00\x18ftypheic" + bytes(40), "HEIC"),
        ("script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    ],
)
def test_a_damaged_file_is_reported_with_its_reason_and_the_others_are_read(folder, name, content, reason):
    (folder / name).write_bytes(content)
    found = images.scan(folder)
    assert len(found.items) == 5
    assert [broken.path.name for broken in found.broken] == [name]
    assert reason in found.broken[0].reason
    with pytest.raises(ValueError, match=name):
        images.open_upright(folder / name)


def test_a_picture_too_large_to_decode_is_broken(folder):
    Image.new("1", (20_000, 20_000)).save(folder / "bomb.png")
    assert [broken.reason for broken in images.scan(folder).broken] == ["more than 178 million pixels"]
    assert [broken.reason for broken in images.scan(folder, verify=False).broken] == [
        "more than 178 million pixels"
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_exif_turns_the_picture_upright(tmp_path, orientation, ending):
    upright = left_red(40, 20)
    inverse = {5: 5, 6: 8, 8: 6, 7: 7}.get(orientation, orientation)
    stored = upright.transpose(images.UPRIGHT[inverse]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    stored.save(tmp_path / f"a.{ending}", exif=exif, quality=95)
    opened = images.open_upright(tmp_path / f"a.{ending}")
    assert opened.size == (40, 20)
    assert near(opened.getpixel((5, 10)), (255, 0, 0)) and near(opened.getpixel((35, 10)), (255, 255, 255))
    item = images.scan(tmp_path, verify=False).items[0]
    assert (item.width, item.height) == (40, 20)


def clear_of(mode):
    """A `mode` picture whose hidden colour is black and whose visible corner is red, with how to save it."""
    picture = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 8, 8))
    if mode == "P":
        flat = Image.new("P", (16, 16), 0)
        flat.putpalette([0, 0, 0, 255, 0, 0])
        flat.paste(1, (0, 0, 8, 8))
        return flat, {"transparency": 0}
    if mode == "RGB":
        return picture.convert("RGB"), {"transparency": (0, 0, 0)}
    return picture.convert(mode), {}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_what_is_clear_becomes_white(tmp_path, mode):
    picture, options = clear_of(mode)
    picture.save(tmp_path / "a.png", **options)
    opened = images.open_upright(tmp_path / "a.png")
    assert opened.mode == "RGB"
    assert opened.getpixel((12, 12)) == (255, 255, 255)
    assert opened.getpixel((2, 2)) != (255, 255, 255)


def test_sixteen_bits_cmyk_and_black_and_white_come_as_rgb(tmp_path):
    deep = Image.frombytes("I;16", (8, 8), (b"\x00\x80" * 4 + b"\xff\xff" * 4) * 8)
    deep.save(tmp_path / "deep.png")
    opened = images.open_upright(tmp_path / "deep.png")
    assert (opened.getpixel((0, 0)), opened.getpixel((7, 0))) == ((128,) * 3, (255,) * 3)
    left_red().convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    assert near(images.open_upright(tmp_path / "print.jpg").getpixel((5, 5)), (255, 0, 0))
    Image.new("1", (8, 8), 1).save(tmp_path / "bits.png")
    assert images.open_upright(tmp_path / "bits.png").getpixel((0, 0)) == (255, 255, 255)


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert images.open_upright(tmp_path / "a.webp").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read(tmp_path):
    left_red().save(tmp_path / "a.avif")
    assert [(item.width, item.height) for item in images.scan(tmp_path).items] == [(40, 20)]


def test_damaged_exif_does_not_make_a_picture_broken(tmp_path):
    left_red().save(tmp_path / "a.jpg", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert len(images.scan(tmp_path).items) == 1


def test_a_thumbnail_is_a_small_upright_jpeg(tmp_path):
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    left_red(800, 400).save(tmp_path / "a.jpg", exif=exif)
    small = Image.open(BytesIO(images.thumbnail(tmp_path / "a.jpg", 100)))
    assert (small.format, small.size) == ("JPEG", (50, 100))


def test_resize_crop_brings_to_size_then_cuts():
    cut = images.resize_crop(left_red(80, 40), (40, 20), (10, 0, 30, 20))
    assert cut.size == (20, 20)
    assert near(cut.getpixel((2, 10)), (255, 0, 0)) and near(cut.getpixel((17, 10)), (255, 255, 255))
