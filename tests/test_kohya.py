"""Names of sd-scripts' settings."""

import re

import pytest

from declared import CONFIGS
from lora_nb import kohya, settings
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.settings import from_dict


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
    "algo": "network_type",
    "conv_dim": "conv_rank",
    "factor": "lokr_factor",
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
    assert not known & (set(kohya.ABSENT) - {"batch_size", "repo_id"})  # of `push`, where it is no tagger


@pytest.mark.parametrize("name", ["conditioning_data_di", "network_arg"])
def test_a_misspelt_name_of_what_is_absent_leads_nowhere(name):
    assert settings.nearest(TrainConfig, name) == ""
