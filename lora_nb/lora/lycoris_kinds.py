"""LoHa and LoKr as peft has them: a whole matrix beside a layer's own, of a few small ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from peft import LoHaConfig, LoKrConfig
from peft.tuners.loha.layer import LoHaLayer
from peft.tuners.lokr.layer import LoKrLayer
from peft.tuners.lycoris_utils import LycorisLayer
from torch import nn

from lora_nb.lora.kind import ADAPTER, Kind, LoraSpec, Shape, copy, patterns, usual_of
from lora_nb.lora.updates import LohaModule, LokrModule, PartedUpdate, Update

NEVER = -1.0  # a draw from [0, 1) is always above it


def loha(targets: Sequence[str], spec: LoraSpec) -> LoHaConfig:
    """peft's words for new layers at `targets`."""
    return LoHaConfig(
        r=spec.rank, alpha=spec.alpha, target_modules=list(targets), use_effective_conv2d=spec.use_tucker,
        rank_dropout=spec.rank_dropout, **patterns(spec.shapes),
    )  # fmt: skip


def lokr(targets: Sequence[str], spec: LoraSpec) -> LoKrConfig:
    """peft's words for new layers at `targets`."""
    return LoKrConfig(
        r=spec.rank, alpha=spec.alpha, target_modules=list(targets), use_effective_conv2d=spec.use_tucker,
        rank_dropout=spec.rank_dropout, rank_dropout_scale=True, decompose_factor=spec.factor,
        decompose_both=spec.decompose_both, **patterns(spec.shapes),
    )  # fmt: skip


def fitting(fresh: Callable, wanted: Mapping[str, PartedUpdate]) -> LoHaConfig | LoKrConfig:
    """peft's words for layers at these paths; `give` brings the matrices themselves, of whatever shapes."""
    usual, others = usual_of({path: Shape(module.rank or 1, module.alpha) for path, module in wanted.items()})
    return fresh(list(wanted), LoraSpec(usual.rank, usual.alpha, shapes=others))


def settle(layer: LycorisLayer) -> None:
    """peft drops a layer when a draw is not above its share: with 0 one of 2^24 draws would, seeded by nobody."""
    layer.module_dropout[ADAPTER] = NEVER
    _set(layer, take(layer))


def _set(layer: LycorisLayer, module: PartedUpdate) -> None:
    """Say its rank and alpha. A LoKr without factors has scale 1 everywhere, whatever they are (LyCORIS)."""
    layer.alpha[ADAPTER] = module.alpha
    layer.r[ADAPTER] = module.rank or module.alpha
    scale(layer, 1.0)


def _named(layer: LycorisLayer) -> dict[str, nn.ParameterDict]:
    return {name: getattr(layer, name) for name in layer.adapter_layer_names}


def weights(layer: LycorisLayer) -> tuple[nn.Parameter, ...]:
    """All matrices it has, in peft's order."""
    return tuple(held[ADAPTER] for held in _named(layer).values() if ADAPTER in held)


def raised(layer: LycorisLayer) -> tuple[nn.Parameter, ...]:
    """None: LoRA+ says nothing of products of more than two."""
    return ()


def take(layer: LycorisLayer) -> PartedUpdate:
    """The update as it stands, in the parameters' own memory."""
    parts = {name: held[ADAPTER].detach() for name, held in _named(layer).items() if ADAPTER in held}
    cls = LohaModule if isinstance(layer, LoHaLayer) else LokrModule
    return cls(parts, float(layer.alpha[ADAPTER]))


def give(name: str, layer: LycorisLayer, module: PartedUpdate) -> None:
    """Replace the update by one whose matrices make up the layer's weight, whatever their own shapes."""
    _refuse_misfit(name, layer, module)
    held, first = _named(layer), weights(layer)[0]
    for part, own in held.items():
        wanted = module.parts.get(part)
        if ADAPTER in own and (wanted is None or own[ADAPTER].shape != wanted.shape):
            del own[ADAPTER]
        if wanted is not None and ADAPTER not in own:
            own[ADAPTER] = nn.Parameter(first.detach().new_empty(wanted.shape), first.requires_grad)
    copy([(held[part][ADAPTER], values) for part, values in module.parts.items()])
    _set(layer, module)


def _refuse_misfit(name: str, layer: LycorisLayer, module: PartedUpdate) -> None:
    shape = layer.get_base_layer().weight.shape
    outline = replace(module, parts={part: values.to("meta") for part, values in module.parts.items()})
    try:
        outline.product(torch.empty(shape, device="meta"))
    except RuntimeError:
        shapes = ", ".join(f"{part} {tuple(values.shape)}" for part, values in module.parts.items())
        raise ValueError(
            f"the LoRA does not fit this base: {name} has {shapes}, the model's layer is {tuple(shape)}"
        ) from None


def scale(layer: LycorisLayer, strength: float) -> None:
    """Set the strength."""
    layer.scaling[ADAPTER] = strength * layer.alpha[ADAPTER] / layer.r[ADAPTER]


def drop(layer: LycorisLayer, spec: LoraSpec) -> None:
    """peft was asked for rank_dropout: here outputs of the matrix are left out (LyCORIS). There are no inner values."""


def _kind(cls: type, held: type, fresh: Callable) -> Kind:
    def known(layer: nn.Module) -> bool:
        return isinstance(layer, cls)

    def is_module(update: Update) -> bool:
        return isinstance(update, held)

    fits = partial(fitting, fresh)
    return Kind(known, is_module, fresh, fits, settle, weights, raised, take, give, scale, drop)


LOHA, LOKR = _kind(LoHaLayer, LohaModule, loha), _kind(LoKrLayer, LokrModule, lokr)
