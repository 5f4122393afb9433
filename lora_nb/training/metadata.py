"""What a LoRA file says of itself: kohya's ss_* keys, modelspec, and the whole run's settings.

A1111, Forge, Civitai and the inspectors read these; all values are strings.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from lora_nb import __version__, settings
from lora_nb.bases import lookup
from lora_nb.bases.base import Base, Facts
from lora_nb.config.training import About, TrainConfig
from lora_nb.dataset.captions import split_tags
from lora_nb.declare import settings_of
from lora_nb.redact import redact
from lora_nb.training.network_facts import PLAIN, network_facts
from lora_nb.training.optimizers import in_words, warmup_steps
from lora_nb.training.plan import RunPlan

# Settings of sd-scripts that this trainer does not have, at the value that says so.
ABSENT = {
    "ss_num_validation_images": 0,
    "ss_num_reg_images": 0,
    "ss_full_fp16": False,
    "ss_v2": False,
    "ss_cache_latents": True,
    "ss_lowram": False,
    "ss_multires_noise_iterations": None,
    "ss_multires_noise_discount": 0.3,
    "ss_adaptive_noise_scale": None,
    "ss_caption_dropout_every_n_epochs": 0,
    "ss_caption_tag_dropout_rate": 0.0,
    "ss_face_crop_aug_range": None,
    "ss_prior_loss_weight": 1.0,
    "ss_ip_noise_gamma": None,
    "ss_debiased_estimation": False,
    "ss_noise_offset_random_strength": False,
    "ss_ip_noise_gamma_random_strength": False,
    "ss_loss_type": "l2",
    "ss_huber_schedule": None,
    "ss_huber_scale": None,
    "ss_huber_c": None,
    "ss_fp8_base": False,
    "ss_fp8_base_unet": False,
    "ss_validation_seed": None,
    "ss_validation_split": 0.0,
    "ss_max_validation_steps": None,
    "ss_validate_every_n_epochs": None,
    "ss_validate_every_n_steps": None,
    "ss_resize_interpolation": None,
    "ss_color_aug": False,
    "ss_random_crop": False,
    "ss_reg_dataset_dirs": {},
}

# What no_metadata leaves besides modelspec, as in sd-scripts: what a file is, nothing of the pictures.
MINIMUM = (
    "ss_v2",
    "ss_base_model_version",
    "ss_network_module",
    "ss_network_dim",
    "ss_network_alpha",
    "ss_network_args",
)


@dataclass(frozen=True)
class RunFacts:
    """What only the running job knows. Times are unix seconds; hashes are of the base's weights ("" if unknown)."""

    started_at: float
    session_id: str
    mixed_precision: str
    processes: int
    base_name: str
    base_short_hash: str
    base_sha256: str
    base: Facts
    network: Mapping[str, Any] = field(default_factory=lambda: dict(PLAIN))


def facts_of(
    plan: RunPlan, base: Base, identity: Any, started_at: float, accelerator: Accelerator
) -> RunFacts:
    """The facts of a run of this `identity` (a dataclass), which makes its session's number."""
    session = json.dumps([asdict(identity), started_at], sort_keys=True)
    number = int.from_bytes(hashlib.sha256(session.encode()).digest()[:4], "little")
    return RunFacts(
        started_at=started_at,
        session_id=str(number),
        mixed_precision=accelerator.mixed_precision,
        processes=accelerator.num_processes,
        base_name=plan.config.base.pretrained_model_name_or_path,
        base_short_hash=base.short_hash,
        base_sha256=base.sha256,
        base=base.facts,
        network=network_facts(base, plan.config),
    )


def of_run(plan: RunPlan, facts: RunFacts) -> dict[str, str]:
    """The metadata every file of a run shares."""
    config = plan.config
    values = {
        **ABSENT,
        **_declared(config),
        **_training(plan, facts),
        **_dataset(plan, facts),
        "ss_sd_model_name": lookup.public_name(facts.base_name) or None,
        "ss_sd_model_hash": facts.base_short_hash or None,
        "ss_new_sd_model_hash": facts.base_sha256 or None,
        **facts.network,
        "lora_nb_settings": _settings(config),
    }
    if config.about.no_metadata:
        values = {key: values[key] for key in MINIMUM if key in values}
    return {key: redact(_text(value)) for key, value in (values | _modelspec(plan, facts)).items()}


def _settings(config: TrainConfig) -> dict:
    """Every setting of the run, without the folders of the machine it ran on."""
    values = {name: value for name, value in settings.to_dict(config).items() if not name.endswith("_dir")}
    return values | {
        "pretrained_model_name_or_path": lookup.public_name(config.base.pretrained_model_name_or_path),
        "network_weights": Path(config.network.network_weights).name,
        "base_weights": [Path(path).name for path in config.base.base_weights],
    }


def of_save(about: About, epoch: int, step: int, finished_at: float) -> dict[str, str]:
    """The metadata of one saved file. `epoch` counts from 1."""
    date = datetime.fromtimestamp(int(finished_at), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    saved = {"ss_epoch": str(epoch), "ss_steps": str(step), "ss_training_finished_at": str(finished_at)}
    return ({} if about.no_metadata else saved) | {"modelspec.date": date}


def _text(value) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _declared(config: TrainConfig) -> dict:
    """The settings that are to be in a file, by the names sd-scripts gives them."""
    values = settings.values_of(config)
    return {
        f"ss_{each.said.kohya or each.name}": (values[each.name] or None)
        if each.said.in_file == "on"
        else values[each.name]
        for each in settings_of(type(config))
        if each.said.in_file
    }


def _training(plan: RunPlan, facts: RunFacts) -> dict:
    config = plan.config
    return {
        "ss_session_id": facts.session_id,
        "ss_training_started_at": facts.started_at,
        "ss_learning_rate": config.learning.learning_rate,
        "ss_num_train_images": sum(plan.repeats),
        "ss_num_batches_per_epoch": plan.batches_per_epoch,
        "ss_num_epochs": plan.epochs,
        "ss_max_train_steps": plan.total_steps,
        "ss_lr_warmup_steps": warmup_steps(config.learning, plan.total_steps),
        "ss_mixed_precision": facts.mixed_precision,
        "ss_base_model_version": facts.base.version,
        "ss_zero_terminal_snr": facts.base.zero_terminal_snr,
        "ss_sd_scripts_commit_hash": f"lora_nb {__version__}",
        "ss_optimizer": in_words(config.learning),
    }


def _dataset(plan: RunPlan, facts: RunFacts) -> dict:
    length = plan.config.length
    return {
        "ss_batch_size_per_device": length.train_batch_size,
        "ss_total_batch_size": length.train_batch_size * facts.processes * length.gradient_accumulation_steps,
        "ss_resolution": f"({plan.resolution}, {plan.resolution})",
        "ss_dataset_dirs": _dataset_dirs(plan),
        "ss_tag_frequency": tag_frequency(plan),
        "ss_bucket_info": _bucket_info(plan),
    }


def _dataset_dirs(plan: RunPlan) -> dict:
    images = Counter((item.subset, item.num_repeats) for item in plan.items)
    return {
        subset: {"n_repeats": repeats, "img_count": count}
        for (subset, repeats), count in sorted(images.items())
    }


def tag_frequency(plan: RunPlan) -> dict[str, dict[str, int]]:
    """Lower-case tags counted once a picture, by the folder they lie in."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for item, caption in zip(plan.items, plan.captions, strict=True):
        counts[item.subset].update({tag.lower(): 1 for tag in split_tags(caption)})
    return {
        subset: dict(sorted(tags.items(), key=lambda pair: (-pair[1], pair[0])))
        for subset, tags in sorted(counts.items())
    }


def _bucket_info(plan: RunPlan) -> dict:
    totals: Counter = Counter()
    for bucket, repeats in zip(plan.buckets, plan.repeats, strict=True):
        totals[bucket] += repeats
    buckets = {str(i): {"resolution": list(b), "count": totals[b]} for i, b in enumerate(sorted(totals))}
    return {"buckets": buckets, "mean_img_ar_error": _ratio_error(plan)}


def _ratio_error(plan: RunPlan) -> float:
    errors: Sequence[float] = [
        abs(item.width / item.height - bucket[0] / bucket[1])
        for item, bucket in zip(plan.items, plan.buckets, strict=True)
    ]
    return sum(errors) / len(errors)


def _modelspec(plan: RunPlan, facts: RunFacts) -> dict:
    config = plan.config
    spec = {
        "sai_model_spec": "1.0.1",
        "architecture": facts.base.architecture,
        "implementation": "diffusers",
        "title": config.about.metadata_title or config.place.output_name,
        "resolution": f"{plan.resolution}x{plan.resolution}",
        "prediction_type": facts.base.prediction,
        "implementation_version": f"lora_nb/{__version__}",
        "encoder_layer": config.captions.clip_skip,
    }
    given = {
        "trigger_phrase": "" if config.about.no_metadata else config.captions.trigger_word,
        "author": config.about.metadata_author,
        "description": config.about.metadata_description,
        "license": config.about.metadata_license,
        "tags": config.about.metadata_tags,
    }
    spec |= {key: value for key, value in given.items() if value}
    return {f"modelspec.{key}": value for key, value in spec.items()}
