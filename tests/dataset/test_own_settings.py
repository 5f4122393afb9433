"""Folders with settings of their own, and sd-scripts' dataset files."""

import json

import pytest

from lora_nb.dataset.subsets import Subset, read_file, read_subsets

FILE = """
[general]
shuffle_caption = true
keep_tokens = 2
enable_bucket = true

[[datasets]]
resolution = 512
batch_size = 4
caption_extension = ".caption"

  [[datasets.subsets]]
  image_dir = "mine"
  num_repeats = 7
  class_tokens = "sks cat"
  keep_tokens = 1

  [[datasets.subsets]]
  image_dir = "reg"
  is_reg = true

[[datasets]]
resolution = [512, 768]

  [[datasets.subsets]]
  image_dir = "mine"
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("mine", "reg", "3_more"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_a_subset_is_found_in_the_dataset_or_anywhere(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    found = read_subsets(
        ('folder = "mine", keep_tokens = 3, flip_aug = true', f'{{ folder = "{other}", is_reg = true }}'),
        folder,
    )
    assert found == (
        Subset(folder / "mine", {"keep_tokens": 3, "flip_aug": True}),
        Subset(other, {}, "", True),
    )
    assert read_subsets(('folder = "."',), folder)[0].folder == folder


@pytest.mark.parametrize("kind", ["toml", "json"])
def test_a_file_of_sd_scripts_is_read_with_what_its_parts_inherit(folder, kind):
    path = folder / f"data.{kind}"
    path.write_text(FILE if kind == "toml" else json.dumps(__import__("tomllib").loads(FILE)))
    first, second = read_file(path)
    shared = {"shuffle_caption": True, "keep_tokens": 2}
    assert first.given == {"enable_bucket": True, "resolution": 512, "train_batch_size": 4}
    assert first.subsets == (
        Subset(
            folder / "mine",
            {"num_repeats": 7, **shared, "keep_tokens": 1, "caption_extension": ".caption"},
            "sks cat",
        ),
        Subset(folder / "reg", {"num_repeats": 1, **shared, "caption_extension": ".caption"}, "", True),
    )
    assert second.given == {"enable_bucket": True, "resolution": "512,768"}
    assert second.subsets[0].given == {"num_repeats": 1, **shared}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("num_repeats = 7", "num_repeat = 7", 'dataset 1, subset 1: unknown setting "num_repeat"; did you mean "num_repeats"'),
        ("num_repeats = 7", 'num_repeats = "7"', "dataset 1, subset 1: num_repeats = '7' is not usable"),
        ("num_repeats = 7", "rank = 7", 'subset 1: unknown setting "rank"; known are num_repeats'),
        ("num_repeats = 7", "resolution = 512", 'subset 1: unknown setting "resolution"'),
        ("num_repeats = 7", 'metadata_file = "a.json"', "sd-scripts has it and lora_nb has not"),
        ('image_dir = "reg"', 'image_dir = "gone"', "subset 2: .*gone is not a folder"),
        ('image_dir = "reg"', 'image_dir = "mine"', "dataset 1: .*mine is named twice"),
        ('image_dir = "reg"', "", 'subset 2: give its folder, such as folder = "3_cat"'),
        ("is_reg = true", 'is_reg = "yes"', "is_reg true or false"),
        ("[general]", "[generel]", 'unknown part "generel"; known are general, datasets'),
        ("resolution = [512, 768]", "resolution = [512, 768, 3]", "dataset 2: resolution = .* is not usable"),
        ("[general]", "[general", "data.toml: "),
        ("resolution = [512, 768]", "resolution = 16", "dataset 2: resolution = 16 is not usable"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_with_its_place(folder, old, new, says):
    path = folder / "data.toml"
    assert old in FILE
    path.write_text(FILE.replace(old, new, 1))
    with pytest.raises(ValueError, match=says):
        read_file(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.toml", None, "gone.toml does not exist: give a .toml or .json file"),
        ("empty.toml", "", r"names no \[\[datasets\]\]"),
        ("list.json", "[1]", "is no dataset file"),
        ("half.json", '{"datasets": [', "half.json: "),
        ("deep.json", "[" * 100_000, "deep.json: nested too deep"),
        ("bare.json", '{"datasets": [{}]}', r"has no \[\[datasets.subsets\]\]"),
        ("words.json", '{"datasets": "mine"}', "must be a list of tables"),
        ("general.json", '{"general": 3}', "general must be a table"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(folder, name, content, says):
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ValueError, match=says) as wrong:
        read_file(folder / name)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keep_tokens = 1", "subsets, number 1: give its folder"),
        ('folder = "gone"', "subsets, number 1: .*gone is not a folder"),
        ('folder = "mine", batch_size = 2', 'number 1: unknown setting "batch_size"'),
    ],
)
def test_what_is_wrong_in_a_run_is_said_with_its_number(folder, text, says):
    with pytest.raises(ValueError, match=says):
        read_subsets((text,), folder)
