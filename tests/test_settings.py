import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from lora_nb import config, settings
from lora_nb.settings import check, from_dict, load, parse, save, setting, settings_of, show, to_dict

CONFIGS = [
    kind for kind in vars(config).values() if isinstance(kind, type) and kind.__module__ == config.__name__
]


@dataclass(frozen=True)
class Cake:
    """Every kind of setting there is."""

    layers: int = setting(3, "how many", min=1, max=9)
    sugar: float = setting(0.5, "how sweet", min=0, max=1)
    name: str = setting("torte", "what to call it")
    candles: bool = setting(False, "put some on")
    filling: Literal["cream", "jam"] = setting("jam", "what is inside")
    size: Literal[18, 26] = setting(26, "of the tin")
    guests: tuple[str, ...] = setting((), "who comes")
    oven: int | None = setting(None, "degrees", min=50, max=300)
    salt: float | None = setting(0.1, "a pinch", min=0.01)


BY_NAME = {each.name: each for each in settings_of(Cake)}


def test_a_setting_reads_as_it_was_declared():
    layers, oven, guests, size = (BY_NAME[name] for name in ("layers", "oven", "guests", "size"))
    assert (layers.kind, layers.default, layers.min, layers.max, layers.optional) == ("int", 3, 1, 9, False)
    assert (oven.kind, oven.optional, oven.default) == ("int", True, None)
    assert (guests.kind, guests.many) == ("str", True)
    assert (size.kind, size.choices) == ("choice", (18, 26))


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
    ],
)
def test_parse(name, text, value):
    assert parse(BY_NAME[name], text) == value


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


def test_a_whole_number_does_for_a_number():
    assert type(from_dict(Cake, {"sugar": 1}).sugar) is float


@pytest.mark.parametrize(("wrong", "right"), [("layer", "layers"), ("fill", "filling"), ("Guests", "guests")])
def test_a_misspelt_key_is_refused_with_the_nearest_right_one(wrong, right):
    with pytest.raises(ValueError, match=f'unknown setting "{wrong}"; did you mean "{right}"'):
        from_dict(Cake, {wrong: 1})


def test_a_key_like_no_other_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="known are layers, sugar"):
        from_dict(Cake, {"xyz": 1})


@pytest.mark.parametrize(
    "cake",
    [
        Cake(),
        Cake(4, 0.25, 'with "quotes" and ü', True, "cream", 18, ("Ada", "a; b"), 180, None),
        Cake(salt=None, oven=None),
    ],
)
def test_save_and_load_give_the_same_config(tmp_path: Path, cake):
    save(cake, tmp_path / "cake.toml")
    assert load(Cake, tmp_path / "cake.toml") == cake


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_default_config_survives_toml(tmp_path: Path, kind):
    save(kind(), tmp_path / "config.toml")
    assert load(kind, tmp_path / "config.toml") == kind()


def test_what_is_none_by_default_has_no_key():
    assert "oven" not in to_dict(Cake())
    assert to_dict(Cake(salt=None))["salt"] == settings.NOTHING


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"layers = ", "cake.toml: Invalid value"),
        (b"layers = 0", "cake.toml: layers = 0"),
        (b"leyers = 3", 'cake.toml: unknown setting "leyers"; did you mean "layers"'),
        (b'name = "\xff"', "cake.toml: "),
    ],
)
def test_an_unusable_file_is_named(tmp_path: Path, content, says):
    (tmp_path / "cake.toml").write_bytes(content)
    with pytest.raises(ValueError) as wrong:
        load(Cake, tmp_path / "cake.toml")
    assert says in str(wrong.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="nowhere.toml does not exist"):
        load(Cake, tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("network_dim", "rank"), ("unet_lr", "learning_rate"), ("leraning_rate", "learning_rate")],
)
def test_a_name_of_sd_scripts_or_a_misspelt_one_leads_to_ours(typed, meant):
    with pytest.raises(ValueError, match=f'unknown setting "{typed}"; did you mean "{meant}"'):
        from_dict(config.TrainConfig, {typed: 1})


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (config.ImportConfig, "source", "https://me:hf_AbCdEfGh1234567890@huggingface.co/a.zip"),
        (
            config.TrainConfig,
            "pretrained_model_name_or_path",
            "https://civitai.com/m?token=AbCdEfGh1234567890",
        ),
        (config.TrainConfig, "sample_prompts", ["a cat", "hf_AbCdEfGh1234567890"]),
        (config.TrainConfig, "rank", "hf_AbCdEfGh1234567890"),
    ],
)
def test_a_token_is_refused_without_being_repeated_and_never_written(tmp_path: Path, kind, name, value):
    with pytest.raises(ValueError) as wrong:
        from_dict(kind, {name: value})
    assert name in str(wrong.value) and "AbCdEfGh1234567890" not in str(wrong.value)
    made = dataclasses.replace(kind(), **{name: tuple(value) if isinstance(value, list) else value})
    with pytest.raises(ValueError, match="HF_TOKEN"):
        save(made, tmp_path / "run.toml")
    assert not list(tmp_path.iterdir())
