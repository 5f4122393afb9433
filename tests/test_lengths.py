"""How long a run is to be."""

import pytest

from lora_nb.lengths import SHORTEST, USUAL, Rule


@pytest.mark.parametrize(
    ("pictures", "repeats", "epochs"),
    [
        (1, 200, 10), (8, 25, 10), (15, 14, 10), (20, 10, 10), (30, 10, 10), (40, 10, 10), (60, 6, 10),
        (100, 4, 10), (150, 2, 10), (400, 1, 10), (1000, 1, 4), (9000, 1, SHORTEST),
    ],
)  # fmt: skip
def test_repeats_and_epochs_follow_from_the_pictures(pictures, repeats, epochs):
    assert (USUAL.repeats_of(pictures), USUAL.epochs_of(pictures)) == (repeats, epochs)


@pytest.mark.parametrize("rule", [USUAL, Rule(repeats=5, most=300)])
def test_an_epoch_stays_within_its_bounds_and_no_run_is_below_1500_looks(rule):
    for pictures in range(1, rule.most + 1):
        looks = rule.repeats_of(pictures) * pictures
        assert looks <= rule.most, pictures
        assert looks >= rule.fewest or 2 * pictures > rule.most, pictures
        assert rule.looks(pictures) >= 1500


def test_the_rule_is_said_with_what_comes_of_it():
    assert USUAL.words(8).startswith(
        "8 pictures x 25 = 200 looks an epoch, 2000 in 10 epochs. The rule: each"
    )
    assert "1600 in 8 epochs" in USUAL.words(8, 8)
