"""Settings of sd-scripts -> settings of a run: each is taken, or named with the reason why not."""

import ast
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lora_nb import kohya, settings
from lora_nb.config.optimizers import ADAFACTOR, OPTIMIZERS, RELATIVE
from lora_nb.config.training import TrainConfig
from lora_nb.declare import Setting, settings_of
from lora_nb.kohya_defaults import DEFAULTS, ONLY_GUI
from lora_nb.redact import redact
from lora_nb.typed import NOTHING, check, parse

OURS = {setting.name: setting for setting in settings_of(TrainConfig)}
MEANT = {name: name for name in OURS} | {s.said.kohya: s.name for s in OURS.values() if s.said.kohya}
MEANT["caption_extention"] = "caption_extension"  # sd-scripts knows its own misspelling
CONSUMED = ("networks.lora", "lycoris.kohya", "networks.dylora")
PLAIN = ("lora", "locon")  # one kind here: with convolutions or without
AT_WANDB, OF_WANDB = ("wandb", "all"), ("log_tracker_name", "wandb_run_name", "log_config")
UNSET = (None, "", [], "None")


@dataclass
class Reading:
    """Settings of sd-scripts on their way: `left` are not looked at yet, `values` are ours by name.

    `passed` are those that were not taken, each with the reason; `notes` say what was read otherwise
    than it is written.
    """

    left: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    passed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def take(self, key: str) -> Any:
        """The value under `key`, which is looked at now; None where it is not set."""
        value = self.left.pop(key, None)
        if value in UNSET:
            return None
        self.taken.append(key)
        return value

    def put(self, key: str, name: str, value: Any) -> None:
        """Take `value` for our setting `name`, if it fits; `key` is what it came under."""
        try:
            self.values[name] = self._fitting(key, OURS[name], value)
        except ValueError as error:
            self.pass_over(key, str(error))

    def pass_over(self, key: str, why: str) -> None:
        """Note that `key` is not taken."""
        self.passed[key] = why
        if key in self.taken:
            self.taken.remove(key)

    def _fitting(self, key: str, setting: Setting, value: Any) -> Any:
        if setting.optional and (setting.said.min or 0) > 0 and str(value) in ("0", "0.0", "False"):
            return None  # off, in the GUI and in sd-scripts
        if setting.many and isinstance(value, str):
            return check(setting, [parse(setting, part)[0] for part in shlex.split(value)])
        if setting.kind == "int" and isinstance(value, float) and value == int(value):
            value = int(value)
        if isinstance(value, str) and setting.kind != "str":
            found = parse(setting, value)
            if not setting.choices:
                self.notes.append(f'{key} = "{redact(value)}" is text; it is read as {found}')
            return found
        return check(setting, value)


def translate(given: Mapping[str, Any], defaults: bool = True) -> Reading:
    """What of the settings of sd-scripts in `given` a run here takes over.

    `defaults` fills in what sd-scripts takes for all that is not said, where that is another value than ours.
    """
    reading = Reading({name.lstrip("-"): value for name, value in given.items()})
    for step in (_network, _rates, _length, _optimizer, _base, _shape, _figures, _rest):
        step(reading)
    if defaults:
        _fill(reading)
    order = list(OURS)
    reading.values = {name: reading.values[name] for name in sorted(reading.values, key=order.index)}
    return reading


def to_table(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as TOML knows them."""
    shown = {name: NOTHING if value is None else value for name, value in values.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in shown.items()}


def _fill(reading: Reading) -> None:
    for name, value in DEFAULTS.items():
        if name in OURS and name not in reading.values:
            reading.values[name] = value
    if reading.values.get("max_train_epochs") and "max_train_steps" in reading.values:
        del reading.values["max_train_steps"]


def _network(reading: Reading) -> None:
    """The arguments of the network are settings like all others."""
    arguments = reading.take("network_args") or []
    for text in shlex.split(arguments) if isinstance(arguments, str) else arguments:
        name, _, value = str(text).partition("=")
        reading.left.setdefault(name.strip(), _literal(value.strip()))
    module, kind = reading.take("network_module"), str(reading.take("algo") or "lora").lower()
    _convolutions(reading, str(module or ""))
    if module is not None and module not in CONSUMED:
        reading.pass_over("network_module", f"{module} is not a network that can be trained here")
    chosen = next((name for name, each in OURS.items() if each.said.kohya == "algo"), None)
    if _is_true(reading.take("dora_wd")) and kind in PLAIN:
        kind = "dora"
    if chosen and kind not in PLAIN:
        reading.put("algo", chosen, kind)
    elif kind not in PLAIN:
        reading.pass_over("algo", f"{kind} is not a network that can be trained here")


def _convolutions(reading: Reading, module: str) -> None:
    """What the network takes of what is not said: LyCORIS gives convolutions the rank and alpha of all."""
    left = reading.left
    if module.startswith("lycoris"):
        left["conv_dim"] = left.get("conv_dim") or left.get("network_dim") or DEFAULTS["rank"]
        left["conv_alpha"] = left.get("conv_alpha") or left.get("network_alpha") or DEFAULTS["alpha"]
    elif left.get("conv_dim") and left.get("conv_alpha") in UNSET:
        left["conv_alpha"] = DEFAULTS["alpha"]


def _literal(text: str) -> Any:
    """What an argument means; text where it is nothing else, such as a list without brackets."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _rates(reading: Reading) -> None:
    """One rate for all, where none is given for a part; a part that is not trained has none."""
    general = reading.take("learning_rate")
    own, text = reading.take("unet_lr"), reading.take("text_encoder_lr")
    texts = text if isinstance(text, list) else [text]
    if general is None:
        general = DEFAULTS["learning_rate"] if own is None or text is None else None
    only_text, only_image = (
        _is_true(reading.take(key)) for key in ("network_train_text_encoder_only", "network_train_unet_only")
    )
    found = [0.0 if only_text else own if own is not None else general]
    found += [0.0 if only_image else each if each is not None else general for each in texts]
    keys = ["unet_lr" if own is not None else "learning_rate", "text_encoder_lr", "text_encoder_lr"]
    for key, name, value in zip(
        keys, ("learning_rate", "text_encoder_lr", "text_encoder_lr2"), found, strict=False
    ):
        if name in OURS:
            reading.put(key, name, value)
        elif value != found[1]:
            reading.pass_over(key, "what reads text has one learning rate here")


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


def _length(reading: Reading) -> None:
    """sd-scripts counts steps only where no epochs are given."""
    epochs, steps = reading.take("max_train_epochs"), reading.take("max_train_steps")
    if epochs not in (None, 0, "0"):
        reading.put("max_train_epochs", "max_train_epochs", epochs)
        if steps not in (None, 0, "0"):
            reading.pass_over(
                "max_train_steps", "max_train_epochs is given too, and goes first in sd-scripts"
            )
    elif steps not in (None, 0, "0"):
        reading.put("max_train_steps", "max_train_steps", steps)


def _optimizer(reading: Reading) -> None:
    """sd-scripts calls optimizers in any case, by a flag of their own, or by their module."""
    flags = {"use_8bit_adam": "AdamW8bit", "use_lion_optimizer": "Lion"}
    told = next((name for key, name in flags.items() if _is_true(reading.take(key))), None)
    found = reading.take("optimizer_type") or told
    if found:
        rows = {name.lower(): name for name in OPTIMIZERS}
        rows |= {f"{row.module}.{row.name}".lower(): name for name, row in OPTIMIZERS.items()}
        reading.put("optimizer_type", "optimizer", rows.get(str(found).lower(), found))
    _optimizer_args(reading)


def _optimizer_args(reading: Reading) -> None:
    arguments = reading.take("optimizer_args") or []
    parts = shlex.split(arguments) if isinstance(arguments, str) else [str(part) for part in arguments]
    pairs = dict(part.partition("=")[::2] for part in parts)
    if decay := pairs.pop("weight_decay", None):
        reading.put("optimizer_args", "weight_decay", _literal(decay))
    _relative(reading, pairs)
    rest = [f"{name}={value}" for name, value in pairs.items()]
    if rest and "optimizer_args" in OURS:
        reading.put("optimizer_args", "optimizer_args", rest)
    elif rest:
        reading.pass_over("optimizer_args", f"{', '.join(rest)}: {kohya.ABSENT['optimizer_args']}")


def _relative(reading: Reading, pairs: dict[str, str]) -> None:
    """Adafactor finds its own rate in sd-scripts, whatever the schedule, unless its arguments say otherwise."""
    if reading.values.get("optimizer") != ADAFACTOR or pairs.get("relative_step", "True") != "True":
        return
    if reading.left.get("lr_scheduler", RELATIVE) != RELATIVE:
        reading.notes.append(
            f"lr_scheduler = {reading.left['lr_scheduler']} has no effect in sd-scripts: AdaFactor finds its own rate "
            "there, without relative_step=False in optimizer_args"
        )
    reading.left["lr_scheduler"] = RELATIVE


def _base(reading: Reading) -> None:
    if _is_true(reading.take("v_parameterization")):
        reading.put("v_parameterization", "prediction_type", "v_prediction")
    if _is_true(reading.take("zero_terminal_snr")):
        reading.put("zero_terminal_snr", "zero_terminal_snr", "yes")
    kind = reading.take("save_model_as")
    if kind not in (None, "safetensors"):
        reading.pass_over("save_model_as", kohya.ABSENT["save_model_as"])
    if precision := reading.take("save_precision"):
        reading.put("save_precision", "save_precision", {"float": "fp32"}.get(precision, precision))


def _shape(reading: Reading) -> None:
    if (resolution := reading.take("resolution")) is not None:
        reading.put("resolution", "resolution", _resolution(resolution))
    if (alpha := reading.take("network_alpha")) is not None:
        rank = reading.left.get("network_dim") or DEFAULTS["rank"]
        reading.put("network_alpha", "alpha", rank if str(alpha) in ("0", "0.0") else alpha)
    if (warmup := reading.take("lr_warmup_steps")) is not None:
        share = isinstance(warmup, str) and warmup.strip().endswith("%")
        reading.put(
            "lr_warmup_steps", "lr_warmup_steps", float(warmup.strip(" %")) / 100 if share else warmup
        )


def _figures(reading: Reading) -> None:
    """sd-scripts sends nothing to wandb unless log_with says so, whatever else is said of it."""
    if str(reading.left.get("log_with")).lower() in AT_WANDB:
        return
    for key in OF_WANDB:
        if reading.take(key) not in (None, False):
            reading.pass_over(key, 'it has an effect with log_with = "wandb" alone')


def _resolution(value: Any) -> Any:
    """A side where the square is meant, as sd-scripts means it by "512", 512, "512,512" and [512, 512]."""
    sides = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    if len({str(side).strip() for side in sides}) == 1 and str(sides[0]).strip().isdigit():
        return int(str(sides[0]).strip())
    return ",".join(str(side).strip() for side in sides)


def _rest(reading: Reading) -> None:
    """All that has the same meaning here, and what is not there at all."""
    for key in list(reading.left):
        value = reading.take(key)
        if value is None:
            continue
        if key in MEANT:
            reading.put(key, MEANT[key], value)
        elif key in (*kohya.ABSENT, *ONLY_GUI) and str(value) in ("0", "0.0", "False", "false"):
            continue  # off, and there is nothing here that could be on
        else:
            reading.pass_over(key, _why(key))


def _why(key: str) -> str:
    """Why there is no place for a setting."""
    if why := kohya.ABSENT.get(key) or ONLY_GUI.get(key):
        return why
    near = settings.nearest(TrainConfig, key)
    return f'sd-scripts has no such setting either; did you mean "{near}"?' if near else "it is not known"
