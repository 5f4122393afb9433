"""The subcommands that train and draw: a config in, the work done, what came of it out."""

from pathlib import Path
from typing import Any

from lora_nb import runs
from lora_nb.config.drawing import DrawSettings, GridConfig, SampleConfig
from lora_nb.config.training import TrainConfig
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.shell.fetched import fetch_base
from lora_nb.shell.interrupts import stop_on_signals
from lora_nb.shell.verb import Verb
from lora_nb.training import plan


def train_lora(config: TrainConfig, tell: Tell, poll: Poll) -> Finished:
    """Train, then draw the grid of checkpoints and strengths.

    The first Ctrl-C lets the training save its state; KeyboardInterrupt follows.
    """
    from lora_nb.training.train import train

    fetch_base(config.base.pretrained_model_name_or_path, tell)
    with stop_on_signals() as interrupted:
        finished = train(config, tell, lambda: poll() | ({"stop"} if interrupted() else frozenset()))
    if finished.status == "stopped" and interrupted():
        tell(finished)
        raise KeyboardInterrupt
    if finished.status != "done" or not config.samples.grid or tell is silent_process:
        return finished
    return _with_grid(plan.resolve(config), finished, tell, poll)


def silent_process(event: Any) -> None:
    """The listener of every process but the first: one grid is enough."""


def _with_grid(config: TrainConfig, finished: Finished, tell: Tell, poll: Poll) -> Finished:
    own = runs.run_folder(Path(config.place.output_dir), config.place.output_name)
    drawn = runs.newest_grid(own.base, [Path(file) for file in finished.files])
    if drawn:
        return Finished("done", finished.text, (*finished.files, str(drawn)))
    grid = GridConfig(
        base=config.base,
        lora_dir=config.place.output_dir,
        output_name=config.place.output_name,
        trigger_word=config.captions.trigger_word,
        output_dir=str(own.base),
        draw=DrawSettings(
            guidance=config.samples.guidance,
            sampler=config.samples.sample_sampler,
            clip_skip=config.captions.clip_skip,
        ),
    )
    try:
        return Finished("done", finished.text, (*finished.files, *draw_grid(grid, tell, poll).files[:1]))
    except ValueError as error:
        tell(Notice(f"The grid was not drawn: {error}", "warning"))
        return finished


def list_before_start(config: TrainConfig, tell: Tell, poll: Poll) -> Finished:
    """Say what stands against starting a training, and what it will take: memory, disk, time.

    Raises ValueError where something stops the start; the list is kept as JSON in either case.
    """
    from lora_nb.shell import this_machine
    from lora_nb.training import ready

    rows = ready.look(config, this_machine.look(), this_machine.places(this_machine.logins(config)))
    for row in rows:
        mend = f" ({', '.join(f'{name} = {value}' for name, value in row.mend)})" if row.mend else ""
        tell(Notice(f"{HARMS[row.harm]}: {row.sentence}{mend}"))
    kept = ready.write(config, rows)
    if not ready.is_free(rows):
        raise ValueError(ready.in_words(rows))
    return Finished("done", ready.in_words(rows), (str(kept),))


def draw_samples(config: SampleConfig, tell: Tell, poll: Poll) -> Finished:
    """Draw pictures with a base and perhaps a LoRA file."""
    from lora_nb.drawing.sample import sample

    fetch_base(config.base.pretrained_model_name_or_path, tell)
    return sample(config, tell)


def draw_grid(config: GridConfig, tell: Tell, poll: Poll) -> Finished:
    """Draw an X/Y grid of LoRA files."""
    from lora_nb.drawing.grid import grid

    fetch_base(config.base.pretrained_model_name_or_path, tell)
    return grid(config, tell, poll)


HARMS = {"red": "It stops the start", "yellow": "Worth a look", "grey": "Good to know"}
VERBS = {
    "ready": Verb(TrainConfig, list_before_start, takes_presets=True),
    "train": Verb(TrainConfig, train_lora, loads=True, takes_presets=True),
    "sample": Verb(SampleConfig, draw_samples, loads=True),
    "grid": Verb(GridConfig, draw_grid, loads=True),
}
