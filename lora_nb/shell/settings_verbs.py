"""The subcommands on whole sets of settings: a config in, the work done, what came of it out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from lora_nb import differences, files, presets, settings, takeover
from lora_nb.config.advice import AdviceConfig
from lora_nb.config.presets import (
    CompareSettingsConfig,
    ImportSettingsConfig,
    PresetsConfig,
    SavePresetConfig,
)
from lora_nb.config.training import TrainConfig
from lora_nb.dataset import handover
from lora_nb.dataset.images import no_pictures
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.kohya_import import to_table
from lora_nb.redact import redact
from lora_nb.shell import graphics_card
from lora_nb.shell.given import folder_of, folders_of
from lora_nb.shell.verb import Verb
from lora_nb.training import advice
from lora_nb.wording import counted


def list_presets(config: PresetsConfig, tell: Tell, poll: Poll) -> Finished:
    """List the presets of a run, or put some of them together into a file."""
    if config.preset:
        return _put_together(config, tell)
    found = presets.presets(_own(config.folder))
    width = max(len(preset.name) for preset in found)
    for preset in found:
        tell(Notice(f"{preset.name:{width}}  {preset.title} ({preset.kind})"))
    return Finished("done", f'{len(found)} presets; use them as in: train --preset "{found[0].name}, t4"')


def _own(folder: str) -> Path | None:
    """The folder with a person's presets. Raises ValueError for one that is not there."""
    path = Path(folder).expanduser() if folder else None
    if path and not path.is_dir():
        raise ValueError(f"{folder} is not a folder: give the one with your presets")
    return path


def _put_together(config: PresetsConfig, tell: Tell) -> Finished:
    names = ", ".join(config.preset)
    path = _write(presets.put_together(config.preset, _own(config.folder)), config.output, names, tell)
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


def save_preset(config: SavePresetConfig, tell: Tell, poll: Poll) -> Finished:
    """Keep the settings of a run, a file or a preset under a name of your own."""
    if not (config.name and config.source):
        raise ValueError("give a name and a source: what to call the preset, and where its settings are")
    folder = Path(config.folder).expanduser()
    values = differences.read(config.source, folder)
    path = presets.save(config.name, settings.from_dict(TrainConfig, values), folder, config.title)
    return Finished("done", f"The settings of {config.source} are kept: train --preset {path}", (str(path),))


def compare_settings(config: CompareSettingsConfig, tell: Tell, poll: Poll) -> Finished:
    """Say which settings of two runs, files or presets differ, and how."""
    if not (config.first and config.second):
        raise ValueError(
            "give a first and a second: presets, files with settings, LoRA files or runs' folders"
        )
    own = _own(config.folder)
    first, second = (differences.read(each, own) for each in (config.first, config.second))
    found = differences.differences(first, second)
    width = max((len(each.name) for each in found), default=0)
    for each in found:
        tell(Notice(redact(f"{each.name:{width}}  {each.first or '-'}  ->  {each.second or '-'}")))
    if not found:
        return Finished("nothing", f"{config.first} and {config.second} say the same.")
    return Finished(
        "done",
        f"{counted(len(found), 'setting differs', 'settings differ')}: left {config.first}, right {config.second}.",
    )


def advise(config: AdviceConfig, tell: Tell, poll: Poll) -> Finished:
    """Fill in the settings of a first run from what it learns, its base, its machine and its pictures."""
    folders, seen = folders_of(config), advice.look(folder_of(config))
    if not seen.paths:
        raise no_pictures(config.train_data_dir)
    known = handover.read(folders, tell)
    kind = advice.kind_of(known, seen.paths)
    base = config.pretrained_model_name_or_path or advice.base_for(kind)
    here = graphics_card.find()
    name = here.preset if config.machine == "auto" else presets.find(config.machine).name
    found = advice.advise(advice.Answers(config.purpose, base, name, seen.unsaid, known))
    tell(Notice(f"{len(seen.paths)} {kind or 'pictures'}; base: {base} ({found.title}); machine: {name}"))
    for text in found.reasons.values():
        tell(Notice(text))
    values = {"train_data_dir": config.train_data_dir, **found.values}
    path = _write(to_table(values), config.output, f"lora_nb run of {', '.join(found.sources)}", tell)
    where = f" They are in {path}: train {path}" if path else ""
    return Finished(
        "done", f"{len(values)} settings follow from your answers.{where}", (path,) if path else ()
    )


VERBS = {
    "advise": Verb(AdviceConfig, advise),
    "save_preset": Verb(SavePresetConfig, save_preset),
    "compare_settings": Verb(CompareSettingsConfig, compare_settings),
    "presets": Verb(PresetsConfig, list_presets),
    "import_settings": Verb(ImportSettingsConfig, import_settings),
}
