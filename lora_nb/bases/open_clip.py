"""OpenCLIP's text models by the names that transformers has for their weights.

Shapes: D width.
"""

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
INNER = {
    "ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}  # fmt: skip
OUTER = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
PROJECTION = "text_projection"


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a CLIPTextModel, and, where there is one, its projection; anything else is left out.

    OpenCLIP keeps query, key and value of a layer in one tensor (3 D, ...), and its projection the other way round.
    """
    return dict(pair for key, value in weights.items() for pair in _pairs(key, value))


def _pairs(key: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    if key in OUTER:
        yield OUTER[key], value
    elif key == PROJECTION:
        yield f"{PROJECTION}.weight", value.T.contiguous()
    elif match := LAYER.fullmatch(key):
        number, rest = match.groups()
        for name, part in _of_layer(rest, value):
            yield f"encoder.layers.{number}.{name}", part


def _of_layer(rest: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    if rest in ("attn.in_proj_weight", "attn.in_proj_bias"):
        kind = rest.rpartition("_")[2]
        for name, part in zip("qkv", value.chunk(3), strict=True):
            yield f"self_attn.{name}_proj.{kind}", part
        return
    name, _, kind = rest.rpartition(".")
    if name in INNER:
        yield f"{INNER[name]}.{kind}", value
