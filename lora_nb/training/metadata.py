"""What a LoRA file says of itself: kohya's ss_* keys, modelspec, and the whole run's settings.

A1111, Forge, Civitai and the inspectors read these; all values are strings.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from lora_nb import __version__, settings
from lora_nb.bases import lookup
from lora_nb.bases.base import Base, Facts
from lora_nb.config.learning import Learning
from lora_nb.config.noise import Times
from lora_nb.config.training import About, TrainConfig
from lora_nb.declare import Setting, settings_of
from lora_nb.redact import redact
from lora_nb.training import dataset_facts
from lora_nb.training.network_facts import PLAIN, network_facts
from lora_nb.training.optimizers import in_words, warmup_steps
from lora_nb.training.plan import RunPlan

# Settings of sd-scripts that this trainer does not have, at the value that says so.
ABSENT = {
    "ss_full_fp16": False,
    "ss_cache_latents": True,
    "ss_lowram": False,
    "ss_face_crop_aug_range": None,
    "ss_fp8_base": False,
    "ss_fp8_base_unet": False,
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
        **dataset_facts.of_run(plan, facts.processes),
        "ss_sd_model_name": lookup.public_name(facts.base_name) or None,
        "ss_sd_model_hash": facts.base_short_hash or None,
        "ss_new_sd_model_hash": facts.base_sha256 or None,
        **facts.network,
        **_other_vae(facts.base),
        "lora_nb_settings": _settings(config),
    }
    if config.about.no_metadata:
        values = {key: values[key] for key in MINIMUM if key in values}
    return {key: redact(_text(value)) for key, value in (values | _modelspec(plan, facts)).items()}


def _other_vae(base: Facts) -> dict:
    """As sd-scripts, only of a VAE that is not the base's own."""
    if not base.vae_name:
        return {}
    return {
        "ss_vae_name": base.vae_name,
        "ss_vae_hash": base.vae_short_hash,
        "ss_new_vae_hash": base.vae_sha256,
    }


def _settings(config: TrainConfig) -> dict:
    """Every setting of the run, without the folders of the machine it ran on."""
    values = {name: value for name, value in settings.to_dict(config).items() if not name.endswith("_dir")}
    named = ("pretrained_model_name_or_path", "vae")
    return (
        values
        | dataset_facts.without_folders(config.pictures)
        | {name: lookup.public_name(values[name]) for name in named}
        | {
            "network_weights": Path(config.network.network_weights).name,
            "base_weights": [Path(path).name for path in config.base.base_weights],
        }
    )


def of_save(about: About, epoch: int, step: int, finished_at: float) -> dict[str, str]:
    """The metadata of one saved file. `epoch` counts from 1."""
    date = datetime.fromtimestamp(int(finished_at), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    saved = {"ss_epoch": str(epoch), "ss_steps": str(step), "ss_training_finished_at": str(finished_at)}
    return ({} if about.no_metadata else saved) | {"modelspec.date": date}


def of_lengths(plan: RunPlan, lengths: Sequence[Sequence[int]]) -> dict[str, str]:
    """What a file says of a run whose length, and with it the learning rates, was changed on the way."""
    if not lengths or plan.config.about.no_metadata:
        return {}
    said = "".join(f"{planned} steps planned until step {step}, then " for step, planned in lengths)
    return {"lora_nb_lengths": f"{said}{plan.total_steps}"}


def _text(value) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _declared(config: TrainConfig) -> dict:
    """The settings that are to be in a file, by the names sd-scripts gives them."""
    values = settings.values_of(config)
    return {
        f"ss_{each.said.kohya or each.name}": _in_file(each, values)
        for each in settings_of(type(config))
        if each.said.in_file
    }


def _in_file(setting: Setting, values: Mapping[str, Any]) -> Any:
    value, needed = values[setting.name], setting.said.only_with
    if setting.said.in_file == "always":
        return value
    return value if value and (needed is None or needed.hold(values)) else None


def _training(plan: RunPlan, facts: RunFacts) -> dict:
    config = plan.config
    return {
        "ss_session_id": facts.session_id,
        "ss_training_started_at": facts.started_at,
        "ss_learning_rate": config.learning.learning_rate,
        **_rates_of_text(config.learning),
        "ss_num_batches_per_epoch": plan.batches_per_epoch,
        "ss_num_epochs": plan.epochs,
        "ss_num_validation_images": len(plan.held_out),
        "ss_max_train_steps": plan.total_steps,
        "ss_lr_warmup_steps": warmup_steps(config.learning, plan.total_steps),
        "ss_mixed_precision": facts.mixed_precision,
        "ss_base_model_version": facts.base.version,
        "ss_v2": facts.base.v2,
        "ss_zero_terminal_snr": facts.base.zero_terminal_snr,
        "ss_sd_scripts_commit_hash": f"lora_nb {__version__}",
        "ss_optimizer": in_words(config.learning),
        "ss_debiased_estimation": config.loss.weights.debiased_estimation_loss,
    }


def _rates_of_text(learning: Learning) -> dict:
    """Several rates where the second part that reads text has its own, as sd-scripts writes them."""
    several = learning.text_encoder_lr2 is not None
    return {"ss_text_encoder_lr": list(learning.rates_of_text(2))} if several else {}


def _timestep_range(times: Times) -> str:
    """The trained timesteps as modelspec has them; "" where nothing limits them."""
    return (
        f"{times.min_timestep},{times.max_timestep or 1000}"
        if times.min_timestep or times.max_timestep
        else ""
    )


def _modelspec(plan: RunPlan, facts: RunFacts) -> dict:
    config = plan.config
    spec = {
        "sai_model_spec": "1.0.1",
        "architecture": facts.base.architecture,
        "implementation": facts.base.implementation,
        "title": config.about.metadata_title or config.place.output_name,
        "resolution": "{}x{}".format(*plan.sizes[0]),
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
        "timestep_range": _timestep_range(config.loss.times),
    }
    spec |= {key: value for key, value in given.items() if value}
    return {f"modelspec.{key}": value for key, value in spec.items()}
