"""Seeds that nobody chose."""

from lora_nb import seeds


def test_0_and_minus_1_leave_the_seed_open():
    assert [seeds.is_open(seed) for seed in (-1, 0, 1, 42)] == [True, True, False, False]


def test_a_drawn_seed_is_told_and_no_open_one():
    told = []
    drawn = [seeds.draw("seed", told.append) for _ in range(20)]
    assert len(set(drawn)) == 20 and all(0 < seed <= seeds.MOST for seed in drawn)
    assert told[3].text == f"🎲 seed = {drawn[3]} was drawn; give this number to get the same again."


def test_a_derived_seed_depends_on_both_numbers_alone():
    """The first value is written down: samples of a run gone on with by a later version have the same seeds."""
    assert seeds.derive(42, 0) == 1145685124
    assert len({seeds.derive(seed, number) for seed in (1, 2) for number in (0, 1)}) == 4
