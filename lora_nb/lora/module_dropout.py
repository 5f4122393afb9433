"""Whole layers of an update left out at random while it is trained (sd-scripts' module_dropout)."""

from functools import partial

import torch
from torch import nn


def leave_layers_out(layer: nn.Module, share: float) -> None:
    """Let a layer of peft's be as if it had no update in `share` of its forward passes; nothing then learns in it."""
    layer.register_forward_pre_hook(partial(_draw, share))
    layer.register_forward_hook(_put_back, always_call=True)


def _draw(share: float, layer: nn.Module, _: tuple) -> None:
    layer.left_out = layer.training and not layer._disable_adapters and bool(torch.rand(1) < share)
    if layer.left_out:
        layer._disable_adapters = True


def _put_back(layer: nn.Module, *_: object) -> None:
    if layer.left_out:
        layer._disable_adapters = False
