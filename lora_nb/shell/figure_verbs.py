"""The subcommands that show the figures of runs: a config in, the work done, what came of it out."""

from pathlib import Path

from lora_nb import runs
from lora_nb.config.board import TensorboardConfig
from lora_nb.config.validation import CurveConfig
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.shell import board
from lora_nb.shell.interrupts import stop_on_signals
from lora_nb.shell.verb import Verb
from lora_nb.training import verdict

BOARD = "TensorBoard is open at"


def say_curve(config: CurveConfig, tell: Tell, poll: Poll) -> Finished:
    """Say what the checks of a run say of it: still learning, turning, over-trained."""
    folder = Path(config.run)
    if not config.run or not folder.is_dir():
        raise ValueError(
            f'run = "{config.run}" is no folder: give that of a run, Loras/<project>/runs/<name>'
        )
    curves = verdict.read(runs.RunFolder(folder).metrics)
    if not curves:
        return Finished(
            "nothing", f"{folder} holds no checks: train with validate_every_n_epochs = 1 to have some"
        )
    for line in verdict.table(curves):
        tell(Notice(line))
    return Finished("done", verdict.verdict_of(curves).sentence)


def open_tensorboard(config: TensorboardConfig, tell: Tell, poll: Poll) -> Finished:
    """Open TensorBoard with all runs of a project."""
    with stop_on_signals() as stopping:
        board.show(
            config,
            lambda: poll() | ({"stop"} if stopping() else frozenset()),
            lambda address: tell(Notice(f"{BOARD} {address}")),
        )
    return Finished("done", "TensorBoard is closed.")


VERBS = {
    "curve": Verb(CurveConfig, say_curve),
    "tensorboard": Verb(TensorboardConfig, open_tensorboard),
}
