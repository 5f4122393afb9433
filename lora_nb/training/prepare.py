"""Models, optimizer and its schedule made ready for a training."""

import torch
from diffusers.optimization import get_scheduler
from torch import nn

from lora_nb import events
from lora_nb.bases.models import BaseModel
from lora_nb.config.training import TrainConfig
from lora_nb.lora import inject
from lora_nb.training import metadata
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


def inject_lora(config: TrainConfig, base: BaseModel, device: torch.device) -> list[dict]:
    """Put the LoRA into what is trained, on the device; the optimizer's parameter groups."""
    spec = inject.LoraSpec(config.rank, config.alpha, config.dropout)
    groups = []
    parts = (
        ("unet", base.unet, inject.unet_targets, config.learning_rate),
        ("text_encoder", base.text_encoder, inject.text_encoder_targets, config.text_encoder_lr),
    )
    for name, model, targets, rate in parts:
        model.to(device)
        if rate:
            groups.append(
                {"name": name, "lr": rate, "params": inject.inject(model, targets(model), spec, config.seed)}
            )
            model.train()
    if config.gradient_checkpointing:
        _checkpoint_gradients(base)
    return groups


def _checkpoint_gradients(base: BaseModel) -> None:
    base.unet.enable_gradient_checkpointing()
    base.unet.train()
    old_name = base.text_encoder.gradient_checkpointing_enable
    getattr(base.text_encoder, "activation_checkpointing_enable", old_name)({"use_reentrant": False})


def make_optimizer(config: TrainConfig, groups: list[dict]) -> torch.optim.Optimizer:
    """The optimizer over parameter groups with their own learning rates.

    Raises ValueError when bitsandbytes is asked for and missing.
    """
    options = {"lr": max(config.learning_rate, config.text_encoder_lr), "weight_decay": config.weight_decay}
    if config.optimizer == "AdamW":
        return torch.optim.AdamW(groups, **options)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError:
        raise ValueError(
            'optimizer = "AdamW8bit" needs bitsandbytes (pip install bitsandbytes); "AdamW" learns the same'
        ) from None
    return AdamW8bit(groups, **options)


def make_scheduler(plan: RunPlan, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule of the learning rates over the whole run."""
    config = plan.config
    return get_scheduler(
        config.lr_scheduler,
        optimizer,
        num_warmup_steps=metadata.warmup_steps(plan),
        num_training_steps=plan.total_steps,
        num_cycles=config.lr_scheduler_num_cycles,
        power=config.lr_scheduler_power,
    )
