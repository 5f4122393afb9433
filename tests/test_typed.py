"""Values, checked, typed and shown."""

import random

import pytest

from declared import CONFIGS
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.typed import check, parse, show
from test_settings import BY_NAME


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("layers", " 4 ", 4),
        ("sugar", "1e-2", 0.01),
        ("sugar", "1", 1.0),
        ("candles", "True", True),
        ("filling", "cream", "cream"),
        ("size", "18", 18),
        ("guests", "Ada; Grace\nAlan;", ("Ada", "Grace", "Alan")),
        ("guests", "", ()),
        ("oven", "", None),
        ("oven", "None", None),
        ("name", "none", "none"),
        ("guests", "Ada, Countess; Grace", ("Ada, Countess", "Grace")),
        ("spices", "salt, red pepper;mint\nclove,, ", ("salt", "red pepper", "mint", "clove")),
        ("spices", '";d", ":d"', (";d", ":d")),
        ("songs", "NUM,01,02", ("NUM", "01", "02")),
        ("songs", "NUM, 01 , 02", ("NUM", "01", "02")),
        ("songs", "NUM; 01; 02", ("NUM", "01", "02")),
        ("songs", "red hair, long; blue hair", ("red hair, long", "blue hair")),
        ("songs", "red hair, long\nblue hair", ("red hair, long", "blue hair")),
        ("songs", '"red hair, long", blue hair', ("red hair, long", "blue hair")),
        ("songs", '"a; b", c "d" e, "f ""g"""', ("a; b", 'c "d" e', 'f "g"')),
        ("songs", '5" nails, x', ('5" nails', "x")),
    ],
)
def test_parse(name, text, value):
    assert parse(BY_NAME[name], text) == value


@pytest.mark.parametrize("name", ["spices", "songs"])
def test_a_list_that_takes_commas_is_read_back_as_it_is_shown(name):
    chance = random.Random(name)
    for _ in range(2000):
        words = ["".join(chance.choices(' ab,;"\n', k=chance.randrange(1, 6))).strip() for _ in range(3)]
        value = tuple(word for word in words if word)
        assert parse(BY_NAME[name], show(BY_NAME[name], value)) == value


@pytest.mark.parametrize("kind", CONFIGS)
def test_show_and_parse_agree_on_every_default(kind):
    for each in settings_of(kind):
        assert parse(each, show(each, each.default)) == each.default


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("layers", 0, "layers = 0 is not usable: it must be a whole number from 1 to 9"),
        ("layers", 2.0, "a whole number"),
        ("layers", True, "a whole number"),
        ("layers", "3", "a whole number"),
        ("sugar", float("nan"), "from 0 to 1"),
        ("sugar", float("inf"), "from 0 to 1"),
        ("candles", 1, "true or false"),
        ("filling", "creme", "one of cream, jam"),
        ("size", True, "one of 18, 26"),
        ("guests", "Ada", "a list"),
        ("guests", [1], "each text"),
        ("oven", 20, "from 50 to 300 (or nothing)"),
        ("name", None, "text"),
    ],
)
def test_check_says_what_is_wrong_and_what_would_be_right(name, value, says):
    with pytest.raises(ValueError) as wrong:
        check(BY_NAME[name], value)
    assert says in str(wrong.value)
    assert str(wrong.value).startswith(f"{name} = ")


def test_an_unusable_text_is_named_as_it_was_typed():
    with pytest.raises(ValueError, match="layers = 'three' is not usable"):
        parse(BY_NAME["layers"], "three")


TRAIN = {each.name: each for each in settings_of(TrainConfig)}


@pytest.mark.parametrize(
    ("value", "kept"),
    [(512, 512), ("512", 512), ("512,768", "512,768"), ("512x768; 64", "512,768;64"), (None, None)],
)
def test_a_size_is_kept_as_a_number_where_it_is_a_square(value, kept):
    setting = TRAIN["resolution"]
    assert (setting.kind, setting.optional) == ("size", True)
    assert check(setting, value) == kept and parse(setting, show(setting, kept)) == kept


@pytest.mark.parametrize("value", [31, "512,31", 4000, "512;4000", 512.0, True, [512, 768], "wide"])
def test_what_is_no_size_or_out_of_bounds_is_refused(value):
    with pytest.raises(ValueError, match=r"resolution = .* it must be a side in pixels, .* from 32 to 2048"):
        check(TRAIN["resolution"], value)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ([{"folder": "a;b, c", "keep_tokens": 2}], ('folder = "a;b, c", keep_tokens = 2',)),
        (['{folder="a"}', "flip_aug=true"], ('folder = "a"', "flip_aug = true")),
        ([], ()),
    ],
)
def test_a_table_is_kept_as_one_line(value, kept):
    setting = TRAIN["subsets"]
    assert check(setting, value) == kept and parse(setting, show(setting, kept)) == kept


@pytest.mark.parametrize("value", ["folder", [1], ["folder"], [{}], [""], ['a = 1"'], [{"a": object()}]])
def test_what_is_no_table_is_refused(value):
    with pytest.raises(ValueError, match="subsets = .* it must be a list, each settings of one folder"):
        check(TRAIN["subsets"], value)


def test_a_table_may_hold_no_token():
    with pytest.raises(ValueError, match="token"):
        check(TRAIN["subsets"], [{"folder": "hf_AbCdEfGh1234567890"}])
