"""The prompts a training run draws: the settings of the run where a prompt does not say otherwise."""

from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.training.plan import plan_run
from lora_nb.training.preview import check_prompts, preview_prompts


def test_prompts_take_over_size_seed_and_guidance_of_the_run(tiny_base, make_pictures, tmp_path):
    make_pictures(tmp_path / "dataset", 2)
    config = make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(tmp_path / "dataset"),
        sample_prompts=("a cat", "a dog --l 9 --d 1 --w 96"),
        guidance=3.0,
        seed=5,
    )
    cat, dog = preview_prompts(plan_run(config))
    assert (cat.text, cat.guidance, cat.seed, cat.width, cat.height) == ("a cat", 3.0, 5, 64, 64)
    assert (dog.text, dog.guidance, dog.seed, dog.width, dog.height) == ("a dog", 9.0, 1, 96, 64)


def test_a_prompt_that_leaves_its_seed_open_has_the_same_one_in_every_epoch(
    tiny_base, make_pictures, tmp_path
):
    make_pictures(tmp_path / "dataset", 2)
    config = make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(tmp_path / "dataset"),
        sample_prompts=("a cat --d -1", "a dog --d 0", "a house"),
    )
    plan, told = plan_run(config), []
    cat, dog, house = preview_prompts(plan)
    assert [cat, dog, house] == preview_prompts(plan) and cat.seed != dog.seed and house.seed == 42
    check_prompts(plan, told.append)
    assert [event.text for event in told] == [
        f'🎲 The sample "{prompt.text}" is drawn with seed {prompt.seed} each time.' for prompt in (cat, dog)
    ]


def test_words_that_become_a_prompt_mean_just_them(tiny_base, make_pictures, tmp_path):
    """Brackets in a trigger word or caption are words; those that a person writes as a prompt are weights."""
    make_pictures(tmp_path / "dataset", 2)
    where = {"pretrained_model_name_or_path": str(tiny_base), "train_data_dir": str(tmp_path / "dataset")}

    def first(**more):
        return preview_prompts(plan_run(make(TrainConfig, **where, **more)))[0].text

    assert first(trigger_word="miku (vocaloid)") == r"miku \(vocaloid\)"
    assert first(trigger_word="miku", sample_prompts=("a (cat:1.2)",)) == "a (cat:1.2)"
    assert first(trigger_word="(miku:1.2)", weighted_captions=True) == "(miku:1.2)"
