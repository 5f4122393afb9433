"""An update in the models of a base: put in by peft, read out, set, scaled."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import torch
from peft import PeftConfig, inject_adapter_in_model
from torch import nn

from lora_nb.bases.base import Part
from lora_nb.lora.kind import ADAPTER, Kind, LoraSpec
from lora_nb.lora.kinds import LORA, of_layer, of_update
from lora_nb.lora.lora_file import LoraFile
from lora_nb.lora.module_dropout import leave_layers_out
from lora_nb.lora.spellings import Place, find, places
from lora_nb.lora.updates import Update

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
        _put_in(model, kind, kind.fresh(list(targets), spec))
    return trainable(model, spec)


def trainable(model: nn.Module, spec: LoraSpec) -> list[nn.Parameter]:
    """The parameters of the layers in a model, made fp32 to be trained, with what `spec` leaves out at each step."""
    found = layers_of(model).values()
    parameters = [parameter for kind, layer in found for parameter in kind.weights(layer)]
    for parameter in parameters:
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    for kind, layer in found:
        kind.drop(layer, spec)
        if spec.module_dropout:
            leave_layers_out(layer, spec.module_dropout)
    return parameters


def _put_in(model: nn.Module, kind: Kind, config: PeftConfig) -> None:
    inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    for found, layer in layers_of(model).values():
        if found is kind:
            kind.settle(layer)


def layers_of(model: nn.Module) -> Layers:
    """The layers of an update in a model by their paths, each with its kind."""
    found = ((path, of_layer(layer), layer) for path, layer in model.named_modules())
    return {path: (kind, layer) for path, kind, layer in found if kind}


def _named_layers(parts: Sequence[Part]) -> Layers:
    """The layers of all parts by their names in a file; what reads text comes first there."""
    return {
        part.layer_name(path): layer
        for part in reversed(parts)
        for path, layer in layers_of(part.model).items()
    }


def modules(parts: Sequence[Part]) -> dict[str, Update]:
    """The update as it stands in all parts, by its names in a file."""
    return {name: kind.take(layer) for name, (kind, layer) in _named_layers(parts).items()}


def own_places(parts: Sequence[Part], file: LoraFile) -> dict[str, Place]:
    """Which layer of these models each of a file's is, however it spells their names.

    Raises ValueError when the file has layers these models do not have (a LoRA for another base).
    """
    known = places(parts, {part.name: _paths(part.model) for part in parts})
    found = {name: find(name, known) for name in file.modules}
    strange = [name for name, place in found.items() if place is None]
    if strange:
        raise ValueError(
            f"the LoRA does not fit this base: {len(strange)} of its {len(file.modules)} layers "
            f"do not exist there, e.g. {strange[0]}"
        )
    return found


def _paths(model: nn.Module) -> list[str]:
    """The paths of the layers that an update can be put into; those of one that is in already do not count."""
    held = layers_of(model)
    own = (path for path, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d))
    return [*held, *(path for path in own if not _is_within(path, held))]


def _is_within(path: str, held: Layers) -> bool:
    return any(path[:at] in held for at, character in enumerate(path) if character == ".")


def apply(parts: Sequence[Part], file: LoraFile, dtype: torch.dtype | None = None) -> None:
    """Put the update of a file into models that hold none yet, at strength 1, in its numbers or the model's.

    Raises ValueError when the file has layers these models do not have (a LoRA for another base).
    """
    where = own_places(parts, file)
    for part in parts:
        own = {where[name][1]: update for name, update in file.modules.items() if where[name][0] is part}
        for kind in {id(of_update(update)): of_update(update) for update in own.values()}.values():
            of_kind = {path: update for path, update in own.items() if of_update(update) is kind}
            _put_in(part.model, kind, kind.fitting(of_kind))
        if own:
            part.model.requires_grad_(False)
        for kind, layer in layers_of(part.model).values() if dtype else ():
            for parameter in kind.weights(layer):
                parameter.data = parameter.data.to(dtype)
    load(parts, file)


def load(parts: Sequence[Part], file: LoraFile) -> None:
    """Replace the update in all parts by the file's, which must have the same layers and shapes, at strength 1."""
    where, layers = own_places(parts, file), _named_layers(parts)
    given = {part.layer_name(path): file.modules[name] for name, (part, path) in where.items()}
    if set(layers) != set(given):
        raise ValueError(
            f"the LoRA has {len(file.modules)} layers, the one in the model {len(layers)}: they are not of one run"
        )
    for name, (kind, layer) in layers.items():
        if kind is not of_update(given[name]):
            raise ValueError(f"the LoRA is of another kind than the one in the model, e.g. in {name}")
        kind.give(name, layer, given[name])
    set_strength(parts, 1.0)


def set_strength(parts: Sequence[Part], strength: float, of_text: float | None = None) -> None:
    """Scale the update; at 0 the models are exactly the base. What reads text follows unless given its own."""
    for part in parts:
        value = strength if of_text is None or not part.reads_text else of_text
        for kind, layer in layers_of(part.model).values():
            kind.scale(layer, value)
            layer._disable_adapters = value == 0


@contextlib.contextmanager
def switched_off(parts: Sequence[Part]) -> Iterator[None]:
    """Within it the models are exactly the base."""
    found = [layer for part in parts for _, layer in layers_of(part.model).values()]
    before = {layer: layer._disable_adapters for layer in found}
    for layer in before:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer, was in before.items():
            layer._disable_adapters = was
