"""The subcommands on whole sets of settings: a config in, the work done, what came of it out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from lora_nb import files, presets, settings, takeover
from lora_nb.config.presets import ImportSettingsConfig, PresetsConfig
from lora_nb.config.training import TrainConfig
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.kohya_import import to_table
from lora_nb.redact import redact
from lora_nb.shell.verb import Verb


def list_presets(config: PresetsConfig, tell: Tell, poll: Poll) -> Finished:
    """List the presets of a run, or put some of them together into a file."""
    if config.preset:
        return _put_together(config, tell)
    found = presets.presets()
    width = max(len(preset.name) for preset in found)
    for preset in found:
        tell(Notice(f"{preset.name:{width}}  {preset.title} ({preset.kind})"))
    return Finished("done", f'{len(found)} presets; use them as in: train --preset "{found[0].name}, t4"')


def _put_together(config: PresetsConfig, tell: Tell) -> Finished:
    names = ", ".join(config.preset)
    path = _write(presets.put_together(config.preset), config.output, names, tell)
    if not path:
        return Finished("done", f"These are the settings of {names}.")
    return Finished("done", f"The settings of {names} are in {path}.", (path,))


def _write(values: Mapping[str, Any], output: str, heading: str, tell: Tell) -> str:
    """Where the settings are now: in a new file; told, where `output` names none."""
    text = tomli_w.dumps(values)
    if not output:
        for line in text.splitlines():
            tell(Notice(line))
        return ""
    path = files.free_name(Path(output).expanduser())
    files.write_text(path, f"# {heading}\n{text}")
    return str(path)


def import_settings(config: ImportSettingsConfig, tell: Tell, poll: Poll) -> Finished:
    """Take the settings of sd-scripts, its GUI, a LoRA file or an earlier run over for a run here."""
    if not config.source:
        raise ValueError(
            "source is empty: give a .toml or .json with settings, a LoRA file, or a run's folder"
        )
    taken = takeover.take_over(Path(config.source))
    if not taken.values:
        raise ValueError(f"{taken.source}: none of its settings is one of lora_nb's")
    for key, why in taken.passed.items():
        tell(Notice(f"Not taken: {key}: {redact(why)}", "warning"))
    for note in taken.notes:
        tell(Notice(note))
    _try(taken.values, tell)
    path = _write(to_table(taken.values), config.output, f"settings of {taken.source}", tell)
    count = f"{len(taken.values)} settings of {taken.source} are taken, {len(taken.passed)} are not"
    where = f"; they are in {path}: train {path}" if path else ""
    return Finished("done", f"{count}{where}.", (path,) if path else ())


def _try(values: Mapping[str, Any], tell: Tell) -> None:
    """Say what a training would say of the settings together."""
    try:
        made = settings.from_dict(TrainConfig, values)
    except ValueError as error:
        tell(Notice(f"Before you train with them: {error}", "warning"))
    else:
        for text in settings.without_effect(made):
            tell(Notice(text))


VERBS = {
    "presets": Verb(PresetsConfig, list_presets),
    "import_settings": Verb(ImportSettingsConfig, import_settings),
}
