"""The optimizer and its schedule."""

import pytest
import torch
from diffusers.optimization import get_scheduler

from lora_nb.config import optimizers as table
from lora_nb.config.learning import Learning
from lora_nb.settings import from_dict
from lora_nb.training.optimizers import in_words, make_optimizer, make_scheduler, warmup_steps


def groups() -> list[dict]:
    weight = torch.nn.Parameter(torch.ones(2))
    return [{"name": "unet", "lr": 1e-3, "params": [weight]}]


@pytest.mark.parametrize(("warmup", "steps"), [(0.05, 10), (0.0, 0), (25.0, 25)])
def test_warmup_is_a_share_or_a_number(warmup, steps):
    assert warmup_steps(Learning(lr_warmup_steps=warmup), 200) == steps


def test_each_group_keeps_its_rate_and_the_file_names_the_class():
    config = Learning(weight_decay=0.1)
    made = make_optimizer(config, groups())
    assert type(made) is torch.optim.AdamW
    assert (made.param_groups[0]["lr"], made.param_groups[0]["weight_decay"]) == (1e-3, 0.1)
    assert in_words(config) == "torch.optim.adamw.AdamW(weight_decay=0.1)"


def test_a_missing_library_is_one_sentence(monkeypatch):
    row = table.OptimizerClass("no_such_library", "Lion", "x.Lion", "needs no_such_library")
    monkeypatch.setitem(table.OPTIMIZERS, "Lion", row)
    with pytest.raises(ValueError, match='^optimizer = "Lion" needs no_such_library$'):
        make_optimizer(Learning(optimizer="Lion"), groups())


def test_the_rate_rises_for_the_warmup_and_ends_at_nothing():
    config = Learning(lr_scheduler="linear", lr_warmup_steps=0.5)
    optimizer = make_optimizer(config, groups())
    scheduler, rates = make_scheduler(config, 4, optimizer), []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == [0.0, 5e-4, 1e-3, 5e-4]
    assert optimizer.param_groups[0]["lr"] == 0


@pytest.mark.parametrize("name", list(table.SCHEDULES))
def test_each_schedule_is_the_one_diffusers_knows_by_its_name(name):
    config = Learning(
        lr_scheduler=name, lr_warmup_steps=2.0, lr_scheduler_num_cycles=2, lr_scheduler_power=0.5
    )
    ours, theirs = (make_optimizer(config, groups()) for _ in range(2))
    cycles = {"num_cycles": 2, "power": 0.5}
    pairs = [
        (ours, make_scheduler(config, 9, ours)),
        (theirs, get_scheduler(name, theirs, num_warmup_steps=2, num_training_steps=9, **cycles)),
    ]
    for _ in range(9):
        assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]
        for optimizer, schedule in pairs:
            optimizer.step()
            schedule.step()


def test_a_guest_schedule_is_a_row(monkeypatch):
    row = table.ScheduleFunction("transformers.optimization", "get_inverse_sqrt_schedule", (table.WARMUP,))
    monkeypatch.setitem(table.SCHEDULES, "inverse_sqrt", row)
    config = from_dict(Learning, {"lr_scheduler": "inverse_sqrt", "lr_warmup_steps": 1.0})
    optimizer = make_optimizer(config, groups())
    make_scheduler(config, 4, optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.0
