"""The subcommands on whole sets of settings: a config in, the work done, what came of it out."""

from pathlib import Path

import tomli_w

from lora_nb import files, presets
from lora_nb.config.presets import PresetsConfig
from lora_nb.events import Finished, Notice, Poll, Tell
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
    text = tomli_w.dumps(presets.put_together(config.preset))
    names = ", ".join(config.preset)
    if not config.output:
        for line in text.splitlines():
            tell(Notice(line))
        return Finished("done", f"These are the settings of {names}.")
    path = files.free_name(Path(config.output).expanduser())
    files.write_text(path, f"# {names}\n{text}")
    return Finished("done", f"The settings of {names} are in {path}.", (str(path),))


VERBS = {"presets": Verb(PresetsConfig, list_presets)}
