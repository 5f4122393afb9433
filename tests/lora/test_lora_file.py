"""LoRA files: names, bytes and hashes that other programs rely on, and files that are none."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from lora_nb.bases.sd15_parts import text_encoder_name, unet_name
from lora_nb.lora.lora_file import (
    LoraFile,
    read_lora,
    serialize,
    write_lora,
)
from lora_nb.lora.updates import LoraModule

METADATA = {"ss_output_name": "cat", "ss_epoch": "3", "modelspec.title": "Kätzchen"}


@pytest.fixture
def file():
    generator = torch.Generator().manual_seed(0)

    def module(out, rank, into, *tail):
        down = torch.randn(rank, into, *tail, generator=generator)
        return LoraModule(down, torch.randn(out, rank, *tail, generator=generator), 4.0)

    return LoraFile(
        {"lora_te_text_model_x": module(6, 8, 5), "lora_unet_proj_in": module(320, 8, 320, 1, 1)}, METADATA
    )


def header_and_payload(content):
    start = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:start]), content[start:]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_round_trip(file, dtype, tmp_path):
    path = tmp_path / "cat-01.safetensors"
    write_lora(path, file, dtype)
    back = read_lora(path)
    assert list(back.modules) == list(file.modules) or set(back.modules) == set(file.modules)
    for name, module in file.modules.items():
        assert torch.equal(back.modules[name].down, module.down.to(dtype)) and torch.equal(
            back.modules[name].up, module.up.to(dtype)
        )
        assert back.modules[name].alpha == 4.0
    tensors = load_file(path)
    assert tensors["lora_unet_proj_in.lora_down.weight"].shape == (8, 320, 1, 1)
    assert (
        tensors["lora_unet_proj_in.alpha"].shape == () and tensors["lora_unet_proj_in.alpha"].dtype == dtype
    )


def test_hashes_are_kohyas(file, tmp_path):
    path = tmp_path / "cat.safetensors"
    write_lora(path, file, torch.float32)
    content = path.read_bytes()
    header, payload = header_and_payload(content)
    assert content[8:10] == b'{"'  # A1111 reads no other
    assert header["__metadata__"]["sshs_model_hash"] == hashlib.sha256(payload).hexdigest()
    assert header["__metadata__"]["sshs_legacy_hash"] == "e3b0c442"  # kohya's for a file below 1 MiB
    assert header["__metadata__"]["modelspec.title"] == "Kätzchen"


def test_the_legacy_hash_of_a_large_file_ignores_modelspec():
    tensors = {"a.lora_down.weight": torch.arange(600_000, dtype=torch.float32)}
    one = header_and_payload(serialize(tensors, METADATA))[0]["__metadata__"]
    other = header_and_payload(serialize(tensors, {**METADATA, "modelspec.title": "x"}))[0]["__metadata__"]
    assert one["sshs_legacy_hash"] == other["sshs_legacy_hash"] != "e3b0c442"


def test_equal_input_gives_equal_bytes(file):
    tensors = {f"{name}.lora_down.weight": module.down for name, module in file.modules.items()}
    assert serialize(tensors, METADATA) == serialize(tensors, dict(reversed(METADATA.items())))


def test_names_do_not_follow_transformers():
    for path in ("encoder.layers.0.self_attn.q_proj", "text_model.encoder.layers.0.self_attn.q_proj"):
        assert text_encoder_name(path) == "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    assert unet_name("mid_block.attentions.0.proj_in") == "lora_unet_mid_block_attentions_0_proj_in"


def test_kohyas_whole_number_alpha_and_files_without_alpha_are_read(tmp_path):
    tensors = {"x.lora_down.weight": torch.ones(4, 3), "x.lora_up.weight": torch.ones(2, 4)}
    save_file({**tensors, "x.alpha": torch.tensor(1)}, tmp_path / "int.safetensors")
    save_file(tensors, tmp_path / "none.safetensors")
    assert read_lora(tmp_path / "int.safetensors").modules["x"].alpha == 1.0
    assert read_lora(tmp_path / "none.safetensors").modules["x"].alpha == 4.0


def test_files_that_are_no_lora(tmp_path):
    html, other, half = (
        tmp_path / name for name in ("page.safetensors", "other.safetensors", "half.safetensors")
    )
    html.write_text("<!DOCTYPE html><html>404</html>")
    save_file({"weight": torch.ones(2)}, other)
    save_file({"x.lora_down.weight": torch.ones(4, 3)}, half)
    for path, words in (
        (html, "not a readable"),
        (other, "no kohya-format"),
        (half, "no lora_up"),
        (tmp_path / "gone", "does not exist"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            read_lora(path)
        assert str(path) in str(caught.value)
