"""Settings of the update's shape."""

from dataclasses import dataclass

from lora_nb.declare import setting


@dataclass(frozen=True)
class Network:
    """The shape of the update."""

    rank: int = setting(16, "inner size of the update (kohya: network_dim)", min=1, max=256, kohya="network_dim", in_file="always")
    alpha: float = setting(8.0, "strength of the update is alpha / rank; half the rank is usual", min=0.01, max=256, kohya="network_alpha", in_file="always")
    dropout: float = setting(0.0, "share of the update's inner values left out at each step", min=0, max=0.9, advanced=True, kohya="network_dropout", in_file="on")
