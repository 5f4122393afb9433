"""Models and pictures made ready for a training."""

import torch
from torch import nn

from lora_nb import events
from lora_nb.bases.base import Base
from lora_nb.bases.weights import placed
from lora_nb.config.learning import Learning
from lora_nb.config.network import Network
from lora_nb.lora import inject
from lora_nb.training.latents import Views, encode_pictures
from lora_nb.training.plan import RunPlan


def encode_once(plan: RunPlan, base: Base, device: torch.device, tell: events.Tell) -> list[Views]:
    """Every picture's posterior; the VAE visits the device only for this."""
    _, dtype = placed(base.vae)
    nn.Module.to(base.vae, device, torch.float32)  # diffusers' own `to` warns of what does not concern a VAE
    encoded = encode_pictures(plan, base, tell)
    nn.Module.to(base.vae, "cpu", dtype)
    return encoded


def inject_lora(network: Network, rates: Learning, seed: int, base: Base, device: torch.device) -> list[dict]:
    """Put the LoRA into what is trained, on the device; the optimizer's parameter groups."""
    spec = inject.LoraSpec(network.rank, network.alpha, network.dropout)
    groups, of_text = [], iter(rates.rates_of_text(sum(part.reads_text for part in base.parts)))
    for part in base.parts:
        rate = next(of_text) if part.reads_text else rates.learning_rate
        part.model.to(device)
        if rate:
            parameters = inject.inject(part.model, part.targets(part.model), spec, seed)
            groups.append({"name": part.name, "lr": rate, "params": parameters})
            part.model.train()
    return groups
