"""OpenCLIP's weights by transformers' names."""

import torch

from ldm_layout import as_open_clip
from lora_nb.bases import open_clip


def test_each_weight_is_where_transformers_has_it_and_the_rest_is_left_out():
    chance = torch.Generator().manual_seed(0)
    layer = {
        f"encoder.layers.{n}.{name}": torch.randn(shape, generator=chance)
        for n in (0, 11)
        for name, shape in {
            **{f"self_attn.{part}_proj.{kind}": (8, 8) if kind == "weight" else (8,)
               for part in ("q", "k", "v", "out") for kind in ("weight", "bias")},
            "mlp.fc1.weight": (16, 8), "mlp.fc2.bias": (8,), "layer_norm1.weight": (8,), "layer_norm2.bias": (8,),
        }.items()
    }  # fmt: skip
    outer = {
        "embeddings.token_embedding.weight": (30, 8), "embeddings.position_embedding.weight": (77, 8),
        "final_layer_norm.weight": (8,), "final_layer_norm.bias": (8,), "text_projection.weight": (5, 8),
    }  # fmt: skip
    weights = layer | {name: torch.randn(shape, generator=chance) for name, shape in outer.items()}
    theirs = as_open_clip(weights)
    assert theirs["transformer.resblocks.11.attn.in_proj_weight"].shape == (24, 8)
    assert theirs["text_projection"].shape == (8, 5) and "logit_scale" in theirs
    found = open_clip.renamed({**theirs, "attn_mask": torch.zeros(77, 77)})
    assert set(found) == set(weights)
    assert all(torch.equal(found[name], value) for name, value in weights.items())
