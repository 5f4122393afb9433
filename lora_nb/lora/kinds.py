"""The kinds of network there are: what peft is asked for, and a layer's update as a file holds it.

A new one is an entry in the table; its layers, their order and their strength are `inject`'s affair. Shapes: R rank.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftConfig
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from lora_nb.lora.lora_file import LoraModule

ADAPTER = "default"


@dataclass(frozen=True)
class LoraSpec:
    """The shape of an update: scale = alpha / rank."""

    rank: int
    alpha: float
    dropout: float = 0.0


@dataclass(frozen=True)
class Kind:
    """One kind of network.

    `layer` is the class peft puts in the place of what learns. `fresh` asks peft for new ones at some paths, `fitting`
    for such as the updates of a file need. `weights` are what a layer learns, `take` gives its update, `give` replaces
    that by another of the same shape (ValueError with the layer's `name` for any other), `scale` sets its strength and
    `drop` leaves a share of its inner values out at each step.
    """

    layer: type[nn.Module]
    fresh: Callable[[Sequence[str], LoraSpec], PeftConfig]
    fitting: Callable[[Mapping[str, LoraModule]], PeftConfig]
    weights: Callable[[nn.Module], tuple[nn.Parameter, ...]]
    take: Callable[[nn.Module], LoraModule]
    give: Callable[[str, nn.Module, LoraModule], None]
    scale: Callable[[nn.Module, float], None]
    drop: Callable[[nn.Module, float], None]


def _fresh(targets: Sequence[str], spec: LoraSpec) -> LoraConfig:
    return LoraConfig(r=spec.rank, lora_alpha=spec.alpha, target_modules=list(targets))


def _fitting(wanted: Mapping[str, LoraModule]) -> LoraConfig:
    return LoraConfig(
        r=1,
        target_modules=list(wanted),
        rank_pattern={f"^{path}$": module.rank for path, module in wanted.items()},
        alpha_pattern={f"^{path}$": module.alpha for path, module in wanted.items()},
    )


def _weights(layer: LoraLayer) -> tuple[nn.Parameter, nn.Parameter]:
    """Down and up."""
    return layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight


def _take(layer: LoraLayer) -> LoraModule:
    down, up = _weights(layer)
    return LoraModule(down.detach(), up.detach(), float(layer.lora_alpha[ADAPTER]))


def _give(name: str, layer: LoraLayer, module: LoraModule) -> None:
    down, up = _weights(layer)
    if down.shape != module.down.shape or up.shape != module.up.shape:
        raise ValueError(
            f"the LoRA does not fit this base: {name} has down {tuple(module.down.shape)} "
            f"and up {tuple(module.up.shape)}, the model wants {tuple(down.shape)} and {tuple(up.shape)}"
        )
    with torch.no_grad():
        for parameter, values in ((down, module.down), (up, module.up)):
            parameter.copy_(values.to(parameter.dtype))
    layer.lora_alpha[ADAPTER] = module.alpha


def _scale(layer: LoraLayer, strength: float) -> None:
    layer.scaling[ADAPTER] = strength * layer.lora_alpha[ADAPTER] / layer.r[ADAPTER]


def _drop(layer: LoraLayer, share: float) -> None:
    layer.lora_A[ADAPTER].register_forward_hook(partial(_leave_out, share))


def _leave_out(share: float, down: nn.Module, _: tuple, output: Tensor) -> Tensor:
    """sd-scripts' network_dropout: of what down gives to up. peft's lora_dropout would drop what down is given."""
    return F.dropout(output, share, down.training)


LORA = Kind(
    layer=LoraLayer, fresh=_fresh, fitting=_fitting, weights=_weights, take=_take, give=_give, scale=_scale, drop=_drop
)  # fmt: skip
KINDS = {"lora": LORA}


def of_layer(layer: nn.Module) -> Kind | None:
    """The kind a layer of a model is of; None for one that is not part of an update."""
    return next((kind for kind in KINDS.values() if isinstance(layer, kind.layer)), None)
