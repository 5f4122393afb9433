"""How far an answer is from what was wanted, picture by picture.

Shapes: B batch, C channels, h w latents.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lora_nb.config.loss import HUBER, Masking


def mean_squared(prediction: Tensor, wanted: Tensor) -> Tensor:
    """(B,) mean squared error of each picture."""
    return F.mse_loss(prediction.float(), wanted.float(), reduction="none").mean(dim=(1, 2, 3))


def errors(prediction: Tensor, wanted: Tensor, loss_type: str, thresholds: Tensor | None) -> Tensor:
    """(B, C, h, w) what each number of the answer costs; huber and smooth_l1 need `thresholds` (B,).

    These are sd-scripts' pseudo-Huber losses: 2c (sqrt(d^2 + c^2) - c), which is the square of a small d, and the same
    over c, which is twice the size of a large d whatever c is.
    """
    prediction, wanted = prediction.float(), wanted.float()
    if loss_type == "l1":
        return F.l1_loss(prediction, wanted, reduction="none")
    if loss_type not in HUBER:
        return F.mse_loss(prediction, wanted, reduction="none")
    c = thresholds.view(-1, 1, 1, 1)
    rounded = 2 * (((prediction - wanted) ** 2 + c**2).sqrt() - c)
    return c * rounded if loss_type == "huber" else rounded


def averaged(errors: Tensor, masks: Tensor | None, masking: Masking) -> Tensor:
    """(B,) the mean of each picture's errors (B, C, h, w), each place counted as `masks` (B, 1, h, w) says.

    As in sd-scripts, a small mask makes a small mean; normalize_masked_area_loss divides by how much of it counts
    (OneTrainer), and leaves at 0 a picture of which nothing does.
    """
    if masks is None:
        return errors.mean(dim=(1, 2, 3))
    counted = masks.to(errors).clamp(min=masking.unmasked_weight, max=1)
    mean = (errors * counted).mean(dim=(1, 2, 3))
    if masking.normalize_masked_area_loss:
        return mean / counted.mean(dim=(1, 2, 3)).clamp(min=torch.finfo(counted.dtype).tiny)
    return mean
