from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from lora_nb.dataset.images import ORIENTATION, open_upright
from lora_nb.overview.reframe import cropped, turned

CLOCKWISE = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}


def draw(path: Path, orientation: int = 1, mode: str = "RGB", **more) -> Path:
    """Four quarters of other colours, 64 x 32, so that every turn and mirror looks different."""
    image = Image.new("RGB", (64, 32), "red")
    image.paste("lime", (32, 0, 64, 16))
    image.paste("blue", (0, 16, 32, 32))
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F] = orientation, "a camera"
    image.convert(mode).save(path, exif=exif, **more)
    return path


def upright(content: bytes, folder: Path) -> Image.Image:
    place = folder / "now"
    place.write_bytes(content)
    return open_upright(place)


def alike(one: Image.Image, other: Image.Image, by: int = 0) -> bool:
    if one.size != other.size:
        return False
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean) <= by


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_turned_without_touching_its_pixels(tmp_path, orientation, quarters):
    path = draw(tmp_path / "a.jpg", orientation, quality=90)
    made = turned(path, quarters)
    assert alike(upright(made, tmp_path), open_upright(path).transpose(CLOCKWISE[quarters]))
    with Image.open(path) as before, Image.open(BytesIO(made)) as now:
        assert before.tobytes() == now.tobytes()
        assert now.getexif()[0x010F] == "a camera"
    assert made.count(b"Exif\0\0") == 1
    back = upright(turned(_write(tmp_path / "b.jpg", made), 4 - quarters), tmp_path)
    assert alike(back, open_upright(path))


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_jpeg_without_exif_gets_one(tmp_path):
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.jpg")
    assert upright(turned(tmp_path / "a.jpg", 1), tmp_path).size == (20, 40)


@pytest.mark.parametrize(
    ("name", "more", "by"),
    [("a.png", {}, 0), ("a.webp", {"lossless": True}, 0), ("a.webp", {"quality": 95}, 12), ("a.bmp", {}, 0)],
)
def test_other_formats_are_turned_in_their_own(tmp_path, name, more, by):
    path = draw(tmp_path / name, 1 if name.endswith("bmp") else 6, **more)
    made = turned(path, 1)
    assert alike(upright(made, tmp_path), open_upright(path).transpose(CLOCKWISE[1]), by)
    with Image.open(path) as before, Image.open(BytesIO(made)) as now:
        assert before.format == now.format


def test_what_is_transparent_stays_so(tmp_path):
    image = Image.new("RGBA", (20, 10), (255, 0, 0, 0))
    image.save(tmp_path / "a.png")
    with Image.open(BytesIO(cropped(tmp_path / "a.png", (0, 0, 4, 6)))) as now:
        assert now.mode == "RGBA" and now.size == (4, 6) and now.getpixel((0, 0))[3] == 0


@pytest.mark.parametrize("orientation", [1, 6, 8, 5])
def test_the_part_of_the_upright_picture_stays(tmp_path, orientation):
    path = draw(tmp_path / "a.jpg", orientation, quality=95, subsampling=0)
    box = (2, 3, 20, 25)
    made = upright(cropped(path, box), tmp_path)
    assert made.size == (18, 22) and alike(made, open_upright(path).crop(box), 3)


@pytest.mark.parametrize("box", [(0, 0, 65, 32), (5, 5, 5, 9), (-1, 0, 4, 4), (9, 0, 4, 4)])
def test_a_part_outside_is_refused(tmp_path, box):
    with pytest.raises(ValueError, match="64 x 32 pixels"):
        cropped(draw(tmp_path / "a.png"), box)


def test_what_is_no_picture_is_refused(tmp_path):
    path = draw(tmp_path / "a.jpg", quality=90)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"a\.jpg cannot be read"):
        turned(path, 1)
