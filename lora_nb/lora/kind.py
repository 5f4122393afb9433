"""What a kind of network is: what peft is asked for, and a layer's update as a file holds it.

Shapes: R rank.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftConfig
from torch import Tensor, nn

from lora_nb.lora.updates import Update

ADAPTER = "default"


@dataclass(frozen=True)
class Shape:
    """Rank and alpha of one layer's update."""

    rank: int
    alpha: float


@dataclass(frozen=True)
class LoraSpec:
    """What a new update is like: scale = alpha / rank, other ones for some layers, by path, in `shapes`.

    `dropout`, `rank_dropout` and `module_dropout` are what is left out at each step: of the inner values one by one, of
    the R for each sample, of the layers. The rest is of LoHa and LoKr alone.
    """

    rank: int
    alpha: float
    dropout: float = 0.0
    rank_dropout: float = 0.0
    module_dropout: float = 0.0
    use_tucker: bool = False
    factor: int = -1
    decompose_both: bool = False
    shapes: Mapping[str, Shape] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """One kind of network.

    `known` tells its layers. `module` is what a file holds of one. `fresh` asks peft for new ones at some paths,
    `fitting` for such as the updates of a file need; `settle` then makes a layer of peft's what it is to be. `weights`
    are what a layer learns, `raised` those of them that LoRA+ lets learn faster. `take` gives its update, `give`
    replaces that by another (ValueError with the layer's `name` for one that does not fit), `scale` sets its strength,
    `drop` leaves out at each step what the spec says. `in_diffusers`: whether diffusers reads its files as it is here.
    """

    known: Callable[[nn.Module], bool]
    module: Callable[[Update], bool]
    fresh: Callable[[Sequence[str], LoraSpec], PeftConfig]
    fitting: Callable[[Mapping[str, Update]], PeftConfig]
    settle: Callable[[nn.Module], None]
    weights: Callable[[nn.Module], tuple[nn.Parameter, ...]]
    raised: Callable[[nn.Module], tuple[nn.Parameter, ...]]
    take: Callable[[nn.Module], Update]
    give: Callable[[str, nn.Module, Update], None]
    scale: Callable[[nn.Module, float], None]
    drop: Callable[[nn.Module, LoraSpec], None]
    in_diffusers: bool = False


def patterns(shapes: Mapping[str, Shape]) -> dict[str, dict[str, Any]]:
    """peft's words for layers of other ranks and alphas: one pattern for all of a value, since each layer tries all."""
    return {
        "rank_pattern": _grouped({path: shape.rank for path, shape in shapes.items()}),
        "alpha_pattern": _grouped({path: shape.alpha for path, shape in shapes.items()}),
    }


def usual_of(shapes: Mapping[str, Shape]) -> tuple[Shape, dict[str, Shape]]:
    """The commonest rank and alpha, and the layers that have others."""
    usual = Counter(shapes.values()).most_common(1)[0][0]
    return usual, {path: shape for path, shape in shapes.items() if shape != usual}


def _grouped(values: Mapping[str, float]) -> dict[str, float]:
    paths = defaultdict(list)
    for path, value in values.items():
        paths[value].append(re.escape(path))
    return {f"^(?:{'|'.join(each)})$": value for value, each in paths.items()}


def refuse_misfit(name: str, has: Mapping[str, Sequence[int]], wants: Mapping[str, Sequence[int]]) -> None:
    """Raises ValueError where the shapes of an update's parts are not those that the model wants."""
    if any(tuple(has[part]) != tuple(wants[part]) for part in wants):
        parts = " and ".join(f"{part} {tuple(has[part])}" for part in wants)
        wanted = " and ".join(f"{tuple(shape)}" for shape in wants.values())
        raise ValueError(f"the LoRA does not fit this base: {name} has {parts}, the model wants {wanted}")


def copy(pairs: Sequence[tuple[nn.Parameter, Tensor]]) -> None:
    """Put values into parameters, in the numbers of those."""
    with torch.no_grad():
        for parameter, values in pairs:
            parameter.copy_(values.to(parameter.dtype))
