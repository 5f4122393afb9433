"""Files as other programs name their layers: each is read as the same update."""

import pytest
import torch
from safetensors.torch import save_file
from test_kinds import learnt, predict

from lora_nb.bases.models import load_base
from lora_nb.lora import inject
from lora_nb.lora.kind import LoraSpec
from lora_nb.lora.lora_file import read_lora


def diffusers_keys(module, path, prefix):
    return {f"{prefix}.{path}.lora_A.weight": module.down, f"{prefix}.{path}.lora_B.weight": module.up}


def old_processor_keys(module, path, prefix):
    parent, _, last = path.rpartition(".")
    if prefix == "text_encoder" or ".attn" not in path:
        stem = f"{prefix}.{path}.lora_linear_layer"
    elif path.endswith("to_out.0"):
        stem = f"{prefix}.{parent.removesuffix('.to_out')}.processor.to_out_lora"
    else:
        stem = f"{prefix}.{parent}.processor.{last}_lora"
    return {f"{stem}.down.weight": module.down, f"{stem}.up.weight": module.up}


def kohya_keys(prefix):
    def keys(module, path, part):
        name = "lora_unet" if part == "unet" else prefix
        layer = f"{name}_{path.replace('.', '_')}"
        return {
            f"{layer}.lora_down.weight": module.down,
            f"{layer}.lora_up.weight": module.up,
            f"{layer}.alpha": torch.tensor(module.alpha),
        }

    return keys


SPELLINGS = {
    "diffusers (peft)": (diffusers_keys, "text_model."),
    "diffusers before peft": (old_processor_keys, "text_model."),
    "kohya's, its only text model called the first": (kohya_keys("lora_te1"), "text_model."),
    "kohya's, as written with transformers 5.6": (kohya_keys("lora_te"), ""),
    "kohya's": (kohya_keys("lora_te"), "text_model."),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_the_same_update(tiny_base, tmp_path, spelling):
    write, text = SPELLINGS[spelling]
    ours, tensors = load_base(str(tiny_base)), {}
    for part in ours.parts:
        paths = [path for path in part.targets(part.model) if "attn" in path]
        learnt(inject.inject(part.model, paths, LoraSpec(2, 2.0), 1))
        for path, (kind, layer) in inject.layers_of(part.model).items():
            plain = path.removeprefix("text_model.")
            named = text + plain if part.reads_text else plain
            tensors |= write(kind.take(layer), named, part.name)
    save_file({key: values.contiguous() for key, values in tensors.items()}, tmp_path / "x.safetensors")
    theirs, file = load_base(str(tiny_base)), read_lora(tmp_path / "x.safetensors")
    base = predict(theirs.unet, theirs.text_encoder)
    inject.apply(theirs.parts, file)
    now = predict(theirs.unet, theirs.text_encoder)
    assert torch.allclose(now, predict(ours.unet, ours.text_encoder), atol=1e-5)
    assert not torch.allclose(now, base, atol=1e-3)
    inject.load(theirs.parts, file)
    assert torch.equal(predict(theirs.unet, theirs.text_encoder), now)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"x.lora_down.weight": 4, "x.lora_up.weight": 4, "x.lora_mid.weight": 4},
            "cannot be read whole.*lora_mid",
        ),
        (
            {"x.lora_down.weight": 4, "x.lora_up.weight": 4, "y.oft_blocks": 4},
            "1 of its 3 tensors.*y.oft_blocks",
        ),
        ({"x.hada_w1_a": 4, "x.hada_w1_b": 4, "x.hada_w2_a": 4}, "x has hada_w1_a.*but no hada_w2_b"),
        ({"x.lokr_w1": 4, "x.lora_up.weight": 4}, "x has lokr_w1, lora_up.weight"),
    ],
)
def test_what_cannot_be_read_whole_is_refused_and_named(tmp_path, keys, words):
    save_file({key: torch.ones(size, size) for key, size in keys.items()}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=words):
        read_lora(tmp_path / "x.safetensors")
