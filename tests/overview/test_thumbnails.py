import os
from io import BytesIO

import pytest
from PIL import Image

from lora_nb.overview.entries import stamp_of
from lora_nb.overview.thumbnails import Thumbnails


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


def test_a_small_copy_is_kept_until_the_picture_changes(tmp_path):
    path, small = tmp_path / "a.png", Thumbnails(tmp_path / "cache")
    Image.new("RGB", (600, 300), "red").save(path)
    first = small.get(path, stamp_of(path))
    assert opened(first).size == (300, 150)
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(b"as it was kept")
    assert small.get(path, stamp_of(path)) == b"as it was kept"
    assert opened(small.get(path, stamp_of(path), side=100)).size == (100, 50)
    Image.new("RGB", (300, 600), "blue").save(path)
    os.utime(path, ns=(5, 5))
    assert opened(small.get(path, stamp_of(path))).size == (150, 300)


def test_the_oldest_go_when_there_are_too_many(tmp_path):
    small = Thumbnails(tmp_path / "cache", limit=12_000)
    for number in range(30):
        path = tmp_path / f"{number}.png"
        Image.effect_noise((64, 64), 80).save(path)
        small.get(path, stamp_of(path))
    kept = [path.stat().st_size for path in (tmp_path / "cache").iterdir()]
    assert 0 < sum(kept) <= 12_000 and small.bytes == sum(kept)


def test_what_cannot_be_read_says_why_and_a_cache_that_cannot_be_written_costs_time_alone(tmp_path):
    (tmp_path / "a.png").write_bytes(b"<html>")
    with pytest.raises(ValueError, match="a web page"):
        Thumbnails(tmp_path / "cache").get(tmp_path / "a.png", (1, 1))
    (tmp_path / "file").write_bytes(b"")
    Image.new("RGB", (6, 3)).save(tmp_path / "b.png")
    assert opened(Thumbnails(tmp_path / "file" / "cache").get(tmp_path / "b.png", (1, 1))).size == (6, 3)
