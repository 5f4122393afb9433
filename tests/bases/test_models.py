import hashlib
import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from conftest import build_tiny_base
from ldm_layout import read_as_ldm, write_ldm
from lora_nb.bases import clip_text, process, sd15, sd15_files, single_file, weights
from lora_nb.bases.folder import read_json
from lora_nb.bases.models import load_base

LONG = "a photo of a red circle, " * 30


@pytest.fixture(scope="module")
def base(tiny_base):
    return load_base(str(tiny_base))


@pytest.fixture
def folder(tiny_base, tmp_path):
    return shutil.copytree(tiny_base, tmp_path / "base")


def test_a_folder_loads_frozen(base, tiny_base):
    parameters = [p for model in (base.unet, base.text_encoder, base.vae) for p in model.parameters()]
    assert not any(p.requires_grad for p in parameters)
    assert {p.dtype for p in parameters} == {torch.float32}
    assert not (base.unet.training or base.text_encoder.training or base.vae.training)
    assert base.name == tiny_base.name and base.prediction_type == "epsilon"
    assert base.factor == 4 and base.unit == 8


def test_half_precision(tiny_base):
    base = load_base(str(tiny_base), torch.float16)
    assert {p.dtype for p in base.unet.parameters()} == {torch.float16}
    assert base.text_encoder.dtype == base.vae.dtype == torch.float16


def test_the_fingerprint_follows_the_weights(base, folder):
    assert load_base(str(folder)).fingerprint == base.fingerprint
    shutil.rmtree(folder)
    build_tiny_base(folder, "v_prediction", seed=1)
    other = load_base(str(folder))
    assert other.fingerprint != base.fingerprint and other.prediction_type == "v_prediction"


def test_half_precision_files_and_pickled_ones_load(base, folder):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(
        {k: v.half() for k, v in load_file(path).items()},
        path.with_name("diffusion_pytorch_model.fp16.safetensors"),
    )
    path.unlink()
    text = folder / "text_encoder" / "model.safetensors"
    torch.save(load_file(text), text.with_name("pytorch_model.bin"))
    text.unlink()
    loaded = load_base(str(folder))
    for name, weight in base.unet.state_dict().items():
        assert torch.equal(loaded.unet.state_dict()[name], weight.half().float())
    states = base.text_encoder.state_dict()
    assert all(torch.equal(states[name], value) for name, value in loaded.text_encoder.state_dict().items())


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
def test_missing_weights_are_never_made_up(folder, part):
    path = next((folder / part).glob("*.safetensors"))
    tensors = load_file(path)
    lost = next(key for key in tensors if key.endswith("weight"))
    save_file({key: value for key, value in tensors.items() if key != lost}, path, {"format": "pt"})
    with pytest.raises(ValueError, match="weights are missing|could not be read"):
        load_base(str(folder))
    path.unlink()
    with pytest.raises(ValueError, match="holds no weights"):
        load_base(str(folder))


def test_a_truncated_weight_file_is_named(folder):
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="cut off"):
        load_base(str(folder))


@pytest.mark.parametrize(
    ("part", "content"),
    [("text_encoder", '{"a":' * 100_000), ("vae", "[]"), ("vae", '{"block_out_channels": "x"}'), ("unet", '{"sample_size": '),
     ("text_encoder", '{"model_type": "clip_text_model", "hidden_size": 0}'), ("vae", '{"norm_num_groups": 0}')],
)  # fmt: skip
def test_a_damaged_config_is_one_sentence(folder, part, content):
    (folder / part / "config.json").write_text(content)
    with pytest.raises(ValueError) as error:
        load_base(str(folder))
    assert part in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_prediction_type_is_refused(folder):
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "prediction_type": "sample"}))
    with pytest.raises(ValueError, match="predicts sample"):
        load_base(str(folder))


def test_a_hub_id_offline_is_one_sentence():
    with pytest.raises(ValueError, match="connect to the internet") as error:
        load_base("nobody/never-seen")
    assert "\n" not in str(error.value)


def test_one_weight_file_per_model_is_downloaded():
    names = [
        "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors",
        "text_encoder/pytorch_model.fp16.bin", "text_encoder/pytorch_model.bin",
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "safety_checker/model.safetensors", "v1-5-pruned.safetensors",
    ]  # fmt: skip
    assert sd15_files.LAYOUT.chosen(names) == [
        "text_encoder/pytorch_model.bin", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize("tokens", [75, 150, 225])
@pytest.mark.parametrize("clip_skip", [1, 2, 3])
def test_prompts_are_encoded_as_sd_scripts_does(base, clip_skip, tokens):
    captions = ["a cat", LONG, ""]
    with torch.no_grad():
        found = base.encode(captions, clip_skip, tokens).states
        wanted = torch.stack([as_in_sd_scripts(base, text, clip_skip, tokens) for text in captions])
    assert found.shape == (3, tokens + 2, 32)
    assert torch.allclose(found, wanted, atol=1e-6)


def as_in_sd_scripts(base, text: str, clip_skip: int, tokens: int) -> torch.Tensor:
    """strategy_sd.py: tokenise to n + 2, cut into rows of 77, encode each, join."""
    tokenizer, encoder = base.tokenizer, base.text_encoder
    ids = tokenizer(
        text, padding="max_length", truncation=True, max_length=tokens + 2, return_tensors="pt"
    ).input_ids[0]
    rows = [ids] if tokens == 75 else [
        torch.cat([ids[:1], ids[start : start + 75], ids[-1:]]) for start in range(1, tokens - 75 + 2, 75)
    ]  # fmt: skip
    states = encoder(torch.stack(rows), output_hidden_states=True).hidden_states[-clip_skip]
    states = getattr(encoder, "text_model", encoder).final_layer_norm(states)
    if tokens == 75:
        return states[0]
    return torch.cat([states[0, :1], *(row[1:-1] for row in states), states[-1, -1:]])


def test_clip_skip_1_is_the_encoders_own_output(base):
    with torch.no_grad():
        ids = base.tokenizer("a cat", padding="max_length", max_length=77, return_tensors="pt").input_ids
        assert torch.equal(base.encode(["a cat"], 1, 75).states, base.text_encoder(ids).last_hidden_state)


def test_a_tokenizer_with_its_own_padding(base):
    """As OpenCLIP's: ! (id 0) after the end mark, none of it before."""
    tokenizer = type(base.tokenizer).from_pretrained(base.tokenizer.name_or_path, pad_token="!")
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    first, second = clip_text._chunk(tokenizer, "cat " * 80, 2)
    assert first[0] == begin and first[-1] == end and pad not in first
    assert second[6:8] == [end, pad] and len(second) == 77 and set(second[7:]) == {pad}
    assert clip_text._chunk(tokenizer, "", 1)[0][:3] == [begin, end, pad]


def test_gradients_reach_the_text_encoder(tiny_base):
    base = load_base(str(tiny_base))
    base.text_encoder.requires_grad_(True)
    base.encode(["a cat", LONG], 2, 150).states.sum().backward()
    layers = base.text_encoder.get_submodule(
        "encoder" if hasattr(base.text_encoder, "encoder") else "text_model.encoder"
    ).layers
    assert layers[0].self_attn.q_proj.weight.grad.abs().sum() > 0
    assert layers[-1].self_attn.q_proj.weight.grad is None


def test_gradient_checkpointing_gives_the_same_states(tiny_base):
    base = load_base(str(tiny_base))
    plain = base.encode(["a cat"], 2, 75).states
    base.text_encoder.requires_grad_(True)
    base.text_encoder.train()
    base.text_encoder.gradient_checkpointing_enable()
    again = base.encode(["a cat"], 2, 75).states
    assert torch.equal(plain, again)
    again.sum().backward()


def test_pictures_are_encoded_as_the_vae_does(base):
    pixels = torch.rand(2, 3, 64, 96) * 2 - 1
    mean, std = base.encode_images(pixels)
    assert mean.shape == std.shape == (2, 4, 16, 24)
    assert torch.equal(mean, base.vae.encode(pixels).latent_dist.mode())


@pytest.mark.parametrize("text_prefix", ["text_model.", ""])
@pytest.mark.parametrize("kind", ["safetensors", "fp16", "ckpt", "legacy", "wrapped"])
def test_a_single_file_holds_the_same_models(base, tiny_base, tmp_path, kind, text_prefix):
    tensors = read_as_ldm(tiny_base, text_prefix=text_prefix)
    tensors |= {f"model_ema.{key.replace('.', '')}": value + 1 for key, value in list(tensors.items())[:150]}
    tensors["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    path = write_single(tensors, tmp_path, kind)
    found = single_file.load(path, torch.float32, tiny_base)
    for part in ("unet", "vae", "text_encoder"):
        same_weights(getattr(found, part), getattr(base, part), half=kind == "fp16")
    assert isinstance(found.text_encoder, CLIPTextModel)
    ids = base.tokenizer("a cat", padding="max_length", max_length=77, return_tensors="pt").input_ids
    if kind != "fp16":
        assert torch.equal(found.text_encoder(ids)[0], base.text_encoder(ids)[0])


def write_single(tensors, folder, kind):
    path = folder / ("base.safetensors" if kind in ("safetensors", "fp16") else "base.ckpt")
    tensors = {
        key: (value.half() if kind == "fp16" and value.is_floating_point() else value).contiguous()
        for key, value in tensors.items()
    }
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    elif kind == "wrapped":
        torch.save({"state_dict": tensors, "global_step": 470000, "epoch": 6}, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "ckpt")
    return path


def same_weights(found, wanted, half):
    found, wanted = dict(found.named_parameters()), dict(wanted.named_parameters())
    assert set(found) == set(wanted)
    for name, weight in wanted.items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], weight.half().float() if half else weight), name


def test_a_v_prediction_file_says_so(tiny_base, tmp_path):
    path = write_single(read_as_ldm(tiny_base) | {"v_pred": torch.zeros(0)}, tmp_path, "safetensors")
    assert (
        single_file.load(path, torch.float32, tiny_base).scheduler_config["prediction_type"] == "v_prediction"
    )


def test_a_base_can_be_told_what_its_files_do_not_say(tiny_base, tmp_path):
    """A folder that says epsilon: told otherwise, training and drawing follow, and there is a sentence about it."""
    base = load_base(str(tiny_base), prediction_type="v_prediction", zero_terminal_snr="yes")
    assert base.prediction_type == base.scheduler_config["prediction_type"] == "v_prediction"
    assert process.alphas_cumprod(base.scheduler_config)[-1] < 1e-6
    assert base.notes == (
        f"prediction_type = v_prediction is followed, though {base.name} itself says epsilon",
    )
    assert load_base(str(tiny_base)).notes == () == load_base(str(tiny_base), prediction_type="epsilon").notes
    v = tmp_path / "v"
    build_tiny_base(v, "v_prediction")
    told = load_base(str(v), prediction_type="epsilon")
    assert told.prediction_type == "epsilon" and "itself says v_prediction" in told.notes[0]
    schedule = read_json(sd15_files.SD15_FOLDER / "scheduler" / "scheduler_config.json")
    unmarked = sd15._as_told(replace(base, scheduler_config=schedule), "v_prediction", "auto")
    assert unmarked.prediction_type == "v_prediction" and unmarked.notes == ()


def test_a_single_file_of_another_size_is_refused(tiny_base, tmp_path):
    path = write_ldm(tiny_base, tmp_path / "base.safetensors")
    with pytest.raises(ValueError, match=r"base\.safetensors .*Stable Diffusion 1\.5") as error:
        load_base(str(path))
    assert "\n" not in str(error.value)


def test_a_single_file_that_lacks_weights_is_refused(tiny_base, tmp_path):
    for part in (
        "model.diffusion_model.out.2.weight",
        "first_stage_model.post_quant_conv.weight",
        "cond_stage_model.transformer",
    ):
        tensors = read_as_ldm(tiny_base)
        lost = [key for key in tensors if key.startswith(part)][-1]
        path = write_single(
            {key: value for key, value in tensors.items() if key != lost}, tmp_path, "safetensors"
        )
        with pytest.raises(ValueError, match="missing|not that of") as error:
            single_file.load(path, torch.float32, tiny_base)
        assert "\n" not in str(error.value)


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_pickle_with_code_is_refused_unexecuted(tmp_path, capsys):
    path = tmp_path / "base.ckpt"
    torch.save({"state_dict": {}, "extra": Evil()}, path)
    with pytest.raises(ValueError, match="refused: it holds program code") as error:
        load_base(str(path))
    assert "\n" not in str(error.value) and "print" in str(error.value)
    assert "executed" not in capsys.readouterr().out


def test_a_cut_pickle_is_refused(tiny_base, tmp_path):
    path = write_single(read_as_ldm(tiny_base), tmp_path, "legacy")
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(ValueError, match=r"base\.ckpt is damaged|refused"):
        load_base(str(path))


def test_hashes_of_a_file(tmp_path):
    path = tmp_path / "base.safetensors"
    content = bytes(range(256)) * 5000
    path.write_bytes(content)
    whole, short = weights.file_hashes(path)
    assert whole == hashlib.sha256(content).hexdigest()
    assert short == hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8]
