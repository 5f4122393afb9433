"""LoRA files merged into a base: what the file at that strength does, exactly, whatever its kind."""

import pytest
import torch
from test_kinds import WAYS, Layers, OnePart, close, injected, learnt

from lora_nb.bases.models import load_base
from lora_nb.config import base as config_base
from lora_nb.config.network import Network
from lora_nb.lora import inject
from lora_nb.lora.kind import LoraSpec
from lora_nb.lora.lora_file import LoraFile, read_lora, write_lora
from lora_nb.lora.merge import merge, merge_files
from lora_nb.lora.shapes import shapes_of


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("multiplier", [1.0, 0.5])
def test_a_merged_base_answers_as_one_with_the_file_beside_it(way, multiplier):
    part, parameters = injected(way)
    learnt(parameters)
    inject.set_strength([part], multiplier)
    merged = OnePart()
    merge([merged], LoraFile(inject.modules([part]), {}), multiplier)
    assert close(merged.model.answers(), part.model.answers(), atol=2e-5)
    assert not close(merged.model.answers(), Layers().answers(), atol=1e-3)
    assert not inject.layers_of(merged.model)


def choice(paths, *multipliers):
    return config_base.Base(base_weights=tuple(map(str, paths)), base_weights_multiplier=multipliers)


def test_files_are_merged_one_after_the_other_and_make_another_base(tiny_base, tmp_path):
    paths = []
    for number in range(2):
        base = load_base(str(tiny_base))
        for part in base.parts:
            learnt(inject.inject(part.model, shapes_of(part, Network(rank=2)), LoraSpec(2, 2.0), number), 0.1)
        paths.append(tmp_path / f"{number}.safetensors")
        write_lora(paths[-1], LoraFile(inject.modules(base.parts), {}), torch.float32)
    base, plain = load_base(str(tiny_base)), load_base(str(tiny_base))
    merge_files(base, choice(paths, 0.5))
    path = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    weight = plain.unet.get_submodule(path).weight
    wanted = weight.clone()
    for number, share in enumerate((0.5, 1.0)):
        update = read_lora(paths[number]).modules["lora_unet_" + path.replace(".", "_")]
        wanted = wanted + share * (update.up @ update.down)
    assert torch.allclose(base.unet.get_submodule(path).weight, wanted, atol=1e-6)
    assert base.fingerprint != plain.fingerprint
    again, other = load_base(str(tiny_base)), load_base(str(tiny_base))
    merge_files(again, choice(paths, 0.5))
    merge_files(other, choice(paths, 0.6))
    assert again.fingerprint == base.fingerprint != other.fingerprint
    assert torch.equal(again.unet.get_submodule(path).weight, base.unet.get_submodule(path).weight)


def test_a_file_of_another_base_is_refused_and_named(base):
    part, _ = injected("lora")
    with pytest.raises(ValueError, match="does not fit this base: 3 of its 3 layers"):
        merge(base.parts, LoraFile(inject.modules([part]), {}), 1.0)


def test_a_strength_without_a_file_is_refused():
    with pytest.raises(ValueError, match="base_weights_multiplier holds 2 numbers for 1 files"):
        choice(["a"], 1.0, 2.0)
