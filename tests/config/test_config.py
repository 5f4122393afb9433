import tomllib
from pathlib import Path

import pytest

from declared import CONFIGS
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.settings import from_dict, load, values_of
from lora_nb.shell.verbs import VERBS
from lora_nb.typed import check

HOME = Path(__file__).parents[2]
DEMO_RUNS = ("configs/demo/train.toml", "lora_nb/demo/train.toml")


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_setting_explains_itself_and_has_a_default_that_passes_its_own_check(kind):
    assert kind.__doc__ and not kind.__doc__.startswith(kind.__name__)
    for each in settings_of(kind):
        assert each.said.help and not each.said.help.endswith("."), each.name
        assert check(each, each.default) == each.default, each.name


@pytest.mark.parametrize("kind", CONFIGS)
def test_one_name_means_one_thing(kind):
    own = {each.name: each for each in settings_of(kind)}
    shared = {each.name: each for each in settings_of(TrainConfig) if each.name in own}
    for name, each in shared.items():
        assert (own[name].kind, own[name].optional) == (each.kind, each.optional), name


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"learning_rate": 0, "text_encoder_lr": 0}, "nothing would be trained"),
        ({"lr_warmup_steps": 1.5}, "neither a share below 1 nor a whole number"),
        (
            {"min_bucket_reso": 512, "max_bucket_reso": 256},
            "min_bucket_reso = 512 is above max_bucket_reso = 256",
        ),
        ({"rank": 0}, "rank = 0 is not usable: it must be a whole number from 1 to 256"),
        ({"lr_scheduler": "cosinee"}, "lr_scheduler = 'cosinee' is not usable: it must be one of constant"),
        ({"source_date_epoch": -1}, "it must be a whole number from 0 to 32503679999 (or nothing)"),
        ({"source_date_epoch": 10**18}, "it must be a whole number from 0 to 32503679999 (or nothing)"),
        ({"seed": -2}, "seed = -2 is not usable: it must be a whole number from -1 to 4294967295"),
        ({"learning_rat": 1e-4}, 'did you mean "learning_rate"'),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(values, says):
    with pytest.raises(ValueError) as wrong:
        from_dict(TrainConfig, values)
    assert says in str(wrong.value)


def test_only_one_part_may_be_trained():
    assert from_dict(TrainConfig, {"learning_rate": 0}).learning.text_encoder_lr > 0
    assert from_dict(TrainConfig, {"text_encoder_lr": 0}).learning.learning_rate > 0


@pytest.mark.parametrize("path", sorted(HOME.glob("configs/demo/*.toml")), ids=lambda path: path.stem)
def test_the_demo_steps_are_usable(path):
    step = load(VERBS[path.stem].config, path)
    assert values_of(step)["train_data_dir"] == "Loras/demo/dataset"


def test_the_demo_trains_as_the_notebook_does():
    mine, notebook = (tomllib.loads((HOME / path).read_text(encoding="utf-8")) for path in DEMO_RUNS)
    assert {name: mine.get(name) for name in notebook} == notebook
