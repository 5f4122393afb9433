"""What the loader of any family needs: quiet libraries, hashes of files, models moved."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the loaders' own progress bars and remarks."""
    logs = (transformers_logging, diffusers_logging)
    levels = [log.get_verbosity() for log in logs]
    bar = transformers_logging.is_progress_bar_enabled()
    for log in logs:
        log.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()


def file_hashes(path: Path) -> tuple[str, str]:
    """sha256 of the file, and kohya's short hash: 8 hex digits of the sha256 of 64 KiB at offset 1 MiB."""
    with open(path, "rb") as file:
        whole = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0x100000)
        return whole, hashlib.sha256(file.read(0x10000)).hexdigest()[:8]


def placed(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where a model lies, and in which numbers."""
    parameter = next(model.parameters())
    return parameter.device, parameter.dtype


def move(model: nn.Module, *target: torch.device | torch.dtype | str) -> None:
    """Move and cast a model in place; diffusers' own `to` (0.42) warns about any cast at all."""
    nn.Module.to(model, *target)


def checkpoint_text_gradients(model: PreTrainedModel) -> None:
    """Keep fewer values of the forward pass of a text model and compute the rest again; transformers has two names."""
    old_name = model.gradient_checkpointing_enable
    getattr(model, "activation_checkpointing_enable", old_name)({"use_reentrant": False})
