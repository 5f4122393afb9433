"""An update in the models of a base: put in by peft, read out, set, scaled."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import torch
from peft import PeftConfig, inject_adapter_in_model
from torch import nn

from lora_nb.bases.base import Part
from lora_nb.lora.kinds import ADAPTER, LORA, Kind, LoraSpec, of_layer
from lora_nb.lora.lora_file import LoraFile, LoraModule
from lora_nb.lora.names import canonical

Layers = dict[str, tuple[Kind, nn.Module]]


def inject(
    model: nn.Module, targets: Iterable[str], spec: LoraSpec, seed: int, kind: Kind = LORA
) -> list[nn.Parameter]:
    """Add trainable fp32 layers of a kind at `targets` and return their parameters.

    Their values are drawn from `seed` (a LoRA's down is Kaiming-uniform, a = sqrt 5, its up is zero): the model is
    unchanged until trained.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _put_in(model, kind.fresh(list(targets), spec))
    layers = [layer for _, layer in _layers(model).values()]
    for layer in layers if spec.dropout else ():
        kind.drop(layer, spec.dropout)
    parameters = [parameter for layer in layers for parameter in kind.weights(layer)]
    for parameter in parameters:
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return parameters


def _put_in(model: nn.Module, config: PeftConfig) -> None:
    inject_adapter_in_model(config, model, adapter_name=ADAPTER)


def _layers(model: nn.Module) -> Layers:
    """The layers of an update by their paths, each with its kind."""
    found = ((path, of_layer(layer), layer) for path, layer in model.named_modules())
    return {path: (kind, layer) for path, kind, layer in found if kind}


def _named_layers(parts: Sequence[Part]) -> Layers:
    """The layers of all parts by their names in a file; what reads text comes first there."""
    return {
        part.layer_name(path): layer
        for part in reversed(parts)
        for path, layer in _layers(part.model).items()
    }


def modules(parts: Sequence[Part]) -> dict[str, LoraModule]:
    """The update as it stands in all parts, by its names in a file."""
    return {name: kind.take(layer) for name, (kind, layer) in _named_layers(parts).items()}


def apply(parts: Sequence[Part], file: LoraFile, kind: Kind = LORA) -> None:
    """Put the update of a file into models that hold none yet, at strength 1.

    Raises ValueError when the file has layers these models do not have (a LoRA for another base).
    """
    file = canonical(parts, file)
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
            _put_in(part.model, kind.fitting(own))
            part.model.requires_grad_(False)
    load(parts, file)


def _paths(model: nn.Module) -> list[str]:
    return [path for path, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]


def load(parts: Sequence[Part], file: LoraFile) -> None:
    """Replace the update in all parts by the file's, which must have the same layers and shapes, at strength 1."""
    layers = _named_layers(parts)
    if set(layers) != set(file.modules):
        raise ValueError(
            f"the LoRA has {len(file.modules)} layers, the one in the model {len(layers)}: they are not of one run"
        )
    for name, (kind, layer) in layers.items():
        kind.give(name, layer, file.modules[name])
    set_strength(parts, 1.0)


def set_strength(parts: Sequence[Part], strength: float, of_text: float | None = None) -> None:
    """Scale the update; at 0 the models are exactly the base. What reads text follows unless given its own."""
    for part in parts:
        value = strength if of_text is None or not part.reads_text else of_text
        for kind, layer in _layers(part.model).values():
            kind.scale(layer, value)
            layer._disable_adapters = value == 0


@contextlib.contextmanager
def switched_off(parts: Sequence[Part]) -> Iterator[None]:
    """Within it the models are exactly the base."""
    found = [layer for part in parts for _, layer in _layers(part.model).values()]
    before = {layer: layer._disable_adapters for layer in found}
    for layer in before:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer, was in before.items():
            layer._disable_adapters = was
