"""Settings of sd-scripts: each is taken as it is meant there, or named with the reason why not."""

import pytest

from lora_nb import kohya, kohya_import, settings
from lora_nb.config.training import TrainConfig
from lora_nb.kohya_defaults import DEFAULTS
from lora_nb.kohya_import import OURS, translate

# Every argument of train_network.py and sdxl_train_network.py of sd-scripts 48d368fa.
NAMES = [
    "adaptive_noise_scale",
    "alpha_mask",
    "async_upload",
    "base_weights",
    "base_weights_multiplier",
    "blocks_to_swap",
    "bucket_no_upscale",
    "bucket_reso_steps",
    "cache_info",
    "cache_latents",
    "cache_latents_to_disk",
    "cache_text_encoder_outputs",
    "cache_text_encoder_outputs_to_disk",
    "caption_dropout_every_n_epochs",
    "caption_dropout_rate",
    "caption_extension",
    "caption_extention",
    "caption_prefix",
    "caption_separator",
    "caption_suffix",
    "caption_tag_dropout_rate",
    "clip_skip",
    "color_aug",
    "conditioning_data_dir",
    "config_file",
    "console_log_file",
    "console_log_level",
    "console_log_simple",
    "cpu_offload_checkpointing",
    "dataset_class",
    "dataset_config",
    "dataset_repeats",
    "ddp_gradient_as_bucket_view",
    "ddp_static_graph",
    "ddp_timeout",
    "debiased_estimation_loss",
    "debug_dataset",
    "deepspeed",
    "dim_from_weights",
    "disable_mmap_load_safetensors",
    "dynamo_backend",
    "enable_bucket",
    "enable_wildcard",
    "face_crop_aug_range",
    "flip_aug",
    "fp16_master_weights_and_gradients",
    "fp8_base",
    "fp8_base_unet",
    "full_bf16",
    "full_fp16",
    "fused_backward_pass",
    "gradient_accumulation_steps",
    "gradient_checkpointing",
    "highvram",
    "huber_c",
    "huber_scale",
    "huber_schedule",
    "huggingface_path_in_repo",
    "huggingface_repo_id",
    "huggingface_repo_type",
    "huggingface_repo_visibility",
    "huggingface_token",
    "in_json",
    "initial_epoch",
    "initial_step",
    "ip_noise_gamma",
    "ip_noise_gamma_random_strength",
    "keep_tokens",
    "keep_tokens_separator",
    "learning_rate",
    "log_config",
    "log_prefix",
    "log_tracker_config",
    "log_tracker_name",
    "log_with",
    "logging_dir",
    "logit_mean",
    "logit_std",
    "loss_type",
    "lowram",
    "lr_decay_steps",
    "lr_scheduler",
    "lr_scheduler_args",
    "lr_scheduler_min_lr_ratio",
    "lr_scheduler_num_cycles",
    "lr_scheduler_power",
    "lr_scheduler_timescale",
    "lr_scheduler_type",
    "lr_warmup_steps",
    "masked_loss",
    "max_bucket_reso",
    "max_data_loader_n_workers",
    "max_grad_norm",
    "max_timestep",
    "max_token_length",
    "max_train_epochs",
    "max_train_steps",
    "max_validation_steps",
    "mem_eff_attn",
    "metadata_author",
    "metadata_description",
    "metadata_is_negative_embedding",
    "metadata_license",
    "metadata_merged_from",
    "metadata_preprocessor",
    "metadata_tags",
    "metadata_thumbnail",
    "metadata_title",
    "metadata_trigger_phrase",
    "metadata_usage_hint",
    "min_bucket_reso",
    "min_snr_gamma",
    "min_timestep",
    "mixed_precision",
    "mode_scale",
    "multires_noise_discount",
    "multires_noise_iterations",
    "network_alpha",
    "network_args",
    "network_dim",
    "network_dropout",
    "network_module",
    "network_train_text_encoder_only",
    "network_train_unet_only",
    "network_weights",
    "no_half_vae",
    "no_metadata",
    "noise_offset",
    "noise_offset_random_strength",
    "offload_optimizer_device",
    "offload_optimizer_nvme_path",
    "offload_param_device",
    "offload_param_nvme_path",
    "optimizer_args",
    "optimizer_type",
    "output_config",
    "output_dir",
    "output_name",
    "persistent_data_loader_workers",
    "pretrained_model_name_or_path",
    "prior_loss_weight",
    "random_crop",
    "reg_data_dir",
    "resize_interpolation",
    "resolution",
    "resume",
    "resume_from_huggingface",
    "sample_at_first",
    "sample_every_n_epochs",
    "sample_every_n_steps",
    "sample_prompts",
    "sample_sampler",
    "save_every_n_epochs",
    "save_every_n_steps",
    "save_last_n_epochs",
    "save_last_n_epochs_state",
    "save_last_n_steps",
    "save_last_n_steps_state",
    "save_model_as",
    "save_n_epoch_ratio",
    "save_precision",
    "save_state",
    "save_state_on_train_end",
    "save_state_to_huggingface",
    "scale_v_pred_loss_like_noise_pred",
    "scale_weight_norms",
    "sdpa",
    "secondary_separator",
    "seed",
    "shuffle_caption",
    "skip_cache_check",
    "skip_until_initial_step",
    "text_encoder_batch_size",
    "text_encoder_lr",
    "token_warmup_min",
    "token_warmup_step",
    "tokenizer_cache_dir",
    "torch_compile",
    "train_batch_size",
    "train_data_dir",
    "training_comment",
    "unet_lr",
    "use_8bit_adam",
    "use_lion_optimizer",
    "use_safetensors",
    "v2",
    "v_parameterization",
    "v_pred_like_loss",
    "vae",
    "vae_batch_size",
    "validate_every_n_epochs",
    "validate_every_n_steps",
    "validation_seed",
    "validation_split",
    "wandb_api_key",
    "wandb_run_name",
    "weighted_captions",
    "weighting_scheme",
    "xformers",
    "zero3_init_flag",
    "zero3_save_16bit_model",
    "zero_stage",
    "zero_terminal_snr",
]
# Arguments whose only other value means what is here always.
ALWAYS = {"use_safetensors", "save_model_as", "network_module", "use_8bit_adam"}
VALUES = {
    "optimizer_type": "adamw", "lr_scheduler": "cosine", "mixed_precision": "bf16", "save_precision": "float",
    "max_token_length": 150, "resolution": "512,512", "caption_extension": ".txt", "caption_extention": ".txt",
    "sample_prompts": ["a cat"], "network_args": ["conv_dim=4"], "optimizer_args": ["weight_decay=0.1"],
    "lr_scheduler_args": ["a=1"], "network_module": "networks.lora", "save_model_as": "safetensors", "loss_type": "huber",
    "huber_schedule": "constant", "resize_interpolation": "area", "text_encoder_lr": 5e-5,
    "text_encoder_lr2": 5e-5, "base_weights": ["a.safetensors"], "base_weights_multiplier": [1.0],
    "network_weights": "a.safetensors", "vae": "a.safetensors", "caption_separator": ";", "keep_tokens_separator": "|||",
}  # fmt: skip


def example(name: str):
    """A value for a setting of sd-scripts that differs from its default."""
    if name in VALUES:
        return VALUES[name]
    ours = OURS.get(kohya_import.MEANT.get(name, name))
    kind = ours.kind if ours else "bool"
    return {"int": 7, "float": 0.25, "bool": True, "str": "word"}.get(kind, True)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_sd_scripts_is_taken_or_named_with_the_reason(name):
    found = translate({name: example(name)}, defaults=False)
    own = {
        key: value for key, value in found.values.items() if key not in ("learning_rate", "text_encoder_lr")
    }
    rates = name in ("learning_rate", "unet_lr", "text_encoder_lr") or name.endswith("_only")
    if name == "network_args":
        assert 4 in found.values.values() or "conv_dim" in found.passed
    elif name not in ALWAYS:
        assert bool(own or rates) is not bool(found.passed), found
    for why in found.passed.values():
        assert len(why) > 10 and "not known" not in why, found.passed


def test_what_is_absent_here_is_a_setting_there():
    assert len(NAMES) > 150 and not [name for name in NAMES if name in kohya.ABSENT and name in OURS]


def test_a_file_means_here_what_it_means_there():
    """As hollowstrawberry's notebook writes it."""
    given = {
        "unet_lr": 5e-4, "text_encoder_lr": 1e-4, "network_dim": 16, "network_alpha": 8, "network_module": "networks.lora",
        "network_train_unet_only": False, "learning_rate": 5e-4, "lr_scheduler": "cosine_with_restarts",
        "lr_scheduler_num_cycles": 3, "lr_warmup_steps": 120, "optimizer_type": "AdamW8bit", "max_train_epochs": 10,
        "train_batch_size": 2, "seed": 42, "max_token_length": 225, "min_snr_gamma": 5.0, "clip_skip": 2,
        "mixed_precision": "fp16", "save_precision": "fp16", "xformers": True, "prior_loss_weight": 1.0,
        "output_name": "my_cat", "resolution": "512,512", "shuffle_caption": True, "keep_tokens": 1,
        "enable_bucket": True, "caption_extension": ".txt",
    }  # fmt: skip
    found = translate(given)
    made = settings.values_of(settings.from_dict(TrainConfig, found.values))
    same = {
        "learning_rate": 5e-4, "text_encoder_lr": 1e-4, "rank": 16, "alpha": 8.0, "lr_warmup_steps": 120.0, "optimizer": "AdamW8bit",
        "max_train_epochs": 10, "max_train_steps": None, "clip_skip": 2, "resolution": 512, "output_name": "my_cat", "seed": 42,
    }  # fmt: skip
    assert {name: made[name] for name in same} == same
    assert set(found.passed) <= {"xformers", "prior_loss_weight"} and "xformers" in found.passed


def test_what_is_not_said_is_as_in_sd_scripts():
    made = settings.values_of(settings.from_dict(TrainConfig, translate({"train_data_dir": "x"}).values))
    assert {name: made[name] for name in DEFAULTS} == DEFAULTS
    assert made["max_train_steps"] == 1600 and made["shuffle_caption"] is False
    assert "max_train_steps" not in translate({"max_train_epochs": 3}).values


RATES = [
    ({"learning_rate": 1e-4}, (1e-4, 1e-4)),
    ({"learning_rate": 1e-4, "unet_lr": 2e-4}, (2e-4, 1e-4)),
    ({"learning_rate": 1e-4, "text_encoder_lr": [5e-5]}, (1e-4, 5e-5)),
    ({"learning_rate": 1e-4, "network_train_unet_only": True}, (1e-4, 0.0)),
    ({"unet_lr": 1e-4, "network_train_text_encoder_only": True, "text_encoder_lr": 3e-5}, (0.0, 3e-5)),
    ({"unet_lr": 1e-4}, (1e-4, 2e-6)),
]


@pytest.mark.parametrize(("given", "rates"), RATES)
def test_the_learning_rates(given, rates):
    values = translate(given).values
    assert (values["learning_rate"], values["text_encoder_lr"]) == rates


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"resolution": "768"}, "resolution", 768),
        ({"resolution": [640, 640]}, "resolution", 640),
        ({"lr_warmup_steps": "10%"}, "lr_warmup_steps", 0.1),
        ({"lr_warmup_steps": 0.2}, "lr_warmup_steps", 0.2),
        ({"network_dim": 32, "network_alpha": 0}, "alpha", 32.0),
        ({"v_parameterization": True}, "prediction_type", "v_prediction"),
        ({"zero_terminal_snr": True}, "zero_terminal_snr", "yes"),
        ({"save_precision": "float"}, "save_precision", "fp32"),
        ({"use_8bit_adam": True}, "optimizer", "AdamW8bit"),
        ({"optimizer_type": "torch.optim.AdamW"}, "optimizer", "AdamW"),
        ({"optimizer_type": "ADAMW8BIT"}, "optimizer", "AdamW8bit"),
        ({"optimizer_args": ["weight_decay=0.1"]}, "weight_decay", 0.1),
        ({"min_snr_gamma": 0}, "min_snr_gamma", None),
        ({"--rank": 3}, "rank", 3),
        ({"max_train_steps": 2000.0}, "max_train_steps", 2000),
    ],
)
def test_a_value_is_read_as_it_is_meant(given, name, value):
    found = translate(given)
    assert found.values[name] == value and found.notes == [] and found.passed == {}


@pytest.mark.parametrize(
    ("given", "key", "says"),
    [
        ({"network_dim": "many"}, "network_dim", "must be a whole number from 1 to 256"),
        ({"train_batch_size": 2.5}, "train_batch_size", "a whole number"),
        ({"shuffle_caption": "sometimes"}, "shuffle_caption", "true or false"),
        ({"lr_scheduler": "up_and_down"}, "lr_scheduler", "must be one of constant"),
        ({"optimizer_type": "Wishful"}, "optimizer_type", "must be one of AdamW"),
        ({"network_module": "networks.oft"}, "network_module", "networks.oft is not a network"),
        ({"save_model_as": "ckpt"}, "save_model_as", "always .safetensors"),
        ({"lr_warmup_steps": True}, "lr_warmup_steps", "a number"),
        ({"learning_rat": 1e-4}, "learning_rat", 'did you mean "learning_rate"?'),
        ({"sparkle": 1}, "sparkle", "it is not known"),
        ({"max_train_epochs": 3, "max_train_steps": 9}, "max_train_steps", "goes first"),
    ],
)
def test_what_does_not_fit_is_named_and_the_rest_is_taken(given, key, says):
    found = translate({**given, "seed": 7})
    assert says in found.passed[key] and found.values["seed"] == 7


def test_a_number_in_text_is_taken_and_said():
    found = translate({"learning_rate": "1e-4", "seed": "5"})
    assert (found.values["learning_rate"], found.values["seed"]) == (1e-4, 5)
    assert any('learning_rate = "1e-4" is text' in note for note in found.notes)


def test_a_token_is_neither_taken_nor_repeated():
    found = translate({"huggingface_token": "hf_AbCdEfGh1234567890", "wandb_api_key": "AbCdEfGh1234567890"})
    assert set(found.passed) == {"huggingface_token", "wandb_api_key"}
    assert "AbCdEfGh" not in str((found.values, found.passed, found.notes))


def test_figures_go_to_wandb_where_they_do_in_sd_scripts():
    names = {"log_tracker_name": "cats", "wandb_run_name": "first"}
    found = translate({"log_with": "all", "log_config": True, "logging_dir": "logs", **names})
    taken = {name: found.values[name] for name in ("log_with", "log_config", *names)}
    assert taken == {"log_with": "wandb", "log_config": True, **names}
    assert set(found.passed) == {"logging_dir"}
    settings.from_dict(TrainConfig, found.values)
    for other in ({}, {"log_with": "tensorboard"}):
        found = translate({**names, **other})
        assert set(found.passed) == set(names)
        settings.from_dict(TrainConfig, found.values)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"network_args": ["algo=loha"]}, "loha"),
        ({"algo": "lokr"}, "lokr"),
        ({"algo": "locon", "dora_wd": True}, "dora"),
    ],
)
def test_the_kind_of_network_is_taken_or_named(given, kind):
    found = translate({"network_module": "lycoris.kohya", **given})
    assert kind in found.values.values() or kind in found.passed["algo"]
    plain = translate({"network_module": "networks.lora", "network_args": ["conv_dim=4"]})
    assert "algo" not in plain.passed and "network_module" not in plain.passed


@pytest.mark.parametrize(
    ("given", "schedule"),
    [
        ({}, "adafactor"),
        ({"lr_scheduler": "cosine"}, "adafactor"),
        ({"lr_scheduler": "cosine", "optimizer_args": ["relative_step=False"]}, "cosine"),
        ({"optimizer_args": ["relative_step=True"]}, "adafactor"),
    ],
)
def test_adafactor_finds_its_own_rate_as_in_sd_scripts(given, schedule):
    reading = translate({"optimizer_type": "AdaFactor", "learning_rate": 1e-4, **given})
    assert (reading.values["optimizer"], reading.values["lr_scheduler"]) == ("Adafactor", schedule)
    assert bool(reading.notes) == (given.get("lr_scheduler") == "cosine" and len(given) == 1)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"network_module": "networks.lora"}, (None, None)),
        ({"network_module": "networks.lora", "network_args": ["conv_dim=8"]}, (8, 1.0)),
        ({"network_module": "networks.lora", "network_args": ["conv_dim=8", "conv_alpha=2"]}, (8, 2)),
        ({"network_module": "lycoris.kohya", "network_args": ["algo=loha"], "network_alpha": 4}, (16, 4)),
        ({"network_module": "lycoris.kohya", "network_args": ["conv_dim=6"]}, (6, 1.0)),
    ],
)
def test_convolutions_learn_as_the_network_would_have_it(given, found):
    values = translate({"network_dim": 16, **given}).values
    assert (values.get("conv_rank"), values.get("conv_alpha")) == found
