"""What is said of numbers that are none: the step, the likely cause, the remedy."""

import math

import pytest

from lora_nb.config.learning import Learning
from lora_nb.training.divergence import Step, refuse


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_none_is_refused(loss):
    with pytest.raises(ValueError, match="the loss is (NaN|infinite) at step 7 of 9"):
        refuse(Step(7, 9, loss, 1.0), Learning(), "no")


def test_what_is_finite_passes():
    """As after a step that the scaler of fp16 skipped: its gradients were infinite, loss and weights are not."""
    refuse(Step(7, 9, 3.4e38, 3.4e38), Learning(), "fp16")


@pytest.mark.parametrize(
    ("step", "options", "precision", "says"),
    [
        (Step(7, 9, math.nan, 1), {"learning_rate": 0.01}, "fp16", "learning_rate = 0.01, text_encoder_lr = 0.0001: try a tenth"),
        (Step(7, 9, math.nan, 1), {"text_encoder_lr": 0.01}, "no", "learning rate is too high"),
        (Step(7, 9, math.nan, 1), {}, "fp16", "too large for fp16 (set mixed_precision = no"),
        (Step(7, 9, math.nan, 1), {"max_grad_norm": 0.0}, "bf16", "try a third, and max_grad_norm = 1"),
        (Step(7, 9, 0.1, math.nan), {}, "no", "the weights are no longer numbers at step 7 of 9"),
        (Step(1, 9, math.nan, 1), {"learning_rate": 1.0}, "fp16", "this base overflows in fp16"),
        (Step(1, 9, math.inf, 1), {"learning_rate": 1.0}, "no", "weights are damaged"),
        (Step(1, 9, 0.1, math.inf), {"learning_rate": 1.0}, "no", "learning rate is too high"),
    ],
)  # fmt: skip
def test_the_cause_is_chosen_from_what_is_known(step, options, precision, says):
    with pytest.raises(ValueError) as caught:
        refuse(step, Learning(**options), precision)
    said = str(caught.value)
    assert says in said and "\n" not in said and 'on_existing = "restart"' in said
