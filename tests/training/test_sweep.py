import pytest

from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.training.sweep import change, read, sweep

RUN = settings.make(TrainConfig, output_name="cat", train_data_dir="Loras/cat/dataset")


def test_every_combination_is_a_run_with_a_telling_name():
    made = sweep(RUN, {"learning_rate": (1e-5, 2e-4), "rank": (8, 16)})
    assert [(each.learning.learning_rate, each.network.rank) for each in made] == [
        (1e-5, 8), (1e-5, 16), (2e-4, 8), (2e-4, 16),
    ]  # fmt: skip
    assert made[0].place.output_name == "cat_learning_rate_0.00001_rank_8"
    assert len({each.place.output_name for each in made}) == 4


def test_the_name_is_the_projects_where_the_run_has_none():
    made = sweep(settings.replace(RUN, output_name=""), {"rank": (8, 16)})
    assert [each.place.output_name for each in made] == ["cat_rank_8", "cat_rank_16"]


def test_lines_are_read_as_people_write_them():
    assert read("learning_rate = 1e-4, 2e-4") == ("learning_rate", (1e-4, 2e-4))
    assert read("optimizer=AdamW,Prodigy") == ("optimizer", ("AdamW", "Prodigy"))
    assert read("sample_prompts = a cat; a dog | a house") == (
        "sample_prompts",
        (("a cat", "a dog"), ("a house",)),
    )
    assert change("rank = 8") == ("rank", 8)


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({}, "0 settings are given"),
        ({"rank": (8,)}, "make 1 runs"),
        ({"rank": (8, 8)}, "cat_rank_8 would be the name of two runs"),
        ({"rank": range(1, 80)}, "make 79 runs"),
        ({"learning_rat": (1e-4, 2e-4)}, 'did you mean "learning_rate"'),
        ({"output_name": ("a", "b")}, "says where a run lies"),
        ({"training_comment": ("a", "b"), "no_metadata": (True, False)}, "training_comment has no effect"),
        ({"rank": (8, 9), "seed": (1, 2), "alpha": (1.0, 2.0)}, "one or two"),
    ],
)
def test_what_makes_no_sweep_is_a_sentence(over, says):
    with pytest.raises(ValueError, match=says):
        sweep(RUN, over)


def test_an_unusable_value_names_setting_and_range():
    with pytest.raises(ValueError, match="rank = 0 is not usable"):
        read("rank = 8, 0")
    with pytest.raises(ValueError, match="rank is given no value"):
        read("rank")
