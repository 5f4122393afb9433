"""Text in a picture, by the real detector where it is installed."""

import sys

import pytest
from PIL import ImageDraw, ImageFont
from test_curate import photo

from lora_nb.config.pictures import CheckConfig
from lora_nb.events import Notice
from lora_nb.pictures import check, text


def test_without_the_detector_the_check_says_so_and_goes_on(tmp_path, monkeypatch):
    dataset = tmp_path / "cat" / "dataset"
    dataset.mkdir(parents=True)
    photo(0).save(dataset / "a.png")
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    told = []
    assert check.check(CheckConfig(str(dataset)), told.append).all
    assert Notice(text.ABSENT) in told


@pytest.mark.slow
def test_a_watermark_is_found_and_a_picture_without_one_is_not(tmp_path):
    pytest.importorskip("rapidocr")
    picture = photo(0, 700)
    picture.save(tmp_path / "plain.png")
    ImageDraw.Draw(picture).text((100, 600), "www.example.com", fill="white", font=ImageFont.load_default(56))
    picture.save(tmp_path / "marked.png")
    share = text.load()
    assert share(tmp_path / "marked.png") > 0.01 > share(tmp_path / "plain.png")
