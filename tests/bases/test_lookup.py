import json
import shutil
import struct
import zipfile
from pathlib import Path

import pytest

from lora_nb.bases import file_kind, lookup, sd15_files, stable_files


def write_safetensors(path: Path, shapes: dict[str, list[int]], cut: int = 0) -> Path:
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.write_bytes((struct.pack("<Q", len(text)) + text + bytes(end))[: None if not cut else -cut])
    return path


SD15 = {
    "model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3],
    file_kind.CROSS_ATTENTION: [320, 768],
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": [768],
    "first_stage_model.quant_conv.weight": [8, 8, 1, 1],
}


def refused(path: Path) -> str:
    with pytest.raises(ValueError) as error:
        lookup.resolve_base(str(path))
    text = str(error.value)
    assert "\n" not in text and path.name in text
    return text


def test_a_single_file_reads_with_the_tokenizer_of_sd15_and_a_folder_with_its_own(tmp_path, tiny_base):
    (tmp_path / "base.safetensors").touch()
    assert (
        stable_files.tokenizer_folder(tmp_path / "base.safetensors") == stable_files.VOCABULARY / "tokenizer"
    )
    assert stable_files.tokenizer_folder(stable_files.DEMO_FOLDER) == stable_files.VOCABULARY / "tokenizer"
    assert stable_files.tokenizer_folder(tiny_base) == tiny_base / "tokenizer"
    assert (
        lookup.resolve_base("demo")
        == stable_files.DEMO_FOLDER
        == lookup.resolve_base(str(stable_files.DEMO_FOLDER))
    )
    shutil.copytree(tiny_base, tmp_path / "base", ignore=shutil.ignore_patterns("tokenizer"))
    assert refused(tmp_path / "base").endswith("it lacks tokenizer")


def test_a_whole_sd15_file_passes(tmp_path):
    path = write_safetensors(tmp_path / "base.safetensors", SD15)
    assert lookup.resolve_base(str(path)) == path
    assert sd15_files.FILES.native_resolution(str(path)) == 512


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "web page"),
        (b"\n  <html>", "web page"),
        (b'{"error":"Invalid username or password."}', "text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS"),
        (bytes(range(128, 256)), "damaged"),
        (struct.pack("<Q", 5000) + b'{"a', "cut off"),
        (struct.pack("<Q", 8) + b"notjson!", "damaged"),
        (b"PK\x03\x04" + bytes(100), "renamed"),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors"])
def test_what_is_no_model_is_refused(tmp_path, content, said, suffix):
    path = tmp_path / f"base{suffix}"
    path.write_bytes(content)
    assert said in refused(path)


@pytest.mark.parametrize(
    "header", ["[" * 100_000, "[7]", '{"a": 1}', '{"a": {"data_offsets": []}}', '{"a": {"data_offsets": [0, 4]}}', '{"a": {"data_offsets": [0, "4"], "shape": [1]}}', '{"a": {"data_offsets": [0, 4], "shape": 1}}'],
)  # fmt: skip
def test_a_damaged_header_is_refused(tmp_path, header):
    path = tmp_path / "base.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + b"0" * 8)
    with pytest.raises(ValueError, match="base.safetensors is damaged: its header is not readable"):
        file_kind.check_file(path, "sd15")


@pytest.mark.parametrize("part", ["model_index.json", "unet/config.json"])
def test_a_config_nested_too_deep_is_named(tiny_base, tmp_path, part):
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    (folder / part).write_text('{"a":' * 100_000)
    with pytest.raises(ValueError, match="is not readable JSON: nested too deep"):
        sd15_files.FILES.check_folder(folder)


def test_a_truncated_file_is_refused_with_both_sizes(tmp_path):
    text = refused(write_safetensors(tmp_path / "base.safetensors", SD15, cut=100))
    assert "cut off" in text and "bytes are there" in text


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"conditioner.embedders.0.transformer.text_model.x": [1], **SD15}, "Stable Diffusion XL"),
        ({"cond_stage_model.model.transformer.resblocks.0.x": [1]}, "Stable Diffusion 2"),
        ({**SD15, file_kind.CROSS_ATTENTION: [320, 1024]}, "Stable Diffusion 2"),
        ({"model.diffusion_model.joint_blocks.0.x": [1]}, "Stable Diffusion 3"),
        ({"double_blocks.0.img_attn.proj.weight": [1]}, "Flux"),
        ({"lora_unet_mid_block_x.lora_down.weight": [8, 1]}, "a LoRA"),
        ({"unet.mid_block.x.lora_A.weight": [8, 1]}, "a LoRA"),
        ({"emb_params": [8, 768]}, "textual inversion"),
        ({"control_model.input_blocks.0.0.weight": [1]}, "ControlNet"),
        ({"down_blocks.0.x": [1]}, "U-Net alone"),
        ({"encoder.conv_in.weight": [1], "decoder.conv_in.weight": [1]}, "VAE alone"),
        ({**SD15, "model.diffusion_model.input_blocks.0.0.weight": [320, 9, 3, 3]}, "inpainting"),
        ({key: shape for key, shape in SD15.items() if "first_stage" not in key}, "lacks the VAE"),
        ({"something": [1]}, "none of its 1 names"),
    ],
)
def test_another_kind_of_model_is_named(tmp_path, shapes, said):
    assert said in refused(write_safetensors(tmp_path / "base.safetensors", shapes))


def test_a_ckpt_is_looked_at_from_outside(tmp_path):
    path = tmp_path / "base.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pictures/a.png", b"x" * 1000)
    assert "zip archive" in refused(path)
    path.write_bytes(path.read_bytes()[:300])
    assert "cut off" in refused(path)
    path.write_bytes(b"\x00" * 500)
    assert "damaged" in refused(path)


def test_other_endings_are_refused(tmp_path):
    path = tmp_path / "base.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00")
    assert ".safetensors or .ckpt" in refused(path)


def test_a_folder_and_its_resolution(tiny_base):
    assert lookup.resolve_base(str(tiny_base)) == tiny_base
    assert sd15_files.FILES.native_resolution(str(tiny_base)) == 64


def test_a_folder_of_another_family_is_refused(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    assert "StableDiffusionXLPipeline" in refused(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    assert "FluxPipeline" in refused(tmp_path)


def test_an_incomplete_folder_says_what_it_lacks(tmp_path):
    (tmp_path / "unet").mkdir()
    assert "lacks tokenizer, text_encoder, vae, scheduler" in refused(tmp_path)


def test_a_base_of_the_hub_is_of_the_family_its_cached_index_says(tmp_path, tiny_sdxl, monkeypatch):
    """So that a run is planned for 1024 px and refuses clip_skip before gigabytes are downloaded."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert lookup.family_of("some/xl").title == "Stable Diffusion 1.5"
    home = tmp_path / "models--some--xl"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("1" * 40)
    for name in ("model_index.json", "unet/config.json", "vae/config.json"):
        path = home / "snapshots" / ("1" * 40) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tiny_sdxl / name, path)
    family = lookup.family_of("some/xl")
    assert family.title == "Stable Diffusion XL"
    assert (family.resolution("some/xl"), family.unit("some/xl")) == (64, 16)


@pytest.mark.parametrize(
    ("name", "title"),
    [("conditioner.embedders.0.transformer.x", "XL"), ("cond_stage_model.model.ln_final.weight", "2"),
     ("cond_stage_model.transformer.text_model.x", "1.5")],
)  # fmt: skip
@pytest.mark.parametrize("legacy", [False, True])
def test_the_family_of_a_pickled_file_shows_in_its_names(tmp_path, name, title, legacy):
    import torch

    path = tmp_path / "base.ckpt"
    torch.save({"state_dict": {name: torch.ones(2)}}, path, _use_new_zipfile_serialization=not legacy)
    assert lookup.family_of(str(path)).title == f"Stable Diffusion {title}"


def test_names(tmp_path):
    assert lookup.resolve_base("runwayml/stable-diffusion-v1-5") == "runwayml/stable-diffusion-v1-5"
    assert sd15_files.FILES.native_resolution("nobody/never-seen") == 512
    for name in ("", "no_such_model", "a/b/c", "models/lost.safetensors", str(tmp_path / "lost")):
        with pytest.raises(ValueError, match="was not found: give a Hugging Face id"):
            lookup.resolve_base(name)
