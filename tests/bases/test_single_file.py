"""Single checkpoint files in the original layout."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPTextModel

from conftest import build_tiny_base
from ldm_layout import read_as_ldm, write_ldm
from lora_nb.bases import process, sd15, single_file, stable_files
from lora_nb.bases.folder import read_json
from lora_nb.bases.models import load_base


@pytest.mark.parametrize("text_prefix", ["text_model.", ""])
@pytest.mark.parametrize("kind", ["safetensors", "fp16", "ckpt", "legacy", "wrapped"])
def test_a_single_file_holds_the_same_models(base, tiny_base, tmp_path, kind, text_prefix):
    tensors = read_as_ldm(tiny_base, text_prefix=text_prefix)
    tensors |= {f"model_ema.{key.replace('.', '')}": value + 1 for key, value in list(tensors.items())[:150]}
    tensors["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    path = write_single(tensors, tmp_path, kind)
    found = single_file.load(path, torch.float32, layout(tiny_base))
    for model, part in ((found.unet, "unet"), (found.vae, "vae"), (found.texts[0], "text_encoder")):
        same_weights(model, getattr(base, part), half=kind == "fp16")
    assert isinstance(found.texts[0], CLIPTextModel)
    ids = base.tokenizer("a cat", padding="max_length", max_length=77, return_tensors="pt").input_ids
    if kind != "fp16":
        assert torch.equal(found.texts[0](ids)[0], base.text_encoder(ids)[0])


def layout(folder, family=sd15):
    """A family's own layout with the configurations of a tiny base."""
    return replace(family.IN_A_FILE, configs=folder)


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
        single_file.load(path, torch.float32, layout(tiny_base)).scheduler_config["prediction_type"]
        == "v_prediction"
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
    schedule = read_json(stable_files.VOCABULARY / "scheduler" / "scheduler_config.json")
    unmarked = sd15.ready(replace(base, scheduler_config=schedule), "v_prediction", "auto")
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
            single_file.load(path, torch.float32, layout(tiny_base))
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
