"""Presets: found by name, put over one another, each of them usable."""

import re
import tomllib

import pytest

from lora_nb import presets, settings, takeover
from lora_nb.__main__ import main
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.shell.flags import build_parser, read_arguments

ALL = {preset.name: preset for preset in presets.presets()}
KNOWN = {setting.name for setting in settings_of(TrainConfig)}


@pytest.mark.parametrize("name", ALL)
def test_a_preset_holds_only_settings_there_are_and_each_has_an_effect(name):
    made = settings.from_dict(TrainConfig, presets.put_together([name]))
    assert settings.without_effect(made) == []


@pytest.mark.parametrize("name", ALL)
def test_a_preset_names_nobodys_folders(name):
    values = tomllib.loads(ALL[name].path.read_text(encoding="utf-8"))
    assert not [key for key in values if key.endswith("_dir") or key in ("output_name", "trigger_word")]


@pytest.mark.parametrize("purpose", [name for name in ALL if ALL[name].kind == "purpose"])
@pytest.mark.parametrize("machine", [name for name in ALL if ALL[name].kind == "machine"])
def test_a_machine_goes_over_a_purpose(purpose, machine):
    made = settings.values_of(settings.from_dict(TrainConfig, presets.put_together([purpose, machine])))
    under, over = (settings.read_table(ALL[name].path) for name in (purpose, machine))
    for key, value in {**under, **over}.items():
        assert made[key] == (None if value == "none" else value), key


# What the article gives, in the words of its lists (Kohya ss GUI), and what that is here.
ARTICLE = """dcai_default_sd15 num_repeats 5 | train_batch_size 1 | max_train_steps 1600 | save_every_n_epochs 1 | seed 123
 | lr_scheduler cosine | optimizer AdamW8bit | learning_rate 0.0001 | text_encoder_lr 5e-05 | lr_warmup_steps 0.1
 | rank 8 | alpha 1.0 | clip_skip 2 | shuffle_caption False | min_snr_gamma None
dcai_sd15 num_repeats 5 | train_batch_size 1 | max_train_epochs 4 | max_train_steps None | seed 123 | lr_scheduler cosine
 | optimizer AdamW | learning_rate 0.0001 | text_encoder_lr 5e-05 | lr_warmup_steps 0.05 | rank 32 | alpha 32.0
 | scale_weight_norms 1.0 | keep_tokens 8 | clip_skip 2 | shuffle_caption True | min_snr_gamma 5.0
hollowstrawberry_sd15 resolution 512 | num_repeats 10 | max_train_epochs 10 | train_batch_size 2 | learning_rate 0.0005
 | text_encoder_lr 0.0001 | lr_scheduler cosine_with_restarts | lr_scheduler_num_cycles 3 | lr_warmup_steps 0.05
 | min_snr_gamma 5.0 | rank 16 | alpha 8.0 | clip_skip 2 | seed 42 | max_token_length 225 | optimizer AdamW8bit
hollowstrawberry_sdxl resolution 1024 | num_repeats 2 | vae stabilityai/sdxl-vae | max_train_epochs 10 | train_batch_size 4 | learning_rate 0.0003
 | text_encoder_lr 6e-05 | lr_scheduler_num_cycles 3 | min_snr_gamma 8.0 | multires_noise_iterations 6
 | multires_noise_discount 0.3 | weight_decay 0.1 | rank 8 | alpha 4.0 | seed 42 | gradient_checkpointing True"""


@pytest.mark.parametrize("line", re.split(r"\n(?! )", ARTICLE), ids=lambda line: line.split()[0])
def test_published_lists_are_taken_over_value_by_value(line):
    name, _, rest = line.partition(" ")
    given = settings.read_table(ALL[name].path)
    defaults = {setting.name: setting.default for setting in settings_of(TrainConfig)}
    found = {**defaults, **{key: None if value == "none" else value for key, value in given.items()}}
    pairs = [part.split() for part in rest.replace("\n", " ").split("|")]
    assert {key: str(found[key]) for key, _ in pairs} == dict(pairs)


def test_flags_go_over_the_file_and_the_file_over_the_preset(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("rank = 5\nnum_repeats = 3\n")
    parser = build_parser("train", TrainConfig, takes_presets=True)
    line = ["--preset", "character_sd15, t4", str(path), "--rank", "6"]
    made = settings.values_of(read_arguments(parser, TrainConfig, line)[0])
    assert (made["rank"], made["num_repeats"], made["alpha"], made["mixed_precision"]) == (6, 3, 8.0, "fp16")


def test_the_order_of_presets_counts():
    later = [presets.put_together(names)["train_batch_size"] for names in (["8gb", "24gb"], ["24gb", "8gb"])]
    assert later == [4, 1]


def test_an_unknown_preset_leads_to_the_nearest(capsys):
    assert main(["train", "--preset", "charakter_sd15"]) == 2
    assert 'unknown preset "charakter_sd15"; did you mean "character_sd15"?' in capsys.readouterr().err
    assert main(["sample", "--preset", "t4"]) == 2


def test_the_verb_lists_them_and_puts_them_together(tmp_path, capsys):
    assert main(["presets"]) == 0
    said = capsys.readouterr().out
    assert all(preset.name in said and preset.title in said for preset in ALL.values())
    path = tmp_path / "run.toml"
    assert main(["presets", "--preset", "style_sd15,8gb", "--output", str(path)]) == 0
    made = settings.values_of(settings.load(TrainConfig, path))
    assert (made["rank"], made["gradient_accumulation_steps"], made["text_encoder_lr"]) == (32, 2, 0.0)
    path.write_text("mine")
    assert main(["presets", "--preset", "t4", "--output", str(path)]) == 0
    assert path.read_text() == "mine", "never written over"
    assert main(["presets", "--preset", "t4"]) == 0
    assert 'mixed_precision = "fp16"' in capsys.readouterr().out


# What a LoRA file says of a run by each list, under sd-scripts' names.
SAID = {
    "dcai_default_sd15": {
        "network_dim": "8", "network_alpha": "1.0", "unet_lr": "0.0001", "text_encoder_lr": "5e-05",
        "lr_scheduler": "cosine", "clip_skip": "2", "seed": "123", "min_snr_gamma": "None", "shuffle_caption": "False",
        "max_token_length": "75", "bucket_no_upscale": "True", "max_bucket_reso": "2048", "batch_size_per_device": "1",
    },
    "dcai_sd15": {
        "network_dim": "32", "network_alpha": "32.0", "unet_lr": "0.0001", "text_encoder_lr": "5e-05",
        "lr_scheduler": "cosine", "clip_skip": "2", "seed": "123", "min_snr_gamma": "5.0", "shuffle_caption": "True",
        "keep_tokens": "8", "scale_weight_norms": "1.0",
    },
    "hollowstrawberry_sd15": {
        "network_dim": "16", "network_alpha": "8.0", "unet_lr": "0.0005", "text_encoder_lr": "0.0001",
        "lr_scheduler": "cosine_with_restarts", "clip_skip": "2", "seed": "42", "min_snr_gamma": "5.0",
        "keep_tokens": "1", "max_token_length": "225", "batch_size_per_device": "2",
    },
    "hollowstrawberry_sdxl": {
        "network_dim": "8", "network_alpha": "4.0", "unet_lr": "0.0003", "text_encoder_lr": "6e-05",
        "lr_scheduler": "cosine_with_restarts", "seed": "42", "min_snr_gamma": "8.0", "multires_noise_iterations": "6",
        "multires_noise_discount": "0.3", "gradient_checkpointing": "True", "base_model_version": "sdxl_base_v1-0",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", list(SAID))
def test_the_published_lists_train_and_the_file_says_each_value(
    name, request, tmp_path, dataset, make_pictures
):
    make_pictures(dataset, 3)
    base = request.getfixturevalue("tiny_sdxl" if name.endswith("_sdxl") else "tiny_base")
    tiny = {
        "pretrained_model_name_or_path": base, "train_data_dir": dataset, "resolution": 64, "min_bucket_reso": 32,
        "max_train_steps": 2, "num_repeats": 1, "optimizer": "AdamW", "mixed_precision": "no", "grid": "false",
        "sample_every_n_epochs": 0, **({"vae": ""} if "vae" in KNOWN else {}),
        **({"optimizer_args": ""} if "optimizer_args" in KNOWN else {}),
    }  # fmt: skip
    flags = [text for key, value in tiny.items() for text in (f"--{key}", str(value))]
    assert main(["train", "--preset", name, *flags]) == 0
    (written, *_) = sorted((dataset.parent / "output").glob("*.safetensors"))
    said = takeover.read_metadata(written)
    assert {key: said[f"ss_{key}"] for key in SAID[name]} == SAID[name]
    again = settings.from_dict(TrainConfig, takeover.take_over(written).values)
    assert (again.network.rank, again.seed) == (int(SAID[name]["network_dim"]), int(SAID[name]["seed"]))
