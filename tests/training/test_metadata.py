"""The metadata that A1111, Forge, Civitai and the inspectors read."""

import json
from dataclasses import replace

import pytest

from lora_nb import settings
from lora_nb.bases.base import Facts
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.training import metadata
from lora_nb.training.plan import plan_run

# reference/kohya.md 1.2: written always, per save, and with a dataset given on the command line.
ALWAYS = """
ss_session_id ss_training_started_at ss_output_name ss_learning_rate ss_text_encoder_lr ss_unet_lr
ss_num_train_images ss_num_validation_images ss_num_reg_images ss_num_batches_per_epoch
ss_num_epochs ss_gradient_checkpointing ss_gradient_accumulation_steps ss_max_train_steps
ss_lr_warmup_steps ss_lr_scheduler ss_network_module ss_network_dim ss_network_alpha
ss_network_dropout ss_mixed_precision ss_full_fp16 ss_v2 ss_base_model_version ss_clip_skip
ss_max_token_length ss_cache_latents ss_seed ss_lowram ss_noise_offset ss_multires_noise_iterations
ss_multires_noise_discount ss_adaptive_noise_scale ss_zero_terminal_snr ss_training_comment
ss_sd_scripts_commit_hash ss_optimizer ss_max_grad_norm ss_caption_dropout_rate
ss_caption_dropout_every_n_epochs ss_caption_tag_dropout_rate ss_face_crop_aug_range
ss_prior_loss_weight ss_min_snr_gamma ss_scale_weight_norms ss_ip_noise_gamma ss_debiased_estimation
ss_noise_offset_random_strength ss_ip_noise_gamma_random_strength ss_loss_type ss_huber_schedule
ss_huber_scale ss_huber_c ss_fp8_base ss_fp8_base_unet ss_validation_seed ss_validation_split
ss_max_validation_steps ss_validate_every_n_epochs ss_validate_every_n_steps ss_resize_interpolation
ss_training_finished_at ss_steps ss_epoch ss_sd_model_name ss_sd_model_hash ss_new_sd_model_hash
ss_batch_size_per_device ss_total_batch_size ss_resolution ss_color_aug ss_flip_aug ss_random_crop
ss_shuffle_caption ss_enable_bucket ss_bucket_no_upscale ss_min_bucket_reso ss_max_bucket_reso
ss_keep_tokens ss_dataset_dirs ss_reg_dataset_dirs ss_tag_frequency ss_bucket_info
""".split()  # noqa: SIM905


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    make_pictures(tmp_path / "dataset" / "3_sks thing", 4)
    make_pictures(tmp_path / "dataset", 2)
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(tmp_path / "dataset"),
        output_name="cat",
        num_repeats=2,
        trigger_word="ohwx",
        rank=8,
        alpha=4.0,
        clip_skip=2,
        sample_prompts=("ohwx at my_secret_address",),
    )


EPSILON = Facts("sd_v1", "stable-diffusion-v1/lora", "epsilon", "SD1")
FACTS = metadata.RunFacts(
    1700000000.25, "123", "fp16", 1, "models/anime.safetensors", "deadbeef", "ab" * 32, EPSILON
)


def said(config, facts=FACTS):
    return metadata.of_run(plan_run(config), facts) | metadata.of_save(config.about, 3, 77, 1700000100.5)


@pytest.fixture
def about(config):
    return said(config)


def test_every_key_kohya_writes_is_there_as_text(about):
    assert [key for key in ALWAYS if key not in about] == []
    assert all(isinstance(value, str) for value in about.values())


def test_values_have_kohyas_forms(about):
    wanted = {
        "ss_network_dim": "8",
        "ss_network_alpha": "4.0",
        "ss_base_model_version": "sd_v1",
        "ss_v2": "False",
        "ss_clip_skip": "2",
        "ss_resolution": "(64, 64)",
        "ss_epoch": "3",
        "ss_steps": "77",
        "ss_num_train_images": "16",
        "ss_sd_model_name": "anime.safetensors",
        "ss_sd_model_hash": "deadbeef",
        "ss_noise_offset": "None",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.trigger_phrase": "ohwx",
        "modelspec.date": "2023-11-14T22:15:00",
        "modelspec.prediction_type": "epsilon",
    }
    assert {key: about[key] for key in wanted} == wanted
    assert float(about["ss_training_started_at"]) == 1700000000.25  # A1111 calls float() on it


def test_a1111_can_show_it(about):
    """The shapes A1111's metadata page walks through; another shape raises there."""
    frequency, dirs, buckets = (
        json.loads(about[key]) for key in ("ss_tag_frequency", "ss_dataset_dirs", "ss_bucket_info")
    )
    assert dirs == {
        "3_sks thing": {"n_repeats": 3, "img_count": 4},
        "dataset": {"n_repeats": 2, "img_count": 2},
    }
    assert frequency["3_sks thing"]["ohwx"] == 4 and list(frequency["3_sks thing"])[:2] == ["ohwx", "photo"]
    assert [bucket["count"] for bucket in buckets["buckets"].values()] == [16]
    assert buckets["buckets"]["0"]["resolution"] == [64, 64] and buckets["mean_img_ar_error"] > 0


def test_the_whole_runs_settings_are_in_it_and_no_paths(about, tmp_path):
    settings = json.loads(about["lora_nb_settings"])
    assert settings["rank"] == 8 and settings["min_snr_gamma"] == 5.0
    assert str(tmp_path / "dataset") not in json.dumps(about)


def test_a_token_does_not_get_into_a_file(tiny_base, make_pictures, tmp_path):
    make_pictures(tmp_path / "dataset", 1)
    plan = plan_run(
        make(
            TrainConfig,
            pretrained_model_name_or_path=str(tiny_base),
            train_data_dir=str(tmp_path / "dataset"),
            trigger_word="hf_AbCdEfGh1234567890",
            sample_prompts=("https://x/y?token=AbCdEfGh1234567890",),
        )
    )
    about = metadata.of_run(plan, metadata.RunFacts(0.0, "1", "no", 1, "a/b", "", "", EPSILON))
    assert "AbCdEfGh1234567890" not in json.dumps(about)


def test_a_base_is_named_as_others_know_it(config, tmp_path):
    """sd-scripts: the file's name alone for a path, an id of the Hub whole; `_v` for v-prediction."""
    facts = replace(
        FACTS,
        base_name="Lykon/dreamshaper-8",
        base=replace(EPSILON, version="sd_v1_v", prediction="v", zero_terminal_snr=True),
    )
    about = said(config, facts)
    assert about["ss_sd_model_name"] == "Lykon/dreamshaper-8"
    assert about["ss_base_model_version"] == "sd_v1_v" and about["modelspec.prediction_type"] == "v"
    assert about["ss_zero_terminal_snr"] == "True"
    (tmp_path / "anime.ckpt").touch()
    for name in (str(tmp_path / "anime.ckpt"), "models/anime.ckpt"):
        assert said(config, replace(FACTS, base_name=name))["ss_sd_model_name"] == "anime.ckpt"


def test_author_and_the_like_are_in_the_file_only_when_given(config, about):
    names = [f"modelspec.{key}" for key in ("author", "description", "license", "tags")]
    assert [name for name in names if name in about] == []
    assert about["modelspec.title"] == "cat" and about["ss_training_comment"] == "None"
    given = settings.replace(
        config, metadata_title="My cat", metadata_author="Ada", metadata_description="A cat\nof mine",
        metadata_license="CC BY 4.0", metadata_tags="cat, pet", training_comment="the third try",
    )  # fmt: skip
    about = said(given)
    assert [about[name] for name in names] == ["Ada", "A cat\nof mine", "CC BY 4.0", "cat, pet"]
    assert (about["modelspec.title"], about["ss_training_comment"]) == ("My cat", "the third try")


def test_no_metadata_leaves_what_sd_scripts_leaves_and_nothing_of_the_pictures(config):
    quiet = said(settings.replace(config, no_metadata=True, metadata_author="Ada"))
    own = {key for key in quiet if not key.startswith("modelspec.")}
    assert own == {
        "ss_v2",
        "ss_base_model_version",
        "ss_network_module",
        "ss_network_dim",
        "ss_network_alpha",
    }
    assert (
        quiet["modelspec.author"] == "Ada" and quiet["modelspec.architecture"] == "stable-diffusion-v1/lora"
    )
    text = json.dumps(quiet).lower()
    for secret in ("ohwx", "sks", "circle", "photo", "my_secret_address", "dataset"):
        assert secret not in text and secret in json.dumps(said(config)).lower()


# What sd-scripts writes of the loss by default, and with everything on.
LOSS_OFF = {
    "ss_noise_offset": "None",
    "ss_noise_offset_random_strength": "False",
    "ss_adaptive_noise_scale": "None",
    "ss_multires_noise_iterations": "None",
    "ss_multires_noise_discount": "0.3",
    "ss_ip_noise_gamma": "None",
    "ss_ip_noise_gamma_random_strength": "False",
    "ss_debiased_estimation": "False",
    "ss_loss_type": "l2",
    "ss_huber_schedule": "None",
    "ss_huber_c": "None",
    "ss_huber_scale": "None",
    "ss_prior_loss_weight": "1.0",
}
LOSS_ON = {
    "noise_offset": (0.1, "0.1"),
    "noise_offset_random_strength": (True, "True"),
    "adaptive_noise_scale": (0.05, "0.05"),
    "multires_noise_iterations": (6, "6"),
    "multires_noise_discount": (0.4, "0.4"),
    "ip_noise_gamma": (0.2, "0.2"),
    "ip_noise_gamma_random_strength": (True, "True"),
    "debiased_estimation_loss": (True, "True"),
    "loss_type": ("huber", "huber"),
    "huber_schedule": ("exponential", "exponential"),
    "huber_c": (0.2, "0.2"),
    "huber_scale": (1.5, "1.5"),
    "prior_loss_weight": (0.5, "0.5"),
}


def test_the_loss_is_told_by_kohyas_names(config, about):
    assert {key: about[key] for key in LOSS_OFF} == LOSS_OFF and "modelspec.timestep_range" not in about
    on = said(settings.replace(config, **{name: value for name, (value, _) in LOSS_ON.items()}))
    for name, (_, text) in LOSS_ON.items():
        assert on["ss_" + name.replace("_estimation_loss", "_estimation")] == text, name


@pytest.mark.parametrize(
    ("limits", "range"),
    [
        ({"min_timestep": 50}, "50,1000"),
        ({"max_timestep": 900}, "0,900"),
        ({"min_timestep": 2, "max_timestep": 3}, "2,3"),
    ],
)
def test_a_part_of_the_timesteps_is_told_as_modelspec_has_it(config, limits, range):
    assert said(settings.replace(config, **limits))["modelspec.timestep_range"] == range
