"""The lengths of an update's layers kept below a limit (sd-scripts' scale_weight_norms)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lora_nb.bases.base import Part
from lora_nb.lora.inject import layers_of


@dataclass(frozen=True)
class Norms:
    """How many layers were shortened, and the mean and the largest length after it."""

    scaled: int
    mean: float
    largest: float


@torch.no_grad()
def limit_norms(parts: Sequence[Part], limit: float) -> Norms:
    """Shorten each layer's update to `limit` in Frobenius norm, each of its factors by the same share.

    As sd-scripts, the length is taken to be limit / 2 at least. A magnitude (DoRA) is no factor and stays.
    """
    lengths, ratios = [], []
    for part in parts:
        for kind, layer in layers_of(part.model).values():
            update = kind.take(layer)
            length = update.product(layer.get_base_layer().weight).norm()
            bounded = length.clamp(min=limit / 2)
            ratio = bounded.clamp(max=limit) / bounded
            for factor in update.factors:
                factor.mul_(ratio ** (1 / len(update.factors)))
            lengths.append(length * ratio)
            ratios.append(ratio)
    after, shares = torch.stack(lengths), torch.stack(ratios)
    return Norms(*torch.stack([(shares != 1).sum(), after.mean(), after.max()]).tolist())
