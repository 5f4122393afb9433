"""A run made longer or shorter: the bytes it ends in, what is said, and what is refused."""

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from test_run import bytes_under, elsewhere, lines_of, project_of
from test_run import config as config  # a fixture
from test_train import StopAt

from lora_nb import events, settings
from lora_nb.training import state
from lora_nb.training.train import train


def constant(config, **more):
    return settings.replace(config, lr_scheduler="constant", **more)


def path_of_state(config):
    return project_of(config) / "runs" / "cat" / "cat.state"


def told_of(config, **more):
    told = []
    done = train(settings.replace(config, **more), told.append)
    return done, " ".join(event.text for event in told if isinstance(event, events.Notice)), told


@pytest.mark.parametrize(
    "more", [{}, {"ema_decay": 0.9, "optimizer": "Prodigy", "learning_rate": 1.0, "text_encoder_lr": 1.0}]
)
def test_more_epochs_at_a_constant_rate_end_in_the_bytes_of_a_run_planned_so_long(config, more):
    config = constant(config, **more)
    whole = elsewhere(settings.replace(config, max_train_epochs=4), "whole")
    train(whole)
    first = train(config)
    assert [Path(file).name for file in first.files] == ["cat-01.safetensors", "cat-02.safetensors"]
    stopped = train(settings.replace(config, max_train_epochs=4), poll=StopAt(stop=2))
    assert stopped.status == "stopped" and "step 8 of 12" in stopped.text
    done, said, told = told_of(config, max_train_epochs=4)
    assert done.status == "done" and "laid out anew" not in said and "step 8 of 12" in said
    ours, theirs = bytes_under(config, "output"), bytes_under(whole, "output")
    assert {name for name in theirs if ours[name] != theirs[name]} <= {"cat-01.safetensors"}, (
        "as it was written then"
    )
    assert lines_of(config, "StepLog") == 12 and lines_of(config, "EpochLog") == 4
    assert sum(isinstance(event, events.StepLog) for event in told) == 4, "only what was not done yet"


def test_a_schedule_that_depends_on_the_length_is_laid_out_anew_and_said(config):
    config = settings.replace(config, lr_scheduler="cosine", lr_warmup_steps=0)
    train(config)
    done, said, told = told_of(config, max_train_epochs=4)
    assert done.status == "done" and "it goes on after step 6 to 12" in said
    assert "step 7 has 50% of the learning rate, after 7% in step 6" in said and "on_existing" in said
    rates = [event.lr_unet for event in told if isinstance(event, events.StepLog)]
    assert rates[0] == pytest.approx(5e-4 / 2, rel=0.3) and rates == sorted(rates, reverse=True)
    with safe_open(done.files[-1], "pt") as opened:
        assert opened.metadata()["lora_nb_lengths"] == "6 steps planned until step 6, then 12"
        assert json.loads(opened.metadata()["lora_nb_settings"])["max_train_epochs"] == 4


def test_fewer_epochs_are_answered_from_the_files_there_are(config):
    before = train(constant(config, max_train_epochs=3)).files
    bytes_before = bytes_under(config, "output", "runs")
    done, _, told = told_of(constant(config), max_train_epochs=1)
    assert (
        done.status == "done"
        and done.files == before[:1]
        and "cat-01.safetensors is what it was after 3" in done.text
    )
    assert "otherwise" not in done.text and not any(isinstance(event, events.StepLog) for event in told)
    assert bytes_under(config, "output", "runs") == bytes_before, "the run stays what it is"
    assert "already finished" in train(constant(config, max_train_epochs=3)).text


def test_fewer_epochs_say_that_the_rate_was_another_and_what_was_not_kept(config):
    train(settings.replace(config, max_train_epochs=3, save_last_n_epochs=2))
    done, *_ = told_of(config, max_train_epochs=2)
    assert "Its learning rate was that of 9 steps" in done.text and done.files[-1].endswith(
        "cat-02.safetensors"
    )
    with pytest.raises(
        ValueError, match=r"no file of step 3 was kept; there are: cat-02.safetensors, cat-03"
    ):
        train(settings.replace(config, max_train_epochs=1))
    with pytest.raises(ValueError, match="no file of step 7 was kept"):
        train(settings.replace(config, max_train_steps=7))


def test_a_stopped_run_may_end_earlier_than_planned(config):
    train(constant(config, max_train_epochs=4), poll=StopAt(stop=4))
    done, said, _ = told_of(constant(config), max_train_epochs=2)
    assert done.status == "done" and "planned for 12 steps; it goes on after step 4 to 6" in said
    whole = elsewhere(constant(config), "whole")
    train(whole)
    name = "cat-02.safetensors"
    assert bytes_under(config, "output")[name] == bytes_under(whole, "output")[name]


def test_steps_may_be_added_in_the_middle_of_an_epoch(config):
    whole = elsewhere(constant(config, max_train_steps=6), "whole")
    train(whole)
    train(constant(config, max_train_steps=4))
    train(constant(config, max_train_steps=6))
    name = "cat-02.safetensors"
    assert bytes_under(config, "output")[name] == bytes_under(whole, "output")[name]


def test_what_an_older_version_finished_kept_nothing_to_go_on_from(config):
    train(constant(config))
    path = path_of_state(config)
    kept = state.load_state(path)
    kept.parameters, kept.optimizer = [], {}
    state.save_state(path, kept)
    assert "already finished" in train(constant(config)).text
    with pytest.raises(ValueError, match="older version .* network_weights"):
        train(constant(config, max_train_epochs=4))
