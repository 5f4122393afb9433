"""REX against the formula of its paper."""

import pytest
import torch

from lora_nb.training.rex import get_rex_schedule


def rates(steps, **said):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2.0)
    schedule, found = get_rex_schedule(optimizer, num_training_steps=steps, **said), []
    for _ in range(steps + 2):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_it_is_the_papers_profile():
    """(1 - z) / (1/2 + 1/2 (1 - z)), times the rate."""
    found = rates(10, num_warmup_steps=0)
    assert found[:10] == pytest.approx([2 * (1 - z / 10) / (0.5 + 0.5 * (1 - z / 10)) for z in range(10)])
    assert found[10:] == [0.0, 0.0]


def test_it_rises_first_and_ends_where_it_is_told():
    found = rates(12, num_warmup_steps=2, min_lr_ratio=0.1)
    assert found[:3] == [0.0, 1.0, 2.0] and found[12] == pytest.approx(0.2)
    assert found[7] == pytest.approx(2 * (0.1 + 0.9 * 0.5 / 0.75))


def test_without_a_bend_it_is_a_line():
    assert rates(4, num_warmup_steps=0, d=0.0)[:5] == pytest.approx([2.0, 1.5, 1.0, 0.5, 0.0])
