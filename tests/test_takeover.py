"""Settings taken over from files: of sd-scripts, of its GUI, of LoRA files, of earlier runs."""

import json
import tomllib

import pytest

from lora_nb import settings, takeover
from lora_nb.__main__ import main
from lora_nb.config.training import TrainConfig
from lora_nb.takeover import take_over

# As kohya_ss 24 saves it, shortened.
GUI = {
    "LoRA_type": "Standard", "adaptive_noise_scale": 0, "bucket_no_upscale": True, "caption_extension": ".txt",
    "clip_skip": "2", "conv_alpha": 32, "conv_dim": 32, "enable_bucket": True, "epoch": 4, "factor": -1,
    "gradient_checkpointing": True, "keep_tokens": "0", "learning_rate": 0.0001, "lr_scheduler": "cosine",
    "lr_scheduler_num_cycles": "1", "lr_scheduler_power": "", "lr_warmup": 10, "max_resolution": "512,512",
    "max_token_length": "75", "max_train_epochs": "", "max_train_steps": "", "min_snr_gamma": 5, "mixed_precision": "bf16",
    "multires_noise_iterations": 6, "network_alpha": 16, "network_dim": 32, "noise_offset": 0.05,
    "noise_offset_type": "Original", "num_cpu_threads_per_process": 2, "optimizer": "AdamW",
    "optimizer_args": "weight_decay=0.05", "save_precision": "bf16", "seed": "123", "sdxl": False, "shuffle_caption": True,
    "text_encoder_lr": 0.00005, "train_batch_size": 1, "unet_lr": 0.0001, "use_wandb": False, "vae_batch_size": 0,
    "weighted_captions": False, "xformers": "xformers", "additional_parameters": "--max_grad_norm=0.5 --debiased_estimation_loss",
}  # fmt: skip


def made_of(found):
    return settings.values_of(settings.from_dict(TrainConfig, found.values))


def test_a_toml_of_sd_scripts_with_its_sections(tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("# mine\na cat --w 512\n\na dog --n bad\n")
    path = tmp_path / "config.toml"
    path.write_text(
        '[model]\npretrained_model_name_or_path = "a/b"\n[network]\nnetwork_dim = 8\n'
        f'[samples]\nsample_prompts = "{prompts.name}"\n[more]\nno_half_vae = true\nlr_warmup_steps = 100.0\n'
    )
    found = take_over(path)
    made = made_of(found)
    assert (made["pretrained_model_name_or_path"], made["rank"], made["alpha"]) == ("a/b", 8, 1.0)
    assert made["sample_prompts"] == ("a cat --w 512", "a dog --n bad")
    assert made["lr_warmup_steps"] == 100.0, "steps, which sd-scripts reads as a share"
    assert set(found.passed) == {"no_half_vae"}


def test_what_the_gui_saved(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(GUI))
    found = take_over(path)
    made = made_of(found)
    same = {
        "rank": 32, "alpha": 16.0, "clip_skip": 2, "max_train_epochs": 4, "max_train_steps": None, "lr_warmup_steps": 0.1, "resolution": 512,
        "seed": 123, "learning_rate": 1e-4, "text_encoder_lr": 5e-5, "weight_decay": 0.05, "noise_offset": 0.05, "max_grad_norm": 0.5,
        "min_snr_gamma": 5.0, "max_token_length": 75, "optimizer": "AdamW", "shuffle_caption": True,
    }  # fmt: skip
    assert {name: made[name] for name in same} == same
    assert "conv_dim" not in found.values | found.passed, "not used with LoRA_type = Standard"
    assert "multires_noise_iterations" not in found.values | found.passed, "another kind of noise is chosen"
    assert "debiased_estimation_loss" in found.values | found.passed
    assert {"xformers", "num_cpu_threads_per_process"} <= found.passed.keys()
    assert not found.passed.keys() & {"factor", "conv_dim"}, "of a kind that is not chosen"


@pytest.mark.parametrize(
    ("change", "rates"),
    [
        ({"unet_lr": 0, "text_encoder_lr": 0}, (1e-4, 1e-4)),
        ({"text_encoder_lr": 0}, (1e-4, 0.0)),
        ({"unet_lr": 0}, (0.0, 5e-5)),
    ],
)
def test_the_guis_zero_rates(tmp_path, change, rates):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(GUI | change))
    values = take_over(path).values
    assert (values["learning_rate"], values["text_encoder_lr"]) == rates


@pytest.mark.parametrize(
    ("change", "length"),
    [
        ({"max_train_steps": 1600, "max_train_epochs": 0}, (None, 1600)),
        ({"max_train_steps": 0, "max_train_epochs": 7}, (7, None)),
        ({"max_train_steps": 1600, "max_train_epochs": 7}, (7, None)),
        ({"max_train_steps": "", "max_train_epochs": ""}, (4, None)),
    ],
)
def test_the_guis_length(tmp_path, change, length):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(GUI | change))
    values = take_over(path).values
    assert (values.get("max_train_epochs"), values.get("max_train_steps")) == length


def test_what_only_newer_guis_know(tmp_path):
    path = tmp_path / "mine.json"
    odd = {"save_as_bool": False, "lowvram": False, "flux1_checkbox": False, "conv_dims": "", "sparkle": True}
    path.write_text(json.dumps(GUI | odd | {"sample_prompts": "a cat --w 512\na dog", "LoRA_type": "Flux1"}))
    found = take_over(path)
    assert found.values["sample_prompts"] == ("a cat --w 512", "a dog")
    assert not found.passed.keys() & {"save_as_bool", "lowvram", "conv_dims"}, "off, and known nowhere"
    assert found.passed["sparkle"] == "it is not known" and "flux1" in found.passed["algo"]


def test_prompts_whose_file_is_gone_are_named(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('sample_prompts = "gone.txt"\nnetwork_dim = 8\n')
    found = take_over(path)
    assert "sample_prompts" not in found.values and "not here" in found.passed["sample_prompts"]


def test_a_dataset_of_one_folder_is_the_runs_own(tmp_path):
    path = tmp_path / "dataset.toml"
    path.write_text(
        "[general]\nshuffle_caption = true\n[[datasets]]\nresolution = 640\nbatch_size = 3\n"
        '[[datasets.subsets]]\nimage_dir = "pictures"\nnum_repeats = 5\nkeep_tokens = 2\n'
    )
    found = take_over(path)
    same = {
        "train_data_dir": "pictures", "num_repeats": 5, "keep_tokens": 2, "resolution": 640, "train_batch_size": 3, "shuffle_caption": True
    }  # fmt: skip
    assert {name: found.values[name] for name in same} == same and not found.passed


def test_a_dataset_of_several_folders_is_named_as_a_whole(tmp_path):
    path = tmp_path / "dataset.toml"
    path.write_text(
        '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "a"\n[[datasets.subsets]]\nimage_dir = "b"\n'
    )
    found = take_over(path)
    assert found.values.get("dataset_config") == str(path) or "dataset_config" in found.passed


def lora_of(path, metadata):
    header = json.dumps({"__metadata__": metadata}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def test_a_lora_file_made_here_gives_all_its_settings_back(tmp_path):
    config = settings.make(
        TrainConfig, rank=5, min_snr_gamma=None, sample_prompts=("a", "b"), lr_scheduler="linear"
    )
    own = json.dumps(settings.to_dict(config))
    found = take_over(lora_of(tmp_path / "a.safetensors", {takeover.OWN: own, "ss_network_dim": "99"}))
    assert settings.from_dict(TrainConfig, found.values) == config and not found.passed


def test_a_lora_file_of_sd_scripts(tmp_path):
    metadata = {
        "ss_network_dim": "32", "ss_network_alpha": "16.0", "ss_learning_rate": "0.0001", "ss_unet_lr": "None",
        "ss_text_encoder_lr": "5e-05", "ss_num_epochs": "8", "ss_max_train_steps": "1600", "ss_lr_scheduler": "cosine",
        "ss_optimizer": "torch.optim.adamw.AdamW(weight_decay=0.1,betas=(0.9, 0.99))", "ss_resolution": "(768, 768)",
        "ss_dataset_dirs": '{"5_cat": {"n_repeats": 5, "img_count": 20}}', "ss_clip_skip": "None", "ss_seed": "7",
        "ss_shuffle_caption": "True", "ss_min_snr_gamma": "5.0", "ss_session_id": "123", "ss_batch_size_per_device": "2",
        "ss_sd_model_name": "anime.safetensors", "ss_network_module": "networks.lora", "ss_noise_offset": "None",
        "modelspec.title": "x",
    }  # fmt: skip
    found = take_over(lora_of(tmp_path / "b.safetensors", metadata))
    made = made_of(found)
    same = {
        "rank": 32, "alpha": 16.0, "learning_rate": 1e-4, "text_encoder_lr": 5e-5, "max_train_epochs": 8, "max_train_steps": None,
        "lr_scheduler": "cosine", "optimizer": "AdamW", "weight_decay": 0.1, "resolution": 768, "num_repeats": 5, "seed": 7,
        "train_batch_size": 2, "pretrained_model_name_or_path": "anime.safetensors", "shuffle_caption": True,
    }  # fmt: skip
    assert {name: made[name] for name in same} == same


def test_an_earlier_run(tmp_path):
    config = settings.make(TrainConfig, rank=3, seed=9)
    settings.save(config, tmp_path / "run.toml", takeover.OWN_HEADING + " 1: x")
    assert settings.from_dict(TrainConfig, take_over(tmp_path).values) == config


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.toml", b"rank = ", "not readable as settings"),
        ("a.json", b"[]", "holds no settings"),
        ("a.toml", b"", "holds no settings"),
        ("a.safetensors", b"<html>", "not a readable .safetensors"),
        ("a.safetensors", b"\x02\x00\x00\x00\x00\x00\x00\x00{}", "says nothing of its settings"),
        ("none.toml", None, "does not exist"),
    ],
)
def test_what_holds_no_settings_is_one_sentence(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=says):
        take_over(tmp_path / name)


def test_the_verb_writes_a_file_that_trains_and_names_the_rest(tmp_path, capsys):
    (tmp_path / "mine.json").write_text(json.dumps(GUI))
    path = tmp_path / "run.toml"
    line = ["import_settings", "--source", str(tmp_path / "mine.json"), "--output", str(path)]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "Not taken: xformers: attention is always PyTorch's own" in said and str(path) in said
    assert settings.values_of(settings.load(TrainConfig, path))["rank"] == 32
    assert main(line) == 0
    assert tomllib.loads((tmp_path / "run-2.toml").read_text()) == tomllib.loads(path.read_text())
    assert main(["import_settings"]) == 2


def test_settings_that_do_not_go_together_are_written_and_said(tmp_path, capsys):
    (tmp_path / "odd.toml").write_text("learning_rate = 0\ntext_encoder_lr = 0\nnetwork_dim = 8\n")
    assert (
        main(
            ["import_settings", "--source", str(tmp_path / "odd.toml"), "--output", str(tmp_path / "o.toml")]
        )
        == 0
    )
    assert "nothing would be trained" in capsys.readouterr().out
    assert "rank = 8" in (tmp_path / "o.toml").read_text()
