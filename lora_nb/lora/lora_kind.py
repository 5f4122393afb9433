"""LoRA and LoCon as peft has them: up(down(x)) * alpha / R beside a layer, linear or convolution.

Shapes: B batch, R rank.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from lora_nb.lora.kind import ADAPTER, Kind, LoraSpec, Shape, copy, patterns, refuse_misfit, usual_of
from lora_nb.lora.updates import LoraModule, Update


def known(layer: nn.Module) -> bool:
    """Whether a layer is peft's, without a magnitude."""
    return isinstance(layer, LoraLayer) and ADAPTER not in layer.lora_magnitude_vector


def is_module(update: Update) -> bool:
    """Whether an update is of this kind."""
    return isinstance(update, LoraModule) and update.magnitude is None


def fresh(targets: Sequence[str], spec: LoraSpec, **more: bool) -> LoraConfig:
    """peft's words for new layers at `targets`."""
    named = list(targets)
    return LoraConfig(
        r=spec.rank, lora_alpha=spec.alpha, target_modules=named, **patterns(spec.shapes), **more
    )


def fitting(wanted: Mapping[str, LoraModule], **more: bool) -> LoraConfig:
    """peft's words for layers that the updates fit in."""
    usual, others = usual_of({path: Shape(module.rank, module.alpha) for path, module in wanted.items()})
    return fresh(list(wanted), LoraSpec(usual.rank, usual.alpha, shapes=others), **more)


def settle(layer: LoraLayer) -> None:
    """It is as it should be."""


def weights(layer: LoraLayer) -> tuple[nn.Parameter, nn.Parameter]:
    """Down and up."""
    return layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight


def raised(layer: LoraLayer) -> tuple[nn.Parameter, ...]:
    """Up (LoRA+)."""
    return (layer.lora_B[ADAPTER].weight,)


def take(layer: LoraLayer) -> LoraModule:
    """The update as it stands, in the parameters' own memory."""
    down, up = weights(layer)
    return LoraModule(down.detach(), up.detach(), float(layer.lora_alpha[ADAPTER]))


def give(name: str, layer: LoraLayer, module: LoraModule) -> None:
    """Replace the update."""
    down, up = weights(layer)
    refuse_misfit(
        name, {"down": module.down.shape, "up": module.up.shape}, {"down": down.shape, "up": up.shape}
    )
    copy([(down, module.down), (up, module.up)])
    layer.lora_alpha[ADAPTER] = module.alpha


def scale(layer: LoraLayer, strength: float) -> None:
    """Set the strength."""
    layer.scaling[ADAPTER] = strength * layer.lora_alpha[ADAPTER] / layer.r[ADAPTER]


def drop(layer: LoraLayer, spec: LoraSpec) -> None:
    """Leave out a share of what down gives to up, sd-scripts' network_dropout and rank_dropout.

    peft's lora_dropout would drop what down is given.
    """
    if spec.dropout:
        layer.lora_A[ADAPTER].register_forward_hook(partial(_leave_out, spec.dropout))
    if spec.rank_dropout:
        layer.lora_A[ADAPTER].register_forward_hook(partial(_leave_ranks_out, spec.rank_dropout))


def _leave_out(share: float, down: nn.Module, _: tuple, output: Tensor) -> Tensor:
    return F.dropout(output, share, down.training)


def _leave_ranks_out(share: float, down: nn.Module, _: tuple, output: Tensor) -> Tensor:
    """The same of the R for a whole sample; what is left counts for what is not.

    R is the last axis of a linear layer's output (B, ..., R), and the second of a convolution's (B, R, h, w).
    """
    if not down.training:
        return output
    rank_axis = 1 if isinstance(down, nn.Conv2d) else output.dim() - 1
    kept = torch.rand(output.shape[0], output.shape[rank_axis], device=output.device) > share
    shape = [1] * output.dim()
    shape[0], shape[rank_axis] = kept.shape
    return output * kept.view(shape) * (1 / (1 - share))


LORA = Kind(
    known, is_module, fresh, fitting, settle, weights, raised, take, give, scale, drop, in_diffusers=True
)
