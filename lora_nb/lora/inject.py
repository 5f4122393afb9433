"""LoRA in a Stable Diffusion: put in by peft, read out, set, scaled.

Shapes: R rank.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from lora_nb.lora.lora_file import LoraFile, LoraModule, text_encoder_name, unet_name

ADAPTER = "default"
UNET_CONTAINERS = {"Transformer2DModel"}
TEXT_CONTAINERS = {"CLIPAttention", "CLIPSdpaAttention", "CLIPMLP"}


@dataclass(frozen=True)
class LoraSpec:
    """The shape of an update: scale = alpha / rank."""

    rank: int
    alpha: float
    dropout: float = 0.0


def unet_targets(unet: nn.Module) -> list[str]:
    """Paths of every Linear and 1x1 convolution inside the U-Net's Transformer2DModel blocks."""
    return _targets(unet, UNET_CONTAINERS)


def text_encoder_targets(text_encoder: nn.Module) -> list[str]:
    """Paths of every Linear inside the text encoder's attention and MLP."""
    return _targets(text_encoder, TEXT_CONTAINERS)


def _targets(model: nn.Module, containers: set[str]) -> list[str]:
    paths = {}
    for outer, block in model.named_modules():
        if type(block).__name__ in containers:
            paths.update(
                {f"{outer}.{inner}": None for inner, layer in block.named_modules() if _is_target(layer)}
            )
    return list(paths)


def _is_target(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1))


def inject(model: nn.Module, targets: Iterable[str], spec: LoraSpec, seed: int) -> list[nn.Parameter]:
    """Add trainable fp32 LoRA layers at `targets` and return their parameters.

    down is Kaiming-uniform (a = sqrt 5) drawn from `seed`, up is zero: the model is unchanged until trained.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = LoraConfig(r=spec.rank, lora_alpha=spec.alpha, target_modules=list(targets))
        inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    if spec.dropout:
        for layer in _layers(model).values():
            _down(layer).register_forward_hook(partial(_drop, spec.dropout))
    parameters = [p for layer in _layers(model).values() for p in (_down(layer).weight, _up(layer).weight)]
    for parameter in parameters:
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return parameters


def _drop(share: float, down: nn.Module, _: tuple, output: Tensor) -> Tensor:
    """sd-scripts' network_dropout: of what down gives to up. peft's lora_dropout would drop what down is given."""
    return F.dropout(output, share, down.training)


def _layers(model: nn.Module) -> dict[str, LoraLayer]:
    return {path: layer for path, layer in model.named_modules() if isinstance(layer, LoraLayer)}


def _down(layer: LoraLayer) -> nn.Module:
    return layer.lora_A[ADAPTER]


def _up(layer: LoraLayer) -> nn.Module:
    return layer.lora_B[ADAPTER]


def _named_layers(unet: nn.Module, text_encoder: nn.Module) -> dict[str, LoraLayer]:
    """The LoRA layers of both models by their kohya names."""
    named = {text_encoder_name(path): layer for path, layer in _layers(text_encoder).items()}
    return named | {unet_name(path): layer for path, layer in _layers(unet).items()}


def modules(unet: nn.Module, text_encoder: nn.Module) -> dict[str, LoraModule]:
    """The update as it stands in both models, by kohya name."""
    return {
        name: LoraModule(
            _down(layer).weight.detach(), _up(layer).weight.detach(), float(layer.lora_alpha[ADAPTER])
        )
        for name, layer in _named_layers(unet, text_encoder).items()
    }


def apply(unet: nn.Module, text_encoder: nn.Module, file: LoraFile) -> None:
    """Put the update of a LoRA file into models that hold none yet, at strength 1.

    Raises ValueError when the file has layers these models do not have (a LoRA for another base).
    """
    paths = {text_encoder_name(path): (text_encoder, path) for path in _paths(text_encoder)}
    paths |= {unet_name(path): (unet, path) for path in _paths(unet)}
    strange = [name for name in file.modules if name not in paths]
    if strange:
        raise ValueError(
            f"the LoRA does not fit this base: {len(strange)} of its {len(file.modules)} layers "
            f"do not exist there, e.g. {strange[0]}"
        )
    for model in (text_encoder, unet):
        own = {paths[name][1]: module for name, module in file.modules.items() if paths[name][0] is model}
        if own:
            _inject_ranks(model, own)
    load(unet, text_encoder, file)


def _paths(model: nn.Module) -> list[str]:
    return [path for path, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]


def _inject_ranks(model: nn.Module, wanted: Mapping[str, LoraModule]) -> None:
    config = LoraConfig(
        r=1,
        target_modules=list(wanted),
        rank_pattern={f"^{path}$": module.rank for path, module in wanted.items()},
        alpha_pattern={f"^{path}$": module.alpha for path, module in wanted.items()},
    )
    inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    model.requires_grad_(False)


def load(unet: nn.Module, text_encoder: nn.Module, file: LoraFile) -> None:
    """Replace the update in both models by the file's, which must have the same layers and ranks, at strength 1."""
    layers = _named_layers(unet, text_encoder)
    if set(layers) != set(file.modules):
        raise ValueError(
            f"the LoRA has {len(file.modules)} layers, the one in the model {len(layers)}: they are not of one run"
        )
    for name, layer in layers.items():
        module = file.modules[name]
        if _down(layer).weight.shape != module.down.shape or _up(layer).weight.shape != module.up.shape:
            raise ValueError(
                f"the LoRA does not fit this base: {name} has down {tuple(module.down.shape)} "
                f"and up {tuple(module.up.shape)}, "
                f"the model wants {tuple(_down(layer).weight.shape)} and {tuple(_up(layer).weight.shape)}"
            )
        _copy(_down(layer).weight, module.down)
        _copy(_up(layer).weight, module.up)
        layer.lora_alpha[ADAPTER] = module.alpha
    set_strength(unet, text_encoder, 1.0)


def _copy(parameter: nn.Parameter, values: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(values.to(parameter.dtype))


def set_strength(
    unet: nn.Module, text_encoder: nn.Module, strength: float, text_encoder_strength: float | None = None
) -> None:
    """Scale the update; at 0 the models are exactly the base. The text encoder follows unless given its own."""
    both = (
        (unet, strength),
        (text_encoder, strength if text_encoder_strength is None else text_encoder_strength),
    )
    for model, value in both:
        for layer in _layers(model).values():
            layer.scaling[ADAPTER] = value * layer.lora_alpha[ADAPTER] / layer.r[ADAPTER]
            layer._disable_adapters = value == 0


@contextlib.contextmanager
def switched_off(*models: nn.Module) -> Iterator[None]:
    """Within it the models are exactly the base."""
    layers = {layer: layer._disable_adapters for model in models for layer in _layers(model).values()}
    for layer in layers:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer, before in layers.items():
            layer._disable_adapters = before
