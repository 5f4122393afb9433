"""Captions: tags, trigger words, files."""

import pytest

from lora_nb.config.dataset import TriggerConfig
from lora_nb.dataset import captions


def test_split_and_join_are_a_round_trip():
    assert captions.split_tags(" a cat,long hair ,, ^_^\n1girl,") == ["a cat", "long hair", "^_^", "1girl"]
    assert captions.join_tags(["a cat", "^_^"]) == "a cat, ^_^"
    assert captions.split_tags("") == []


@pytest.mark.parametrize(
    ("text", "trigger", "expected"),
    [
        ("1girl, solo", "ohwx_cat", "ohwx_cat, 1girl, solo"),
        ("1girl, ohwx_cat, solo", "ohwx_cat", "ohwx_cat, 1girl, solo"),
        ("b, 1girl", "a, b", "a, b, 1girl"),
        ("", "ohwx_cat", "ohwx_cat"),
        ("1girl", "", "1girl"),
        ("A cat on a mat. It has 1,000 stripes.", "ohwx", "ohwx, A cat on a mat. It has 1,000 stripes."),
    ],
)
def test_the_trigger_stands_first_and_stays_when_added_again(text, trigger, expected):
    once = captions.add_trigger(text, trigger)
    assert once == expected
    assert captions.add_trigger(once, trigger) == expected


def test_removing_tags_sees_underscores_and_capitals_as_the_same_and_leaves_other_texts_alone():
    assert captions.remove_tags("1girl, Long_Hair, solo", ["long hair"]) == "1girl, solo"
    assert captions.remove_tags("1girl,solo ,", ["hat"]) == "1girl,solo ,"


def test_merging_keeps_the_old_text_and_adds_what_it_lacks():
    assert captions.merge_tags("ohwx, long_hair", "long hair, hat, hat") == "ohwx, long_hair, hat"
    assert captions.merge_tags("", "hat") == "hat"
    assert captions.merge_tags("a cat,", "hat") == "a cat, hat"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfcaf\xc3\xa9 \n", "café"),
        ("café".encode("cp1252"), "café"),
        ("café".encode("utf-16"), "café"),
        (b"", ""),
        (b" \n", ""),
    ],
)
def test_captions_are_read_in_any_common_encoding(tmp_path, content, expected):
    (tmp_path / "a.txt").write_bytes(content)
    assert captions.read_caption(tmp_path / "a.jpg") == expected


def test_a_written_caption_is_read_back(tmp_path):
    image = tmp_path / "a.b.jpg"
    assert captions.read_caption(image) is None
    captions.write_caption(image, "ein Kätzchen, 猫 ")
    assert captions.read_caption(image) == "ein Kätzchen, 猫"
    assert [path.name for path in tmp_path.iterdir()] == ["a.b.txt"]
    captions.write_caption(image, "x", ".caption")
    assert (tmp_path / "a.b.caption").exists()


@pytest.mark.parametrize(
    ("edit", "text", "words", "expected"),
    [
        (captions.replace_trigger, "ohwx, smile, red hair", ("ohwx", "1girl"), "1girl, smile, red hair"),
        (captions.replace_trigger, "smile, OHWX_Cat, red hair", ("ohwx cat", "cat"), "smile, cat, red hair"),
        (
            captions.replace_trigger,
            "a photo of ohwx on a sofa, ohwx smiles",
            ("ohwx", "a dog"),
            "a photo of a dog on a sofa, smiles",
        ),
        (captions.replace_trigger, "ohwx, xyz, smile", ("ohwx, xyz", "1girl"), "1girl, smile"),
        (captions.replace_trigger, "xyz, smile", ("ohwx, xyz", "1girl"), "1girl, smile"),
        (captions.replace_trigger, "ohwx, 1girl, smile", ("ohwx", "1girl"), "1girl, smile"),
        (captions.replace_trigger, "photo of ohwx cat", ("ohwx", "cat"), "photo of cat"),
        (captions.replace_trigger, "ohwx", ("ohwx", "person"), "person"),
        (captions.replace_trigger, "ohwx, smile", ("ohwx", ""), "smile"),
        (captions.replace_trigger, "smile, red hair", ("ohwx", "1girl"), "smile, red hair"),
        (captions.replace_trigger, "ohwxy, smile", ("ohwx", "1girl"), "ohwxy, smile"),
        (captions.remove_trigger, "ohwx, red hair,  smile", ("ohwx",), "red hair,  smile"),
        (captions.remove_trigger, "red hair, Ohwx", ("ohwx",), "red hair"),
        (captions.remove_trigger, "ohwx", ("ohwx",), ""),
        (captions.remove_trigger, "a photo of ohwx dog, outside", ("ohwx",), "a photo of dog, outside"),
        (captions.remove_trigger, "red, ohwx dog", ("ohwx",), "red, dog"),
        (captions.remove_trigger, "a photo of ohwx, red", ("ohwx",), "a photo of, red"),
        (captions.remove_trigger, "one, a dog in two", ("one, two",), "a dog in"),
        (captions.remove_trigger, "ohwx_cat, ohwxy", ("ohwx",), "ohwx_cat, ohwxy"),
        (captions.remove_trigger, "a.c dog, abc", ("a.c",), "dog, abc"),
        (captions.remove_trigger, " red ,hair", ("",), " red ,hair"),
    ],
)
def test_the_trigger_word_is_taken_out_or_gives_way_to_a_class_word(edit, text, words, expected):
    assert edit(text, *words) == expected


def test_applying_a_trigger_counts_changes_and_is_idempotent(tmp_path):
    images = [tmp_path / name for name in ("a.jpg", "b.png", "c.webp")]
    captions.write_caption(images[0], "hat, white background")
    captions.write_caption(images[1], "ohwx, hat")
    config = TriggerConfig(trigger_word="ohwx", remove_tags=("white_background",))
    assert captions.apply_trigger(images, config) == 2
    assert [captions.read_caption(image) for image in images] == ["ohwx, hat", "ohwx, hat", "ohwx"]
    assert captions.apply_trigger(images, config) == 0


def test_tags_are_counted_by_caption_and_ordered_by_frequency():
    counts = captions.count_tags(["b, a, a", "b", "c"])
    assert list(counts.items()) == [("b", 2), ("a", 1), ("c", 1)]


def test_top_tags_read_sub_folders_and_pass_over_stray_text(tmp_path):
    for name, text in {"a": "hat, cat", "5_x/b": "hat"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.jpg").touch()
        captions.write_caption(tmp_path / f"{name}.jpg", text)
    (tmp_path / "README.txt").write_text("stray, hat", encoding="utf-8")
    assert captions.top_tags(tmp_path) == [("hat", 2), ("cat", 1)]
    assert captions.top_tags(tmp_path, n=1) == [("hat", 2)]
    with pytest.raises(ValueError, match="none is not a folder"):
        captions.top_tags(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "earlier", "trigger", "after"),
    [
        ("rexdog, hat", "rexdog", "rexxy", "rexxy, hat"),
        ("rexdog, a photo of rexdog on grass", "rexdog", "rexxy", "rexxy, a photo of on grass"),
        ("a, b, hat", "a, b", "b, c", "b, c, hat"),
        ("hat, a cat on a mat", "cat", "rexxy", "rexxy, hat, a cat on a mat"),
        ("hat", "rexdog", "rexxy", "rexxy, hat"),
        ("rexdog, hat", "rexdog", "rexdog", "rexdog, hat"),
        ("rexdog, hat", "", "rexxy", "rexxy, rexdog, hat"),
        ("rexdog, hat", "rexdog", "", "rexdog, hat"),
        ("Rex_Dog, hat", "rex dog", "rexxy", "rexxy, hat"),
    ],
)
def test_the_earlier_trigger_goes_where_it_was_put(tmp_path, text, earlier, trigger, after):
    image = tmp_path / "a.png"
    captions.write_caption(image, text)
    for _ in range(2):
        captions.apply_trigger([image], TriggerConfig(trigger_word=trigger), earlier)
        assert captions.read_caption(image) == after
