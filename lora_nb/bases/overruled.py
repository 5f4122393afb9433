"""What settings say of a base, against what its own files say."""

from collections.abc import Mapping
from typing import Any


def overruled(
    scheduler_config: Mapping[str, Any], name: str, prediction_type: str, zero_terminal_snr: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The scheduler's settings as told ("auto" leaves them), and a sentence where the base `name` says otherwise."""
    scheduler, notes = dict(scheduler_config), []
    for setting, told, key, value in (
        ("prediction_type", prediction_type, "prediction_type", prediction_type),
        ("zero_terminal_snr", zero_terminal_snr, "rescale_betas_zero_snr", zero_terminal_snr == "yes"),
    ):
        if told == "auto":
            continue
        if scheduler.get(key, value) != value:
            notes.append(f"{setting} = {told} is followed, though {name} itself says {scheduler[key]}")
        scheduler[key] = value
    return scheduler, tuple(notes)
