"""Layers of a file by the names that this program gives them."""

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from lora_nb.bases.base import Part
from lora_nb.lora.lora_file import LoraFile


def canonical(parts: Sequence[Part], file: LoraFile) -> LoraFile:
    """`file`, where layers that another program calls otherwise (`Part.other_name`) have their own names."""
    names = {
        part.other_name(path): part.layer_name(path)
        for part in parts
        if part.other_name
        for path, layer in part.model.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    }
    return replace(file, modules={names.get(name, name): module for name, module in file.modules.items()})
