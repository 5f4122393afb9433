"""The parameters of an update in groups with a learning rate each, as an optimizer takes them."""

from typing import Any

from torch import nn

from lora_nb.bases.base import Part
from lora_nb.config.network import Network
from lora_nb.lora.inject import layers_of
from lora_nb.lora.shapes import weights_of


def groups_of(part: Part, network: Network, rate: float) -> list[dict[str, Any]]:
    """Groups with `name`, `params` and `lr`: one called as the part, or `<part>/<what>` for blocks and LoRA+.

    With LoRA+ (arXiv 2402.12354) what is raised learns `ratio` times as fast.
    """
    shares, ratio = weights_of(part, network), ratio_of(part, network)
    found: dict[str, dict[str, Any]] = {}
    for path, (kind, layer) in layers_of(part.model).items():
        number = part.blocks.number(path) if shares else None
        name = part.name if number is None else f"{part.name}/block{number:02d}"
        own = rate if number is None else rate * shares[number]
        raised = kind.raised(layer) if ratio else ()
        for parameter in kind.weights(layer):
            _add(
                found, parameter, *((f"{name}/up", own * ratio) if _among(parameter, raised) else (name, own))
            )
    return list(found.values())


def _among(parameter: nn.Parameter, others: tuple[nn.Parameter, ...]) -> bool:
    return any(parameter is other for other in others)


def _add(groups: dict[str, dict[str, Any]], parameter: nn.Parameter, name: str, rate: float) -> None:
    groups.setdefault(name, {"name": name, "lr": rate, "params": []})["params"].append(parameter)


def ratio_of(part: Part, network: Network) -> float | None:
    """LoRA+'s ratio for a part; None where it is off."""
    own = network.loraplus_text_encoder_lr_ratio if part.reads_text else network.loraplus_unet_lr_ratio
    return own or network.loraplus_lr_ratio
