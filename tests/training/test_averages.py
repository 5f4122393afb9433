"""The average that files and samples hold."""

import pytest
import torch
from test_optimizers import learn, learning, two_groups, weights

from lora_nb.training.averages import Average
from lora_nb.training.optimizers import make_optimizer
from lora_nb.training.state import Identity, RunState


def average_of(config):
    params = weights()
    optimizer = make_optimizer(config, two_groups(params))
    return params, optimizer, Average(config, params, optimizer)


def bits(params):
    return [param.detach().clone() for param in params]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_running_average_is_the_sum_it_should_be():
    """e <- e + (1 - min(decay, (1 + n) / (10 + n))) (w - e), n from 0 after the first step, which is taken whole."""
    params, optimizer, average = average_of(learning("AdamW", ema_decay=0.3))
    expected = bits(params)
    for step in range(6):
        learn(optimizer, params, [step])
        average.follow()
        decay = min(0.3, (1 + step) / (10 + step)) if step else 0.0
        expected = [e + (1 - decay) * (w.detach() - e) for e, w in zip(expected, params, strict=True)]
    with average.in_place():
        assert all(torch.allclose(w, e, atol=1e-6) for w, e in zip(params, expected, strict=True))


@pytest.mark.parametrize("name", ["AdamWScheduleFree", "RAdamScheduleFree", "SGDScheduleFree"])
def test_a_schedule_free_optimizer_is_used_at_its_own_average(name):
    """x = y + (1 - 1/beta) (z - y): Defazio et al. (2024), equation 3 solved for x."""
    params, optimizer, average = average_of(learning(name))
    learn(optimizer, params, range(12))  # RAdam moves nothing in the first few
    group = optimizer.param_groups[0]
    beta = group["momentum"] if name == "SGDScheduleFree" else group["betas"][0]
    expected = [w.detach() + (1 - 1 / beta) * (optimizer.state[w]["z"] - w.detach()) for w in params]
    before = bits(params)
    with average.in_place():
        assert all(torch.allclose(w, e, atol=1e-6) for w, e in zip(params, expected, strict=True))
        assert not same(bits(params), before)


@pytest.mark.parametrize(("name", "decay"), [("AdamW", 0.0), ("AdamW", 0.9), ("AdamWScheduleFree", 0.0)])
def test_looking_at_the_average_changes_no_bit_of_what_is_learnt(name, decay):
    found = []
    for looks in (False, True):
        params, optimizer, average = average_of(learning(name, ema_decay=decay))
        for step in range(6):
            if looks:
                with average.in_place():
                    pass
            learn(optimizer, params, [step])
            average.follow()
        with average.in_place():
            found.append(bits(params))
    assert same(*found)


def test_an_error_while_the_average_is_in_place_leaves_the_weights_as_they_were():
    params, optimizer, average = average_of(learning("AdamWScheduleFree"))
    learn(optimizer, params, range(3))
    before = bits(params)
    with pytest.raises(OSError, match="full"), average.in_place():
        raise OSError("full")
    assert same(bits(params), before) and optimizer.param_groups[0]["train_mode"]


def test_a_running_average_goes_on_exactly():
    config, found = learning("AdamW", ema_decay=0.9), []
    for stops in (False, True):
        params, optimizer, average = average_of(config)
        for step in range(8):
            if stops and step == 4:
                kept = RunState.fresh(Identity({}, "", "", 1), 0.0)
                average.keep_in(kept)
                average = Average(config, params, optimizer)
                average.take_up(kept)
            learn(optimizer, params, [step])
            average.follow()
        with average.in_place():
            found.append(bits(params))
    assert same(*found)


def test_what_no_longer_learns_has_its_own_values_in_the_average():
    params, optimizer, average = average_of(learning("AdamW", ema_decay=0.9))
    for step in range(4):
        learn(optimizer, params, [step])
        average.follow()
    for param in params[2:]:
        param.requires_grad_(False)
    average.follow()
    own = bits(params)
    with average.in_place():
        assert same(bits(params[2:]), own[2:]) and not same(bits(params[:2]), own[:2])
