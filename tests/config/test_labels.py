"""Sentences with labels: every setting of every verb, whole names alone, and the names in files and flags unchanged."""

import re

import pytest

from lora_nb import settings
from lora_nb.config import labels
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.shell.verbs import VERBS

FLAG = re.compile(r"[a-z0-9]+_[a-z0-9_]+")


def test_every_setting_of_every_verb_has_a_label():
    known = labels.labels()
    for verb in VERBS.values():
        assert {setting.name for setting in settings_of(verb.config)} <= known.keys()
    assert not [label for label in known.values() if "_" in label]


@pytest.mark.parametrize(
    "setting", [each for each in settings_of(TrainConfig) if each.said.only_with], ids=lambda each: each.name
)
def test_a_setting_without_effect_is_said_without_a_flag(setting):
    values = settings.values_of(TrainConfig())
    said = labels.in_labels(setting.said.only_with.sentence(setting.name, values))
    assert said.startswith(f'"{setting.label}" has no effect') or setting.label == setting.name
    named = set(FLAG.findall(said)) - {str(each.default) for each in settings_of(TrainConfig)}
    assert not named & labels.labels().keys(), said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("rank = 0 is not usable", '"size of the LoRA" = 0 is not usable'),
        ("conv_alpha has no effect without conv_rank", '"alpha of convolutions" has no effect without "rank of convolutions"'),
        ('unknown setting "num_repeats"', 'unknown setting "repeats of each picture"'),
        ("a rank of 4, with a seed", "a rank of 4, with a seed"),
        ("/home/me/output_name/file is full", "/home/me/output_name/file is full"),
        ("num_repeats.txt and my-num_repeats", "num_repeats.txt and my-num_repeats"),
        ("set num_repeats or --max_train_epochs.", 'set "repeats of each picture" or "epochs".'),
    ],
)  # fmt: skip
def test_only_names_of_settings_are_replaced(given, said):
    assert labels.in_labels(given) == said


def test_the_labels_of_a_run_are_all_different_and_fit_beside_their_field():
    shown = [each for each in settings_of(TrainConfig) if not each.said.internal]
    names = [each.label for each in shown]
    assert len(set(names)) == len(names)
    assert not [each.label for each in shown if len(each.label) > 36 and each.kind != "bool"]
