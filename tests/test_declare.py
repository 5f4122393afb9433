"""Slices, and what a declaration says."""

from dataclasses import dataclass
from typing import Literal

import pytest

from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.declare import again, either, needs, part, setting, settings_of, unless
from lora_nb.settings import from_dict, load, save, to_dict


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
    assert train["keep_tokens"].label == "tags that stay in front"
    assert train["guidance"].said.same_run and train["guidance"].default == 7.0


def test_of_several_conditions_one_is_enough():
    bread = either(needs("butter"), needs("cheese", "brie"), either(unless("vegan")))
    assert bread.hold({"butter": True, "cheese": "", "vegan": True})
    assert bread.hold({"butter": False, "cheese": "brie", "vegan": True})
    assert bread.hold({"butter": False, "cheese": "", "vegan": False})
    values = {"butter": False, "cheese": "feta", "vegan": True}
    assert not bread.hold(values)
    assert bread.sentence("knife", values) == (
        "knife has no effect without butter and with cheese = feta; it has one with brie and with vegan"
    )
