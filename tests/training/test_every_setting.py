"""Every setting of a training: another value changes what it should, or is refused. One without an entry fails here.

A tiny run is trained with the value and without, and what is traced of both is compared.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from conftest import build_tiny_base
from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.lora.lora_file import read_lora
from lora_nb.training.train import train

LONG = ", ".join(["a red house", "the blue square", "green circle of a dog"] * 12)


@dataclass(frozen=True)
class Change:
    """Another `value` and which traced part of the run it changes, where the settings `given` hold for both runs.

    `refused` is what is said where the value cannot be honoured. A callable value is given the folder to make it in.
    """

    value: Any
    part: str = "weights"
    given: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""

    def key(self) -> str:
        return json.dumps(self.given, sort_keys=True)


BASES: dict[str, str] = {}  # where the tiny bases lie, by the names that `given` may hold


def other_base(place: Path) -> str:
    build_tiny_base(place / "other_base", seed=1)
    return str(place / "other_base")


def other_vae(place: Path) -> str:
    return other_base(place) + "/vae"


def other_pictures(place: Path) -> str:
    draw(place / "Loras" / "cat" / "others", shift=40)
    return str(place / "Loras" / "cat" / "others")


def named_faces(place: Path) -> str:
    folder = place / "Loras" / "cat" / "faces"
    draw(folder)
    for path in sorted(folder.rglob("?.*")):
        path.rename(path.with_name(f"{path.stem}_20_24_22_30{path.suffix}"))
    return str(folder)


def class_pictures(place: Path) -> str:
    draw(place / "class", shift=20)
    return str(place / "class")


def kohya_dataset(place: Path) -> str:
    (place / "dataset.toml").write_text(
        f'[[datasets]]\n[[datasets.subsets]]\nimage_dir = "{other_pictures(place)}"\ncaption_extension = ".txt"\n'
    )
    return str(place / "dataset.toml")


def ten_pictures(place: Path) -> str:
    """No two of them alike."""
    folder = place / "Loras" / "cat" / "ten"
    folder.mkdir(parents=True)
    for number in range(10):
        squares = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(squares.repeat(16, 0).repeat(16, 1)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("ohwx, photo of a cat")
    return str(folder)


def lora_file(place: Path) -> str:
    trace(place / "first", {})
    return str(next((place / "first").rglob("cat-02.safetensors")))


def lora_files(place: Path) -> list[str]:
    return [lora_file(place)]


def draw(folder: Path, shift: int = 0) -> None:
    """Square, wide, tall and small pictures, half of one see-through, one with a mask, one in a folder of its own."""
    (folder / "1_more").mkdir(parents=True, exist_ok=True)
    for number, size in enumerate(((96, 96), (160, 96), (96, 150), (56, 56))):
        place = (folder / "1_more" if number == 3 else folder) / f"{number}.png"
        ramp = np.linspace(0, 200, size[0] * size[1] * 3).reshape(size[1], size[0], 3) + shift
        picture = Image.fromarray(ramp.astype(np.uint8))
        ImageDraw.Draw(picture).ellipse((5, 9, 30 + 4 * number, 40), fill=(200, 30 * number, shift))
        half = Image.new("L", size)
        half.paste(255, (0, 0, size[0] // 2, size[1]))
        if number == 2:
            picture.putalpha(half)
        if number == 0:
            half.save(folder / "0-masklabel.png")
        picture.save(place)
        words = f"ohwx, cat ||| red;;;circle, {{green|house}} dog {number}, (blue:1.5) square, photo"
        place.with_suffix(".txt").write_text(f"{LONG}\na red dog" if number == 1 else words)
        place.with_suffix(".caption").write_text("a dog of another file")


BASE = {
    "num_repeats": 1,
    "max_train_epochs": 2,
    "train_batch_size": 1,
    "rank": 2,
    "alpha": 1.0,
    "trigger_word": "ohwx",
    "learning_rate": 1e-2,
    "text_encoder_lr": 1e-2,
    "save_precision": "fp32",
    "source_date_epoch": 1_700_000_000,
    "sample_every_n_epochs": 0,
    "grid": False,
    "min_bucket_reso": 32,
    "max_bucket_reso": 128,
    "bucket_reso_steps": 8,
}
SAMPLES = {"sample_every_n_epochs": 1, "sample_prompts": ("a cat --s 2 --w 64 --h 64",)}
PRESERVED = {"diff_output_preservation": 1.0}
WARMED = {"token_warmup_step": 6.0}
READ_ONCE = {"text_encoder_lr": 0.0, "cache_text_encoder_outputs": True}
OFFSET = {"noise_offset": 0.5}
HUBER = {"loss_type": "huber", "huber_schedule": "constant"}
MASKED = {"masked_loss": True}
FALLING = {"lr_scheduler": "warmup_stable_decay"}
PIECES = {"lr_scheduler": "piecewise_constant", "lr_scheduler_args": ("step_rules=1:5,0.1",)}
SIGMOID = {"timestep_distribution": "sigmoid", "noising_weight": 3.0}
LOHA = {"network_type": "loha", "conv_rank": 2}
LOKR = {"network_type": "lokr"}
CHECKED = {"validate_every_n_epochs": 1, "validation_base_pictures": 0}
BLOCKS = (1, 2, 3) * 8 + (2,)

CHANGES: dict[str, Change] = {
    "pretrained_model_name_or_path": Change(other_base),
    "prediction_type": Change("v_prediction", "losses"),
    "zero_terminal_snr": Change("yes", "losses", {"prediction_type": "v_prediction"}),
    "train_data_dir": Change(other_pictures, "losses"),
    "output_dir": Change(lambda place: str(place / "elsewhere"), "folder"),
    "output_name": Change("dog", "files"),
    "trigger_word": Change("dog", "metadata"),
    "resolution": Change(48, "losses"),
    "num_repeats": Change(2, "steps"),
    "flip_aug": Change(True),
    "enable_bucket": Change(False),
    "min_bucket_reso": Change(64),
    "max_bucket_reso": Change(72),
    "bucket_reso_steps": Change(32),
    "bucket_no_upscale": Change(True),
    "shuffle_caption": Change(False),
    "keep_tokens": Change(4),
    "caption_dropout_rate": Change(0.6),
    "caption_extension": Change(".caption"),
    "max_token_length": Change(75),
    "clip_skip": Change(2),
    "max_train_epochs": Change(3, "steps"),
    "max_train_steps": Change(3, "steps"),
    "train_batch_size": Change(2, "steps", {"num_repeats": 2}),
    "gradient_accumulation_steps": Change(2, "steps"),
    "save_every_n_epochs": Change(2, "files"),
    "save_last_n_epochs": Change(1, "files"),
    "learning_rate": Change(2e-3),
    "text_encoder_lr": Change(2e-3),
    "lr_scheduler": Change("constant"),
    "lr_scheduler_num_cycles": Change(1),
    "lr_scheduler_power": Change(3.0, given={"lr_scheduler": "polynomial"}),
    "lr_warmup_steps": Change(0.6),
    "optimizer": Change("AdamW8bit"),
    "weight_decay": Change(0.5),
    "max_grad_norm": Change(0.001),
    "min_snr_gamma": Change(None),
    "noise_offset": Change(0.5),
    "diff_output_preservation": Change(1.0, "losses"),
    "diff_output_preservation_class": Change("person", given=PRESERVED),
    "diff_output_preservation_share": Change(0.3, given=PRESERVED),
    "seed": Change(7),
    "rank": Change(3, "shapes"),
    "alpha": Change(2.0),
    "dropout": Change(0.5),
    "mixed_precision": Change("bf16", given={"mixed_precision": "no"}),
    "save_precision": Change("fp16", "shapes"),
    "gradient_checkpointing": Change(True, "metadata"),
    "max_data_loader_n_workers": Change(1, "workers"),
    "sample_prompts": Change(("a dog --s 2 --w 64 --h 64",), "pictures", SAMPLES),
    "guidance": Change(1.5, "pictures", SAMPLES),
    "sample_sampler": Change("euler_a", "pictures", SAMPLES),
    "sample_every_n_epochs": Change(1, "pictures", {**SAMPLES, "sample_every_n_epochs": 0}),
    "grid": Change(True, "files of the run"),
    "metadata_title": Change("A title", "metadata"),
    "metadata_author": Change("Somebody", "metadata"),
    "metadata_description": Change("What it is", "metadata"),
    "metadata_license": Change("CC0-1.0", "metadata"),
    "metadata_tags": Change("cat, dog", "metadata"),
    "training_comment": Change("a remark", "metadata"),
    "no_metadata": Change(True, "metadata"),
    "save_state_every_n_steps": Change(1, "states"),
    "source_date_epoch": Change(1_600_000_000, "metadata"),
    "vae": Change(other_vae),
    "resize_interpolation": Change("nearest"),
    "random_crop": Change(True),
    "face_crop_aug_range": Change((1.0, 3.0), given={"train_data_dir": named_faces}),
    "color_aug": Change(True),
    "augmented_views": Change(2, given={"random_crop": True}),
    "alpha_mask": Change(True),
    "balance": Change(True, "steps"),
    "subsets": Change(('folder = "1_more", num_repeats = 3',), "steps"),
    "reg_data_dir": Change(class_pictures, "steps"),
    "dataset_config": Change(kohya_dataset, "losses"),
    "cache_latents_to_disk": Change(True, "kept"),
    "cache_text_encoder_outputs": Change(True, given={"text_encoder_lr": 0.0}),
    "caption_variants": Change(1, given=READ_ONCE),
    "caption_dropout_every_n_epochs": Change(2),
    "caption_tag_dropout_rate": Change(0.5),
    "keep_tokens_separator": Change("|||"),
    "caption_separator": Change("|||"),
    "secondary_separator": Change(";;;"),
    "enable_wildcard": Change(True),
    "caption_prefix": Change("photo of"),
    "caption_suffix": Change("red house"),
    "token_warmup_step": Change(6.0),
    "token_warmup_min": Change(3, given=WARMED),
    "weighted_captions": Change(True),
    "save_n_epoch_ratio": Change(2, "files", {"max_train_epochs": 4}),
    "save_every_n_steps": Change(1, "files"),
    "save_every_n_minutes": Change(0.0001, "files"),
    "save_last_n_steps": Change(2, "files", {"save_every_n_steps": 1}),
    "text_encoder_lr2": Change(1e-3, given={"pretrained_model_name_or_path": "SDXL"}),
    "stop_text_encoder_training": Change(0.5),
    "lr_decay_steps": Change(0.7, given=FALLING),
    "lr_scheduler_min_lr_ratio": Change(0.5, given={"lr_scheduler": "rex"}),
    "lr_scheduler_timescale": Change(2, given={"lr_scheduler": "inverse_sqrt"}),
    "lr_scheduler_args": Change(("step_rules=1:2,0.1",), given=PIECES),
    "optimizer_args": Change(("betas=0.5,0.6",)),
    "ema_decay": Change(0.9),
    "noise_offset_random_strength": Change(True, given=OFFSET),
    "adaptive_noise_scale": Change(0.5, given=OFFSET),
    "multires_noise_iterations": Change(4),
    "multires_noise_discount": Change(0.8, given={"multires_noise_iterations": 4}),
    "ip_noise_gamma": Change(0.5),
    "ip_noise_gamma_random_strength": Change(True, given={"ip_noise_gamma": 0.5}),
    "min_timestep": Change(500),
    "max_timestep": Change(500),
    "timestep_distribution": Change("cos_map"),
    "noising_weight": Change(6.0, given=SIGMOID),
    "noising_bias": Change(0.4, given=SIGMOID),
    "timestep_shift": Change(3.0),
    "debiased_estimation_loss": Change(True, given={"min_snr_gamma": None}),
    "scale_v_pred_loss_like_noise_pred": Change(True, given={"prediction_type": "v_prediction"}),
    "v_pred_like_loss": Change(0.5),
    "loss_type": Change("l1"),
    "huber_schedule": Change("exponential", given=HUBER),
    "huber_c": Change(0.5, given=HUBER),
    "huber_scale": Change(2.0, given=HUBER),
    "masked_loss": Change(True),
    "unmasked_weight": Change(0.5, given=MASKED),
    "normalize_masked_area_loss": Change(True, given=MASKED),
    "prior_loss_weight": Change(0.3, given={"reg_data_dir": class_pictures}),
    "blank_prompt_preservation": Change(1.0, "losses"),
    "network_type": Change("dora", "shapes"),
    "conv_rank": Change(2, "shapes"),
    "conv_alpha": Change(0.3, given={"conv_rank": 2}),
    "use_tucker": Change(True, "shapes", LOHA),
    "lokr_factor": Change(2, "shapes", LOKR),
    "decompose_both": Change(True, "shapes", LOKR),
    "rank_dropout": Change(0.5),
    "module_dropout": Change(0.5),
    "scale_weight_norms": Change(0.01),
    "network_weights": Change(lora_file),
    "base_weights": Change(lora_files),
    "base_weights_multiplier": Change((0.3,), given={"base_weights": lora_files}),
    "only_layers": Change("attn2", "shapes"),
    "skip_layers": Change("attn1", "shapes"),
    "block_dims": Change(BLOCKS, "shapes"),
    "block_alphas": Change(tuple(0.5 * rank for rank in BLOCKS)),
    "conv_block_dims": Change(BLOCKS, "shapes"),
    "conv_block_alphas": Change(tuple(0.5 * rank for rank in BLOCKS), given={"conv_block_dims": BLOCKS}),
    "down_lr_weight": Change("0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,0.8,0.7,0.6"),
    "mid_lr_weight": Change("0.1"),
    "up_lr_weight": Change("0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,0.8,0.7,0.6"),
    "block_lr_zero_threshold": Change(0.3, "shapes", {"down_lr_weight": "1,0.2" + ",0.2" * 10}),
    "loraplus_lr_ratio": Change(4.0),
    "loraplus_unet_lr_ratio": Change(4.0),
    "loraplus_text_encoder_lr_ratio": Change(4.0),
    "sample_every_n_steps": Change(3, "pictures", {**SAMPLES, "sample_every_n_epochs": 0}),
    "sample_every_n_minutes": Change(0.0001, "pictures", {**SAMPLES, "sample_every_n_epochs": 0}),
    "sample_at_first": Change(True, "pictures", {**SAMPLES, "sample_every_n_epochs": 0}),
    "save_state_every_n_minutes": Change(0.0001, "states"),
    "initial_step": Change(3, "steps"),
    "validation_split": Change(0.5, "losses", {**CHECKED, "train_data_dir": ten_pictures}),
    "validation_seed": Change(7, "checked", CHECKED),
    "validate_every_n_epochs": Change(1, "checked"),
    "validate_every_n_steps": Change(2, "checked", CHECKED),
    "max_validation_steps": Change(2, "checked", CHECKED),
    "validation_base_pictures": Change(1, "checked", CHECKED),
}
# What no trace of one run shows, and the test that does.
ELSEWHERE = {
    "allow_demo_base": "tests/training/test_plan.py",
    "on_existing": "tests/training/test_train.py",
    "purpose": "tests/training/test_advice.py",
    "on_out_of_memory": "tests/training/test_memory_end.py",
    "vae_batch_size": "tests/training/test_latents.py",
    "log_with": "tests/training/test_wandb_board.py",
    "log_tracker_name": "tests/training/test_wandb_board.py",
    "wandb_run_name": "tests/training/test_wandb_board.py",
    "log_config": "tests/training/test_wandb_board.py",
}
NAMES = [each.name for each in settings_of(TrainConfig)]


def test_every_setting_has_its_entry_and_none_is_left_over():
    assert sorted([*CHANGES, *ELSEWHERE]) == sorted(NAMES)
    for name, place in ELSEWHERE.items():
        assert name in (Path(__file__).parents[2] / place).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(tiny_base, tiny_sdxl, tmp_path_factory) -> Callable[..., dict[str, Any]]:
    """`run(**settings)`: what is traced of a run with them; a run is trained once."""
    BASES.update({"SD": str(tiny_base), "SDXL": str(tiny_sdxl)})

    @cache
    def once(said: str) -> dict[str, Any]:
        place = tmp_path_factory.mktemp("run")
        return trace(place, json.loads(said))

    def traced(**values: Any) -> dict[str, Any]:
        if any(callable(value) for value in values.values()):
            place = tmp_path_factory.mktemp("made")
            made = {name: value(place) if callable(value) else value for name, value in values.items()}
            return trace(place, made)
        return once(json.dumps(values, sort_keys=True))

    return traced


def trace(place: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a run left, by parts that a setting may change."""
    dataset = place / "Loras" / "cat" / "dataset"
    draw(dataset)
    given = {"pretrained_model_name_or_path": "SD", "train_data_dir": str(dataset), **BASE, **values}
    given["pretrained_model_name_or_path"] = BASES.get(*[given["pretrained_model_name_or_path"]] * 2)
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    workers: set[int] = set()
    seen: list[Any] = []
    states: list[bytes] = []

    def tell(event: Any) -> None:
        seen.append(event)

    def poll() -> frozenset[str]:
        states.extend(
            hashlib.sha256(path.read_bytes()).digest() for path in place.rglob("*.state") if path.is_file()
        )
        return frozenset()

    scratch = place / "scratch"
    with counted_workers(workers), pytest.MonkeyPatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(scratch))
        scratch.mkdir()
        end = train(settings.make(TrainConfig, **given), tell, poll)
    files = [Path(name) for name in end.files]
    tensors = load_file(files[-1])
    metrics = next(place.rglob("metrics.jsonl"))
    events = [json.loads(line) for line in metrics.read_text().splitlines()]
    losses = [one["loss"] for one in events if one["event"] in ("StepLog", "EpochLog")]
    about = dict(read_lora(files[-1]).metadata)
    return {
        "weights": {name: values.float().numpy().tobytes() for name, values in tensors.items()},
        "shapes": {name: (tuple(values.shape), str(values.dtype)) for name, values in tensors.items()},
        "losses": losses,
        "steps": len(losses),
        "checked": [one["losses"] for one in events if one["event"] == "Validated"],
        "metadata": {
            name: text for name, text in about.items() if name not in ("ss_session_id", "lora_nb_settings")
        },
        "files": sorted(path.name for path in files),
        "folder": files[0].parent.relative_to(place).as_posix(),
        "files of the run": sorted(path.name for path in (place / "Loras").rglob("runs/*/*")),
        "pictures": [
            hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(place.rglob("*.png"))
            if path.parent != dataset
        ],
        "workers": len(workers) > 0,
        "states": len(set(states)),
        "kept": any(scratch.rglob("*.safetensors")),
    }


class counted_workers:
    """Within it, the processes that load batches are noted."""

    def __init__(self, found: set[int]) -> None:
        self.found = found

    def __enter__(self) -> None:
        self.start, found = torch.multiprocessing.Process.start, self.found

        def start(process: Any) -> None:
            self.start(process)
            found.add(process.pid)

        torch.multiprocessing.Process.start = start

    def __exit__(self, *error: object) -> None:
        torch.multiprocessing.Process.start = self.start


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_another_value_changes_what_it_should(run, name):
    change = CHANGES[name]
    if change.refused:
        with pytest.raises(ValueError, match=change.refused):
            run(**change.given, **{name: change.value})
        return
    before = run(**change.given)
    after = run(**{**change.given, name: change.value})
    assert before[change.part] != after[change.part], f"{name} = {change.value} changes no {change.part}"
