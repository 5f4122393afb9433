"""Models and pictures made ready for a training."""

import torch
from torch import nn

from lora_nb import events
from lora_nb.bases.models import BaseModel
from lora_nb.config.training import Learning, Network
from lora_nb.lora import inject
from lora_nb.training.batches import Posterior, encode_pictures
from lora_nb.training.plan import RunPlan


def encode_once(
    plan: RunPlan, base: BaseModel, device: torch.device, tell: events.OnEvent
) -> list[tuple[Posterior, ...]]:
    """Every picture's posterior; the VAE visits the device only for this."""
    dtype = base.vae.dtype
    nn.Module.to(base.vae, device, torch.float32)  # diffusers' own `to` warns of what does not concern a VAE
    encoded = encode_pictures(plan, base.vae, tell)
    nn.Module.to(base.vae, "cpu", dtype)
    return encoded


def inject_lora(
    network: Network, rates: Learning, seed: int, base: BaseModel, device: torch.device
) -> list[dict]:
    """Put the LoRA into what is trained, on the device; the optimizer's parameter groups."""
    spec = inject.LoraSpec(network.rank, network.alpha, network.dropout)
    groups = []
    parts = (
        ("unet", base.unet, inject.unet_targets, rates.learning_rate),
        ("text_encoder", base.text_encoder, inject.text_encoder_targets, rates.text_encoder_lr),
    )
    for name, model, targets, rate in parts:
        model.to(device)
        if rate:
            groups.append(
                {"name": name, "lr": rate, "params": inject.inject(model, targets(model), spec, seed)}
            )
            model.train()
    return groups


def checkpoint_gradients(base: BaseModel) -> None:
    """Keep fewer values of the forward pass and compute the rest again: less memory, slower."""
    base.unet.enable_gradient_checkpointing()
    base.unet.train()
    old_name = base.text_encoder.gradient_checkpointing_enable
    getattr(base.text_encoder, "activation_checkpointing_enable", old_name)({"use_reentrant": False})
