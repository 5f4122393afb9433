"""The lengths of an update's layers kept below a limit, by sd-scripts' formula."""

import pytest
import torch
from test_kinds import PATHS, WAYS, injected, learnt

from lora_nb.lora import inject
from lora_nb.lora.max_norm import limit_norms


def by_the_formula(down, up, scale, limit):
    """sd-scripts' apply_max_norm_regularization of one layer: the factors after it, and the length it counts."""
    if down.dim() == 4 and down.shape[2:] != (1, 1):
        product = torch.nn.functional.conv2d(down.permute(1, 0, 2, 3), up).permute(1, 0, 2, 3)
    elif down.dim() == 4:
        product = (up.squeeze(3).squeeze(2) @ down.squeeze(3).squeeze(2)).unsqueeze(2).unsqueeze(3)
    else:
        product = up @ down
    product = product * scale
    norm = product.norm().clamp(min=limit / 2)
    ratio = norm.clamp(max=limit) / norm
    root = ratio**0.5
    return down * root, up * root, (product.norm() * ratio).item(), bool(ratio != 1)


def test_the_factors_are_shortened_as_sd_scripts_does():
    part, parameters = injected("lora")
    learnt(parameters, 0.4)
    parameters[0].data *= 0.01  # one layer that is short already
    before = {name: (m.down.clone(), m.up.clone(), m.scale) for name, m in inject.modules([part]).items()}
    wanted = {name: by_the_formula(*values, 1.0) for name, values in before.items()}
    norms = limit_norms([part], 1.0)
    for name, module in inject.modules([part]).items():
        down, up, _, scaled = wanted[name]
        assert torch.allclose(module.down, down, rtol=1e-6) and torch.allclose(module.up, up, rtol=1e-6)
        if not scaled:
            assert torch.equal(module.down, before[name][0]) and torch.equal(module.up, before[name][1])
    lengths = [each[2] for each in wanted.values()]
    assert 0 < norms.scaled == sum(each[3] for each in wanted.values()) < 3
    assert norms.mean == pytest.approx(sum(lengths) / 3, rel=1e-6)
    assert norms.largest == pytest.approx(max(lengths), rel=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_the_length_of_every_kind_is_held(way):
    part, parameters = injected(way)
    learnt(parameters, 0.6)
    weights = {f"lora_unet_{name}": part.model.get_submodule(name).get_base_layer().weight for name in PATHS}
    longest = max(m.product(weights[name]).norm() for name, m in inject.modules([part]).items())
    magnitudes = [
        m.tensors["dora_scale"].clone() for m in inject.modules([part]).values() if "dora_scale" in m.tensors
    ]
    norms = limit_norms([part], longest.item() / 3)
    after = [m.product(weights[name]).norm().item() for name, m in inject.modules([part]).items()]
    assert max(after) == pytest.approx(longest.item() / 3, rel=1e-4) == norms.largest
    now = [m.tensors["dora_scale"] for m in inject.modules([part]).values() if "dora_scale" in m.tensors]
    assert all(torch.equal(a, b) for a, b in zip(magnitudes, now, strict=True))
