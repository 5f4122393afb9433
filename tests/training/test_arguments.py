"""Arguments as people write them."""

import pytest

from lora_nb.training.arguments import check, lacking, read


class Stove:
    def __init__(
        self, pots, heat=1.0, sizes=(0.1, 0.2), lid=True, fuel="gas", salt=None, *, door: int = 0, **more
    ):
        pass


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (("heat=2", "lid=False"), {"heat": 2, "lid": False}),
        (("betas=0.9,0.99",), {"betas": (0.9, 0.99)}),
        (("betas=(0.9, 0.99) eps=1e-8",), {"betas": (0.9, 0.99), "eps": 1e-8}),
        (("step_rules=1:10,0.1", " lid = true "), {"step_rules": "1:10,0.1", "lid": True}),
        (("step_rules='1:10,0.1:20,0.05'",), {"step_rules": "1:10,0.1:20,0.05"}),
        (("decouple=True",), {"weight_decouple": True}),
        (("", "salt=none"), {"salt": None}),
    ],
)
def test_what_people_write_is_read(texts, found):
    assert read("optimizer_args", texts, {"decouple": "weight_decouple"}) == found


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (("betas",), 'optimizer_args: "betas" is not usable: write name=value'),
        (("=1",), "write name=value"),
        (("heat=1", "heat=2"), "heat is given twice"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(texts, says):
    with pytest.raises(ValueError, match=says):
        read("optimizer_args", texts, {})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"heta": 1}, 'Stove has no heta; did you mean "heat"?'),
        ({"xyzzy": 1}, "Stove has no xyzzy; it has door, fuel, heat, lid, salt, sizes"),
        ({"heat": "hot"}, "heat = 'hot' is not usable: it must be a number, as 1 is"),
        ({"heat": True}, "heat = True is not usable: it must be a number"),
        ({"lid": 1}, "lid = 1 is not usable: it must be True or False"),
        ({"sizes": 0.1}, "sizes = 0.1 is not usable: it must be 2 numbers, as 0.1,0.2 are"),
        ({"sizes": (0.1, 0.2, 0.3)}, "must be 2 numbers"),
        ({"fuel": 3}, "must be a word, as gas is"),
        ({"pots": 3}, "has no pots"),
        ({"more": 3}, "has no more"),
        ({"lr": 3}, "optimizer_args: lr is the setting learning_rate: give it there"),
    ],
)
def test_what_is_not_taken_is_one_sentence(given, says):
    with pytest.raises(ValueError) as wrong:
        check("optimizer_args", given, Stove, {"lr": "learning_rate"})
    assert says in str(wrong.value)


def test_what_is_taken_passes():
    check(
        "optimizer_args",
        {"heat": 2, "sizes": [1, 2], "lid": False, "fuel": "oil", "salt": 3, "door": 1},
        Stove,
        {},
    )


def test_what_is_needed_and_not_given_is_named():
    def bake(oven, heat, rack=1):
        pass

    assert lacking({"rack"}, bake) == ["heat"] and lacking({"heat"}, bake) == []
