from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from declared import CONFIGS
from lora_nb import settings
from lora_nb.config.captioning import TagConfig
from lora_nb.config.drawing import GridConfig, SampleConfig
from lora_nb.config.intake import ImportConfig
from lora_nb.config.training import TrainConfig
from lora_nb.declare import setting, settings_of
from lora_nb.settings import from_dict, load, load_known, save, to_dict


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


def test_a_list_in_a_file_may_be_one_text_where_commas_are_expected():
    assert from_dict(GridConfig, {"x_values": "NUM,01,02"}).x_values == ("NUM", "01", "02")
    assert from_dict(TagConfig, {"undesired_tags": "solo, 1girl"}).undesired_tags == ("solo", "1girl")
    with pytest.raises(ValueError, match="prompts = 'a cat' is not usable: it must be a list"):
        from_dict(SampleConfig, {"prompts": "a cat"})


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
