import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from declared import CONFIGS
from lora_nb import kohya, settings
from lora_nb.config.dataset import ImportConfig, TagConfig
from lora_nb.config.drawing import GridConfig, SampleConfig
from lora_nb.config.training import TrainConfig
from lora_nb.declare import again, needs, part, setting, settings_of, unless
from lora_nb.settings import from_dict, load, load_known, save, to_dict
from lora_nb.typed import check, parse, show


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
    spices: tuple[str, ...] = setting((), "any", separators=(";,\n",))
    songs: tuple[str, ...] = setting((), "to sing", separators=(";\n", ","))


BY_NAME = {each.name: each for each in settings_of(Cake)}


def test_a_setting_reads_as_it_was_declared():
    layers, oven, guests, size = (BY_NAME[name] for name in ("layers", "oven", "guests", "size"))
    assert (layers.kind, layers.default, layers.said.min, layers.said.max, layers.optional) == (
        "int",
        3,
        1,
        9,
        False,
    )
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


def test_a_list_in_a_file_may_be_one_text_where_commas_are_expected():
    assert from_dict(GridConfig, {"x_values": "NUM,01,02"}).x_values == ("NUM", "01", "02")
    assert from_dict(TagConfig, {"undesired_tags": "solo, 1girl"}).undesired_tags == ("solo", "1girl")
    with pytest.raises(ValueError, match="prompts = 'a cat' is not usable: it must be a list"):
        from_dict(SampleConfig, {"prompts": "a cat"})


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


@pytest.mark.parametrize(
    ("wrong", "right"), [("layer", "layers"), ("filing", "filling"), ("Guests", "guests")]
)
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
        (b"guests = " + b"[" * 100_000, "cake.toml: nested too deep"),
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
        from_dict(TrainConfig, {typed: 1})


# What sd-scripts calls a setting that is here under another name, and the setting that means just that.
SAME = {
    "unet_lr": "learning_rate",
    "optimizer_type": "optimizer",
    "network_dim": "rank",
    "network_alpha": "alpha",
    "network_dropout": "dropout",
    "caption_extention": "caption_extension",  # sd-scripts knows its own misspelling
}


def test_no_name_of_sd_scripts_leads_to_a_setting_that_means_something_else():
    for name in (*SAME, *kohya.ABSENT):
        with pytest.raises(ValueError) as wrong:
            from_dict(TrainConfig, {name: 1})
        if name in SAME:
            assert str(wrong.value) == f'unknown setting "{name}"; did you mean "{SAME[name]}"?'
        else:
            assert str(wrong.value).startswith(
                f'unknown setting "{name}"; sd-scripts has it and lora_nb has not: '
            )
            assert settings.nearest(TrainConfig, name) == ""


def test_what_is_said_of_a_setting_of_sd_scripts_names_only_settings_there_are():
    known = {each.name for kind in CONFIGS for each in settings_of(kind)}
    names = {
        name for why in kohya.ABSENT.values() for name in re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", why)
    }
    assert names - {"network_dropout", "v_prediction", "lora_nb"} <= known
    assert not known & (set(kohya.ABSENT) - {"batch_size"})


@pytest.mark.parametrize("name", ["reg_data_dirs", "network_arg", "networkweights"])
def test_a_misspelt_name_of_what_is_absent_leads_nowhere(name):
    assert settings.nearest(TrainConfig, name) == ""


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (ImportConfig, "source", "https://me:hf_AbCdEfGh1234567890@huggingface.co/a.zip"),
        (
            TrainConfig,
            "pretrained_model_name_or_path",
            "https://civitai.com/m?token=AbCdEfGh1234567890",
        ),
        (TrainConfig, "sample_prompts", ["a cat", "hf_AbCdEfGh1234567890"]),
        (TrainConfig, "rank", "hf_AbCdEfGh1234567890"),
    ],
)
def test_a_token_is_refused_without_being_repeated_and_never_written(tmp_path: Path, kind, name, value):
    with pytest.raises(ValueError) as wrong:
        from_dict(kind, {name: value})
    assert name in str(wrong.value) and "AbCdEfGh1234567890" not in str(wrong.value)
    made = settings.replace(kind(), **{name: tuple(value) if isinstance(value, list) else value})
    with pytest.raises(ValueError, match="HF_TOKEN"):
        save(made, tmp_path / "run.toml")
    assert not list(tmp_path.iterdir())


@dataclass(frozen=True)
class Icing:
    """A slice."""

    icing: Literal["none", "sugar", "chocolate"] = setting("sugar", "on top", group="Top")
    sprinkles: int = setting(0, "how many", only_with=needs("icing", "sugar", "chocolate"))
    plain: bool = setting(False, "nothing else", same_run=True)
    note: str = setting("", "on a card", only_with=unless("plain"))

    def __post_init__(self) -> None:
        if self.sprinkles > 100:
            raise ValueError("sprinkles = 101 is too many")


@dataclass(frozen=True)
class Party:
    """A config of a slice and a setting of its own."""

    guests: int = setting(4, "how many")
    top: Icing = part(Icing, "Cake", same_run=False)
    colour: str = again(Icing, "note", help="of the card", group="Top")


def test_a_slice_is_flat_to_everyone_who_reads_and_writes_settings(tmp_path):
    assert [each.name for each in settings_of(Party)] == [
        "guests",
        "icing",
        "colour",
        "sprinkles",
        "plain",
        "note",
    ]
    assert [each.said.group for each in settings_of(Party)] == ["", "Top", "Top", "Cake", "Cake", "Cake"]
    made = settings.make(Party, guests=2, sprinkles=5)
    assert made == Party(2, Icing(sprinkles=5)) and settings.values_of(made)["sprinkles"] == 5
    assert settings.replace(made, note="hi") == Party(2, Icing(sprinkles=5, note="hi"))
    save(made, tmp_path / "party.toml")
    assert load(Party, tmp_path / "party.toml") == made == from_dict(Party, to_dict(made))
    with pytest.raises(TypeError, match="Party has no setting candles"):
        settings.make(Party, candles=1)
    with pytest.raises(ValueError, match="sprinkles = 101 is too many"):
        settings.replace(made, sprinkles=101)


def test_what_does_nothing_in_this_combination_is_said():
    assert settings.without_effect(settings.make(Party, icing="none", sprinkles=3, plain=True, note="x")) == [
        "sprinkles has no effect with icing = none; it has one with sugar, chocolate",
        "note has no effect with plain",
    ]
    assert (
        settings.without_effect(Party()) == settings.without_effect(settings.make(Party, icing="none")) == []
    )


def test_what_is_said_of_a_slice_counts_for_its_settings_and_a_label_for_people():
    by_name = {each.name: each for each in settings_of(Party)}
    assert by_name["plain"].said.same_run and not by_name["note"].said.same_run
    assert (by_name["colour"].said.help, by_name["note"].said.help) == ("of the card", "on a card")
    train = {each.name: each for each in settings_of(TrainConfig)}
    assert train["text_encoder_lr"].label == "text encoder learning rate"
    assert train["keep_tokens"].label == "keep tokens"
    assert train["guidance"].said.same_run and train["guidance"].default == 7.0


def test_what_another_version_wrote_is_taken_as_far_as_it_is_known(tmp_path: Path):
    path = tmp_path / "run.toml"
    path.write_text('rank = 4\nnot_yet = 1\noptimizer = "Later"\nmin_snr_gamma = "none"\n')
    made, said = load_known(TrainConfig, path)
    assert (made.network.rank, made.learning.optimizer, made.loss.min_snr_gamma) == (4, "AdamW", None)
    assert len(said) == 2 and "run.toml: unknown setting" in said[0] and "Later" in said[1]
    path.write_text("learning_rate = 0.0\ntext_encoder_lr = 0.0\nrank = 4\n")
    made, said = load_known(TrainConfig, path)
    assert made == TrainConfig() and len(said) == 1 and "nothing would be trained" in said[0]
    path.write_text("rank = ")
    with pytest.raises(ValueError, match="run.toml: "):
        load_known(TrainConfig, path)


def test_a_heading_is_a_comment(tmp_path: Path):
    save(Cake(layers=5), tmp_path / "cake.toml", "# of 1.0")
    assert (tmp_path / "cake.toml").read_text().startswith("# of 1.0\n")
    assert load(Cake, tmp_path / "cake.toml") == Cake(layers=5)
