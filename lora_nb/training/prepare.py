"""Models and pictures made ready for a training."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from lora_nb import events
from lora_nb.bases.base import Base, Part
from lora_nb.bases.weights import placed
from lora_nb.config.learning import Learning
from lora_nb.config.network import Network
from lora_nb.lora import groups, inject, shapes
from lora_nb.lora.kind import LoraSpec, Shape
from lora_nb.lora.kinds import KINDS, name_of
from lora_nb.lora.lora_file import LoraFile, read_lora
from lora_nb.training.latents import Views, encode_pictures
from lora_nb.training.plan import RunPlan


def encode_once(plan: RunPlan, base: Base, device: torch.device, tell: events.Tell) -> list[Views]:
    """Every picture's posterior; the VAE visits the device only for this."""
    _, dtype = placed(base.vae)
    nn.Module.to(base.vae, device, torch.float32)  # diffusers' own `to` warns of what does not concern a VAE
    encoded = encode_pictures(plan, base, tell)
    nn.Module.to(base.vae, "cpu", dtype)
    return encoded


def trained_parts(base: Base, rates: Learning) -> dict[str, float]:
    """The learning rate of each part that learns, by its name."""
    of_text = iter(rates.rates_of_text(sum(part.reads_text for part in base.parts)))
    of_parts = {part.name: next(of_text) if part.reads_text else rates.learning_rate for part in base.parts}
    return {name: rate for name, rate in of_parts.items() if rate}


def check_network(network: Network, rates: Learning, base: Base) -> list[str]:
    """What a person may not expect of the layers that will learn.

    Raises ValueError where none can, or network_weights is no LoRA of this base.
    """
    trained = trained_parts(base, rates)
    parts = [part for part in base.parts if part.name in trained]
    if network.network_weights:
        return _check_start(network, base, parts)
    counts = {part.name: len(shapes.shapes_of(part, network)) for part in parts}
    shapes.refuse_nothing(parts, network, sum(counts.values()))
    return [
        f"no layer of the {name.replace('_', ' ')} is left to train, so its learning rate has no effect"
        for name, count in counts.items()
        if not count
    ]


def _check_start(network: Network, base: Base, parts: list[Part]) -> list[str]:
    path, file = network.network_weights, start_file(network)
    where, names = inject.own_places(base.parts, file), {part.name for part in parts}
    network.refuse_unsuited({name_of(update) for update in file.modules.values()})
    left = [name for name, (part, _) in where.items() if part.name not in names]
    if len(left) == len(where):
        raise ValueError(
            f"{path} holds no layer of what is trained, e.g. {left[0]}: give that one a learning rate"
        )
    said = f"{len(left)} of {len(where)} layers in {path} are of what is not trained and are left out"
    return [said] if left else []


def start_file(network: Network) -> LoraFile:
    """The file a run begins from."""
    return read_lora(Path(network.network_weights))


def inject_lora(network: Network, rates: Learning, seed: int, base: Base, device: torch.device) -> list[dict]:
    """Put the update into what is trained, on the device; the optimizer's parameter groups."""
    trained, found = trained_parts(base, rates), []
    for part in base.parts:
        part.model.to(device)
        if part.name not in trained:
            continue
        if network.network_weights:
            _begin_from(start_file(network), base, part, spec_of(network))
        else:
            _begin_anew(network, seed, part)
        found += groups.groups_of(part, network, trained[part.name])
        part.model.train()
    return found


def _begin_from(file: LoraFile, base: Base, part: Part, spec: LoraSpec) -> None:
    """Put what a file holds of a part into it, to be trained on."""
    where = inject.own_places(base.parts, file)
    own = {name: update for name, update in file.modules.items() if where[name][0].name == part.name}
    inject.apply([part], LoraFile(own, {}), torch.float32)
    inject.trainable(part.model, spec)


def _begin_anew(network: Network, seed: int, part: Part) -> None:
    """Put layers that change nothing yet into a part, where the settings leave any."""
    spec, found = spec_of(network), shapes.shapes_of(part, network)
    usual = Shape(spec.rank, spec.alpha)
    others = {path: shape for path, shape in found.items() if shape != usual}
    if found:
        inject.inject(part.model, found, replace(spec, shapes=others), seed, KINDS[network.network_type])


def spec_of(network: Network) -> LoraSpec:
    """What is asked of a new update."""
    return LoraSpec(
        network.rank, network.alpha, network.dropout, network.rank_dropout, network.module_dropout,
        network.use_tucker, network.lokr_factor, network.decompose_both,
    )  # fmt: skip
