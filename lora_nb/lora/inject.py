"""LoRA in the models of a base: put in by peft, read out, set, scaled.

Shapes: R rank.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from lora_nb.bases.base import Part
from lora_nb.lora.lora_file import LoraFile, LoraModule

ADAPTER = "default"


@dataclass(frozen=True)
class LoraSpec:
    """The shape of an update: scale = alpha / rank."""

    rank: int
    alpha: float
    dropout: float = 0.0


def inject(model: nn.Module, targets: Iterable[str], spec: LoraSpec, seed: int) -> list[nn.Parameter]:
    """Add trainable fp32 LoRA layers at `targets` and return their parameters.

    down is Kaiming-uniform (a = sqrt 5) drawn from `seed`, up is zero: the model is unchanged until trained.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = LoraConfig(r=spec.rank, lora_alpha=spec.alpha, target_modules=list(targets))
        inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    if spec.dropout:
        for layer in _layers(model).values():
            _down(layer).register_forward_hook(partial(_drop, spec.dropout))
    parameters = [p for layer in _layers(model).values() for p in (_down(layer).weight, _up(layer).weight)]
    for parameter in parameters:
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return parameters


def _drop(share: float, down: nn.Module, _: tuple, output: Tensor) -> Tensor:
    """sd-scripts' network_dropout: of what down gives to up. peft's lora_dropout would drop what down is given."""
    return F.dropout(output, share, down.training)


def _layers(model: nn.Module) -> dict[str, LoraLayer]:
    return {path: layer for path, layer in model.named_modules() if isinstance(layer, LoraLayer)}


def _down(layer: LoraLayer) -> nn.Module:
    return layer.lora_A[ADAPTER]


def _up(layer: LoraLayer) -> nn.Module:
    return layer.lora_B[ADAPTER]


def _named_layers(parts: Sequence[Part]) -> dict[str, LoraLayer]:
    """The LoRA layers of all parts by their names in a file; what reads text comes first there."""
    return {
        part.layer_name(path): layer
        for part in reversed(parts)
        for path, layer in _layers(part.model).items()
    }


def modules(parts: Sequence[Part]) -> dict[str, LoraModule]:
    """The update as it stands in all parts, by its names in a file."""
    return {
        name: LoraModule(
            _down(layer).weight.detach(), _up(layer).weight.detach(), float(layer.lora_alpha[ADAPTER])
        )
        for name, layer in _named_layers(parts).items()
    }


def apply(parts: Sequence[Part], file: LoraFile) -> None:
    """Put the update of a LoRA file into models that hold none yet, at strength 1.

    Raises ValueError when the file has layers these models do not have (a LoRA for another base).
    """
    known = {part.layer_name(path): (part, path) for part in parts for path in _paths(part.model)}
    strange = [name for name in file.modules if name not in known]
    if strange:
        raise ValueError(
            f"the LoRA does not fit this base: {len(strange)} of its {len(file.modules)} layers "
            f"do not exist there, e.g. {strange[0]}"
        )
    for part in parts:
        own = {known[name][1]: module for name, module in file.modules.items() if known[name][0] is part}
        if own:
            _inject_ranks(part.model, own)
    load(parts, file)


def _paths(model: nn.Module) -> list[str]:
    return [path for path, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]


def _inject_ranks(model: nn.Module, wanted: Mapping[str, LoraModule]) -> None:
    config = LoraConfig(
        r=1,
        target_modules=list(wanted),
        rank_pattern={f"^{path}$": module.rank for path, module in wanted.items()},
        alpha_pattern={f"^{path}$": module.alpha for path, module in wanted.items()},
    )
    inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    model.requires_grad_(False)


def load(parts: Sequence[Part], file: LoraFile) -> None:
    """Replace the update in all parts by the file's, which must have the same layers and ranks, at strength 1."""
    layers = _named_layers(parts)
    if set(layers) != set(file.modules):
        raise ValueError(
            f"the LoRA has {len(file.modules)} layers, the one in the model {len(layers)}: they are not of one run"
        )
    for name, layer in layers.items():
        module = file.modules[name]
        if _down(layer).weight.shape != module.down.shape or _up(layer).weight.shape != module.up.shape:
            raise ValueError(
                f"the LoRA does not fit this base: {name} has down {tuple(module.down.shape)} "
                f"and up {tuple(module.up.shape)}, "
                f"the model wants {tuple(_down(layer).weight.shape)} and {tuple(_up(layer).weight.shape)}"
            )
        _copy(_down(layer).weight, module.down)
        _copy(_up(layer).weight, module.up)
        layer.lora_alpha[ADAPTER] = module.alpha
    set_strength(parts, 1.0)


def _copy(parameter: nn.Parameter, values: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(values.to(parameter.dtype))


def set_strength(parts: Sequence[Part], strength: float, of_text: float | None = None) -> None:
    """Scale the update; at 0 the models are exactly the base. What reads text follows unless given its own."""
    for part in parts:
        value = strength if of_text is None or not part.reads_text else of_text
        for layer in _layers(part.model).values():
            layer.scaling[ADAPTER] = value * layer.lora_alpha[ADAPTER] / layer.r[ADAPTER]
            layer._disable_adapters = value == 0


@contextlib.contextmanager
def switched_off(parts: Sequence[Part]) -> Iterator[None]:
    """Within it the models are exactly the base."""
    layers = {layer: layer._disable_adapters for part in parts for layer in _layers(part.model).values()}
    for layer in layers:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer, before in layers.items():
            layer._disable_adapters = before
