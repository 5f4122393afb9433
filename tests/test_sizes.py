"""Sizes as people write them."""

import pytest

from lora_nb.sizes import sizes_of, written


@pytest.mark.parametrize(
    ("text", "sizes", "kept"),
    [
        (512, ((512, 512),), 512),
        ("512", ((512, 512),), 512),
        ("512,512", ((512, 512),), 512),
        (" 512 , 768 ", ((512, 768),), "512,768"),
        ("512x768", ((512, 768),), "512,768"),
        ("(512, 768)", ((512, 768),), "512,768"),
        ("512;768; 1024,512", ((512, 512), (768, 768), (1024, 512)), "512;768;1024,512"),
        ("512;512,512", ((512, 512),), 512),
    ],
)
def test_sizes(text, sizes, kept):
    assert sizes_of(text) == sizes and written(sizes) == kept and sizes_of(kept) == sizes


@pytest.mark.parametrize("text", ["", ";", "a", "512,", "512,768,1", "-5", "5.5", "512 768"])
def test_what_is_no_size_is_said(text):
    with pytest.raises(ValueError, match="is no size: it must be a side in pixels, or a width and a height"):
        sizes_of(text)
