"""What a LoRA file says of the network it holds: sd-scripts' keys and LyCORIS', and where it began."""

import json
from collections.abc import Sequence
from pathlib import Path

from lora_nb.bases.base import Base
from lora_nb.config.network import Network
from lora_nb.config.training import TrainConfig
from lora_nb.lora import inject
from lora_nb.lora.kinds import name_of
from lora_nb.lora.merge import file_sha256, files_of
from lora_nb.lora.updates import Update

PLAIN = {"ss_network_module": "networks.lora"}
LYCORIS = {
    "dora": {"algo": "locon", "dora_wd": "True", "wd_on_output": "False"},
    "loha": {"algo": "loha"},
    "lokr": {"algo": "lokr"},
}
# What sd-scripts and LyCORIS are told beside rank and alpha, where it is set.
ARGUMENTS = [
    "conv_rank",
    "conv_alpha",
    "use_tucker",
    "lokr_factor",
    "decompose_both",
    "rank_dropout",
    "module_dropout",
    "block_dims",
    "block_alphas",
    "conv_block_dims",
    "conv_block_alphas",
    "down_lr_weight",
    "mid_lr_weight",
    "up_lr_weight",
    "block_lr_zero_threshold",
    "loraplus_lr_ratio",
    "loraplus_unet_lr_ratio",
    "loraplus_text_encoder_lr_ratio",
]
NAMES = {"conv_rank": "conv_dim", "lokr_factor": "factor"}


def network_facts(base: Base, config: TrainConfig) -> dict[str, object]:
    """The keys that follow from the update in a base: its kind, its arguments, and rank and alpha of a file's own."""
    network = config.network
    updates = list(inject.modules(base.parts).values())
    kind = name_of(updates[0])
    facts: dict[str, object] = {"ss_network_module": "lycoris.kohya"} if kind in LYCORIS else dict(PLAIN)
    if arguments := _arguments(network, kind, updates):
        facts["ss_network_args"] = arguments
    if network.network_weights:
        facts |= {
            "ss_network_dim": _one([update.rank for update in updates if update.rank]),
            "ss_network_alpha": _one([update.alpha for update in updates]),
            "lora_nb_network_weights": json.dumps(_named(Path(network.network_weights))),
        }
    if merged := files_of(config.base):
        facts["lora_nb_base_weights"] = json.dumps(
            [_named(path) | {"multiplier": strength} for path, strength in merged]
        )
    return facts


def _arguments(network: Network, kind: str, updates: Sequence[Update]) -> dict[str, str]:
    found = dict(LYCORIS.get(kind, {}))
    for name in ARGUMENTS:
        value, default = getattr(network, name), getattr(Network, name)
        if value != default:
            listed = value if isinstance(value, tuple) else (value,)
            found[NAMES.get(name, name)] = ",".join(str(each) for each in listed)
    if found and kind in LYCORIS:
        found["preset"] = "full" if network.conv_rank or network.conv_block_dims else "attn-mlp"
    return found


def _one(values: Sequence[float]) -> float | str | None:
    """What all have in common; "Dynamic" where they differ."""
    return values[0] if len(set(values)) == 1 else "Dynamic" if values else None


def _named(path: Path) -> dict[str, object]:
    return {"name": path.name, "sha256": file_sha256(path)}
