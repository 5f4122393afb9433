"""When things are due."""

import pytest

from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.training.moments import Moments


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def moments(epochs=10, clock=None, **said):
    return Moments(make(TrainConfig, **{"save_state_every_n_steps": 0, **said}), epochs, clock or Clock())


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("save_every_n_steps", "save"),
        ("sample_every_n_steps", "sample"),
        ("save_state_every_n_steps", "state"),
    ],
)
def test_each_has_its_own_steps(setting, what):
    due = moments(**{setting: 3})
    assert [step for step in range(1, 10) if due.by_steps(step)] == [3, 6, 9]
    assert due.by_steps(3) == {what} and moments().by_steps(3) == set()


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("save_every_n_minutes", "save"),
        ("sample_every_n_minutes", "sample"),
        ("save_state_every_n_minutes", "state"),
    ],
)
def test_each_has_its_own_minutes_which_begin_anew_each_time(setting, what):
    clock = Clock()
    due, found = moments(clock=clock, **{setting: 0.5}), []
    for _ in range(10):
        clock.seconds += 10
        found.append(due.by_minutes())
    assert found == [frozenset(), frozenset(), {what}] * 3 + [frozenset()]
    assert moments().by_minutes() == set()


@pytest.mark.parametrize(
    ("said", "epochs"),
    [
        ({}, list(range(1, 11))),
        ({"save_every_n_epochs": 4}, [4, 8, 10]),
        ({"save_n_epoch_ratio": 3}, [3, 6, 9, 10]),
        ({"save_n_epoch_ratio": 3, "save_every_n_epochs": 5}, [3, 6, 9, 10]),
        ({"save_n_epoch_ratio": 99}, list(range(1, 11))),
    ],
    ids=str,
)
def test_epochs_that_are_saved(said, epochs):
    """save_n_epoch_ratio as in sd-scripts: every floor(epochs / n), 1 at least; the last one always."""
    assert [epoch for epoch in range(1, 11) if moments(**said).saves(epoch)] == epochs


def test_epochs_that_are_drawn():
    assert [epoch for epoch in range(1, 11) if moments(sample_every_n_epochs=4).draws(epoch)] == [4, 8, 10]
    assert not any(moments(sample_every_n_epochs=0).draws(epoch) for epoch in range(1, 11))
