"""The boards that show a run's figures: TensorBoard, and what log_with names."""

from collections.abc import Callable

from lora_nb.events import Tell
from lora_nb.runs import RunFolder
from lora_nb.training import wandb_board
from lora_nb.training.board import Board
from lora_nb.training.run_plan import RunPlan
from lora_nb.training.tensor_board import TensorBoard

Opens = Callable[[RunPlan, RunFolder, int, Tell], Board]
ALWAYS = "tensorboard"
BOARDS: dict[str, Opens] = {
    ALWAYS: lambda plan, own, step, tell: TensorBoard(own.tensorboard, step + 1, tell),
    "wandb": lambda plan, own, step, tell: wandb_board.WandbBoard(wandb_board.account(plan, own), tell),
}


def open_boards(plan: RunPlan, own: RunFolder, step: int, tell: Tell) -> tuple[Board, ...]:
    """The boards of a run of which `step` steps are done."""
    names = dict.fromkeys((ALWAYS, plan.config.figures.log_with))
    return tuple(BOARDS[name](plan, own, step, tell) for name in names)
