"""Why the numbers of a training stopped being numbers, and what to change."""

import math
from dataclasses import dataclass

from lora_nb.config.learning import Learning
from lora_nb.config.optimizers import OPTIMIZERS

MOST_SKIPPED = 40  # in a row: from 2 ** 16 the scale of the gradients has then fallen far below 1
HIGH_RATE = 1e-3  # of any part; twice the usual learning_rate, ten times the usual text_encoder_lr


@dataclass(frozen=True)
class Step:
    """What one optimizer step came to: its loss, and the length of all weights after it."""

    number: int
    total: int
    loss: float
    length: float


def refuse(step: Step, learning: Learning, precision: str) -> None:
    """Raises ValueError, with the likely cause and the remedy, for a loss or weights that are not finite.

    Gradients that overflow in fp16 are no fault: the scaler skips that step and the weights stay as they were.
    """
    if math.isfinite(step.loss) and math.isfinite(step.length):
        return
    kind = "NaN" if math.isnan(step.loss) else "infinite"
    what = f"the loss is {kind}" if not math.isfinite(step.loss) else "the weights are no longer numbers"
    raise ValueError(
        f"{what} at step {step.number} of {step.total}, so the training ends there and nothing is written from it "
        f"(what was saved before stays): {_cause(step, learning, precision)}; with other settings it is another run: "
        'give it another output_name, or choose on_existing = "restart"'
    )


def refuse_skipping(step: int, in_a_row: int) -> None:
    """Raises ValueError when too many steps in a row were left out, so that nothing is learnt any more."""
    if in_a_row >= MOST_SKIPPED:
        raise ValueError(
            f"the gradients of {in_a_row} steps in a row, up to step {step}, were too large for fp16 or no numbers, so "
            "that nothing is learnt: set mixed_precision = bf16 where the GPU has it, or no"
        )


def _cause(step: Step, learning: Learning, precision: str) -> str:
    rates = f"learning_rate = {learning.learning_rate:g}, text_encoder_lr = {learning.text_encoder_lr:g}"
    full = "set mixed_precision = no, or bf16 where the GPU has it"
    only_base_spoke = step.number == 1 and not math.isfinite(step.loss)  # the update is still zero then
    if only_base_spoke and precision == "fp16":
        return f"this base overflows in fp16 ({full})"
    if only_base_spoke:
        return (
            "the base itself gives such numbers (its weights are damaged: download it again, or take another)"
        )
    if max(learning.rates) > HIGH_RATE and not OPTIMIZERS[learning.optimizer].adapts:
        return f"most likely the learning rate is too high ({rates}: try a tenth)"
    if precision == "fp16":
        return f"most likely numbers too large for fp16 ({full}), or else too high a learning rate ({rates})"
    clip = "" if learning.max_grad_norm else ", and max_grad_norm = 1"
    return f"most likely the learning rate is too high for these pictures ({rates}: try a third{clip})"
