"""The kinds of network there are. A new one is an entry here; its layers, order and strength are `inject`'s affair."""

from torch import nn

from lora_nb.lora.dora_kind import DORA
from lora_nb.lora.kind import Kind
from lora_nb.lora.lora_kind import LORA
from lora_nb.lora.lycoris_kinds import LOHA, LOKR
from lora_nb.lora.updates import Update

KINDS = {"lora": LORA, "dora": DORA, "loha": LOHA, "lokr": LOKR}


def of_layer(layer: nn.Module) -> Kind | None:
    """The kind a layer of a model is of; None for one that is not part of an update."""
    return next((kind for kind in KINDS.values() if kind.known(layer)), None)


def name_of(update: Update) -> str:
    """The name of the kind of a layer's update."""
    return next(name for name, kind in KINDS.items() if kind.module(update))


def of_update(update: Update) -> Kind:
    """The kind of a layer's update."""
    return KINDS[name_of(update)]
