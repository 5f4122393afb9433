"""The ladder of cheaper plans: every rung frees what it says, none changes the effective batch, all come to an end."""

import sys
from itertools import pairwise

import pytest

from lora_nb.config.training import TrainConfig
from lora_nb.settings import make, replace, values_of
from lora_nb.training import cheaper
from lora_nb.training.cheaper import LADDER, changed, steps


def walk(config, memory="GPU"):
    found = []
    while (config := cheaper.cheaper(config, memory)) is not None:
        found.append(config)
    return found


def effective(config):
    return config.length.train_batch_size * config.length.gradient_accumulation_steps


@pytest.mark.parametrize("memory", ["GPU", "RAM"])
@pytest.mark.parametrize("batch", [1, 2, 3, 4, 7, 12, 128])
@pytest.mark.parametrize("per_step", [1, 3])
def test_the_ladder_keeps_the_effective_batch_and_ends(memory, batch, per_step):
    begun = make(TrainConfig, train_batch_size=batch, gradient_accumulation_steps=per_step)
    plans = walk(begun, memory)
    assert {effective(plan) for plan in plans} == {batch * per_step}
    assert plans[-1].precision.gradient_checkpointing
    if batch * per_step <= 256:
        assert plans[-1].length.train_batch_size == 1
    seen = [values_of(plan) for plan in (begun, *plans)]
    assert all(one != other for one, other in pairwise(seen))


def test_what_changes_nothing_of_the_result_comes_before_what_does():
    first = cheaper.cheaper(make(TrainConfig, train_batch_size=4))
    assert first.precision.gradient_checkpointing and first.length.train_batch_size == 4
    second = cheaper.cheaper(first)
    assert (second.length.train_batch_size, second.length.gradient_accumulation_steps) == (2, 2)


def test_the_memory_says_which_rungs_there_are():
    config = make(TrainConfig, max_data_loader_n_workers=2)
    gpu, ram = ({rung.name for rung, _ in steps(config, memory)} for memory in ("GPU", "RAM"))
    assert {"workers", "latents", "bf16"} <= ram and not {"workers", "latents", "bf16"} & gpu


def test_datasets_with_batches_of_their_own_are_left_alone():
    config = make(TrainConfig, dataset_config="sets.toml", train_batch_size=4)
    assert {plan.length.train_batch_size for plan in walk(config)} == {4}


def test_eight_bits_are_offered_only_where_the_library_is(monkeypatch):
    config = make(TrainConfig, train_batch_size=1, gradient_checkpointing=True)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    assert cheaper.cheaper(config) is None
    here = type(sys)("bitsandbytes")
    here.__spec__ = object()
    monkeypatch.setitem(sys.modules, "bitsandbytes", here)
    assert cheaper.cheaper(config).learning.optimizer == "AdamW8bit"


def test_a_change_is_said_in_words_with_its_price():
    config = make(TrainConfig, train_batch_size=4)
    plans = walk(config)
    said = changed(config, plans[-1])
    assert "gradient_checkpointing = true (a third slower, the same result)" in said
    assert "train_batch_size = 1, gradient_accumulation_steps = 4 (as many pictures" in said
    assert changed(config, config) == ""
    assert changed(config, replace(config, rank=4)) == "rank = 4"


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.name)
def test_each_rung_is_taken_once_at_most_or_goes_on_to_something_smaller(rung, monkeypatch):
    here = type(sys)("bitsandbytes")
    here.__spec__ = object()
    monkeypatch.setitem(sys.modules, "bitsandbytes", here)
    config = make(
        TrainConfig, train_batch_size=2, vae_batch_size=8, max_data_loader_n_workers=2, mixed_precision="no"
    )
    values = rung.values(config)
    assert values and not rung.values(replace(config, **values))
