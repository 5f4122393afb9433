"""What of an update is left out at a step: ranks of a sample, layers whole; drawn again the same, never when drawing."""

import pytest
import torch
from test_kinds import PATHS, WAYS, Layers, injected, learnt

from lora_nb.lora import inject
from lora_nb.lora.kind import ADAPTER


def by_the_formula(layer, x, share):
    """sd-scripts' forward with rank_dropout: a mask for each sample and rank, the scale of the rank that is left."""
    down, up = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    org = layer.get_base_layer()
    if isinstance(org, torch.nn.Linear):
        inner = torch.nn.functional.linear(x, down)
    else:
        inner = torch.nn.functional.conv2d(x, down, None, org.stride, org.padding)
    mask = torch.rand((inner.size(0), down.shape[0])) > share
    if inner.dim() == 3:
        mask = mask.unsqueeze(1)
    elif inner.dim() == 4:
        mask = mask.unsqueeze(-1).unsqueeze(-1)
    plain = torch.nn.functional.conv2d if up.dim() == 4 else torch.nn.functional.linear
    return org(x) + plain(inner * mask, up) * layer.scaling[ADAPTER] * (1.0 / (1.0 - share))


@pytest.mark.parametrize("name", PATHS)
def test_rank_dropout_is_sd_scripts(name):
    part, parameters = injected("lora", rank=6, rank_dropout=0.4)
    learnt(parameters)
    layer, x = part.model.get_submodule(name), part.model.inputs()[name]
    layer.train()
    torch.manual_seed(5)
    ours = layer(x)
    torch.manual_seed(5)
    assert torch.allclose(ours, by_the_formula(layer, x, 0.4), atol=1e-5)
    layer.eval()
    torch.manual_seed(6)
    state = torch.get_rng_state()
    assert torch.allclose(layer(x), by_the_formula(layer, x, 0.0), atol=1e-5)
    torch.manual_seed(6)
    layer(x)
    assert torch.equal(torch.get_rng_state(), state)


def test_rank_dropout_of_a_layer_without_tokens_is_of_each_sample():
    """A time embedding's projection (LoCon) is given (B, in)."""
    part, parameters = injected("lora", rank=6, rank_dropout=0.4)
    learnt(parameters)
    x = torch.randn(5, 24)
    torch.manual_seed(5)
    ours = part.model.linear.train()(x)
    torch.manual_seed(5)
    assert torch.allclose(ours, by_the_formula(part.model.linear, x, 0.4), atol=1e-5)


@pytest.mark.parametrize("way", ["dora", "loha", "lokr"])
def test_rank_dropout_changes_what_the_other_kinds_learn_and_nothing_that_is_drawn(way):
    answers = []
    for share in (0.0, 0.5):
        part, parameters = injected(way, rank=6, rank_dropout=share)
        learnt(parameters)
        answers.append(part.model.eval().answers())
        torch.manual_seed(5)
        answers.append(part.model.train().answers())
    for name in PATHS:
        still, plain, again, left_out = (each[name] for each in answers)
        assert torch.equal(still, plain) and torch.equal(still, again)
        assert not torch.allclose(left_out, plain, atol=1e-3)


def drawn(way):
    """Whether the next draw leaves a layer out; peft's LoHa and LoKr draw once more where it does not, to no effect."""
    left_out = torch.rand(1).item() < 0.5
    if not left_out and way.startswith("lo") and way != "lora":
        torch.rand(1)
    return left_out


@pytest.mark.parametrize("way", WAYS)
def test_module_dropout_leaves_layers_out_whole(way):
    """A draw a layer and pass, as in sd-scripts: below the share the base alone, and no gradient; else all of it."""
    part, parameters = injected(way, module_dropout=0.5)
    learnt(parameters)
    base, whole = Layers().answers(), part.model.eval().answers()
    part.model.train()
    torch.manual_seed(1)
    draws = [drawn(way) for _ in range(30)]
    torch.manual_seed(1)
    left = []
    for _ in range(10):
        now = part.model.answers()
        for name in PATHS:
            left.append(torch.equal(now[name], base[name]))
            assert left[-1] or torch.equal(now[name], whole[name])
    assert left == draws and any(draws) and not all(draws)
    torch.manual_seed(1)
    for name, x in part.model.inputs().items():
        part.model.zero_grad()
        answer = part.model.get_submodule(name)(x)
        assert answer.requires_grad is not draws.pop(0)
    with inject.switched_off([part]):
        state = torch.get_rng_state()
        now = part.model.answers()
        assert all(torch.equal(now[name], base[name]) for name in PATHS)
        assert torch.equal(torch.get_rng_state(), state)
    assert not any(layer._disable_adapters for _, layer in inject.layers_of(part.model).values())


@pytest.mark.parametrize("way", WAYS)
def test_without_dropout_a_training_draws_nothing(way):
    """peft's LoHa and LoKr draw for every layer: with a share of 0 one of 2^24 would drop it, seeded by nobody."""
    part, parameters = injected(way)
    learnt(parameters)
    part.model.train()
    torch.manual_seed(2)
    whole = part.model.answers()
    zeros = torch.zeros(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand", lambda *_, **__: zeros)
        now = part.model.answers()
    assert all(torch.equal(now[name], whole[name]) for name in PATHS)
