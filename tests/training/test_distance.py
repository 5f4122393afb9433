"""What an error costs, on numbers that can be done in the head."""

import pytest
import torch

from lora_nb.config.loss import Masking
from lora_nb.training.distance import averaged, errors, mean_squared

WANTED = torch.zeros(2, 1, 1, 2)
ANSWER = torch.tensor([[0.0, 3.0], [-4.0, 0.001]]).view(2, 1, 1, 2)
C = torch.tensor([4.0, 3.0])  # with 3 and 4, sqrt(d^2 + c^2) is 5


@pytest.mark.parametrize(
    ("loss_type", "expected"),
    [
        ("l2", [0, 9, 16, 1e-6]),
        ("l1", [0, 3, 4, 0.001]),
        ("huber", [0, 2 * 4 * (5 - 4), 2 * 3 * (5 - 3), 1e-6]),
        ("smooth_l1", [0, 2 * (5 - 4), 2 * (5 - 3), 1e-6 / 3]),
    ],
)
def test_each_loss_is_sd_scripts(loss_type, expected):
    found = errors(ANSWER, WANTED, loss_type, C)
    assert found.flatten().tolist() == pytest.approx(expected, abs=1e-6)
    assert found.shape == ANSWER.shape


@pytest.mark.parametrize(
    ("loss_type", "slope"), [("l2", 8), ("l1", 1), ("huber", 2 * 3 * 4 / 5), ("smooth_l1", 2 * 4 / 5)]
)
def test_the_gradient_is_the_formulas_and_finite_where_nothing_is_wrong(loss_type, slope):
    answer = ANSWER.clone().requires_grad_()
    errors(answer, WANTED, loss_type, C).sum().backward()
    assert answer.grad[1, 0, 0, 0].item() == pytest.approx(-slope)
    assert answer.grad[0, 0, 0, 0] == 0


def test_half_numbers_are_compared_as_whole_ones():
    assert (
        errors(ANSWER.half(), WANTED, "l1", None).dtype
        == mean_squared(ANSWER.half(), WANTED).dtype
        == torch.float32
    )
    assert mean_squared(ANSWER, WANTED).tolist() == pytest.approx([4.5, 8])


EACH = torch.tensor([[4.0, 8.0], [2.0, 6.0]]).view(2, 1, 1, 2)
MASKS = torch.tensor([[1.0, 0.5], [0.0, 0.0]]).view(2, 1, 1, 2)


@pytest.mark.parametrize(
    ("masking", "expected"),
    [
        ({}, [(4 + 4) / 2, 0]),  # not made up for by the area, as in sd-scripts
        ({"unmasked_weight": 0.75}, [(4 + 6) / 2, 0.75 * 4]),
        ({"normalize_masked_area_loss": True}, [(4 + 4) / 1.5, 0]),
        ({"normalize_masked_area_loss": True, "unmasked_weight": 0.75}, [(4 + 6) / 1.75, 4]),
    ],
)
def test_masks_say_what_counts(masking, expected):
    assert averaged(EACH, MASKS, Masking(**masking)).tolist() == pytest.approx(expected)


def test_without_masks_all_counts_and_a_mask_is_for_every_channel():
    assert averaged(EACH, None, Masking()).tolist() == [6, 4]
    channels = EACH.repeat(1, 4, 1, 1)
    assert torch.equal(averaged(channels, MASKS, Masking()), averaged(EACH, MASKS, Masking()))


def test_nothing_is_learnt_where_a_mask_is_black_even_of_a_picture_that_is_black_all_over():
    each = EACH.clone().requires_grad_()
    averaged(each, MASKS, Masking(normalize_masked_area_loss=True)).sum().backward()
    assert each.grad.flatten().tolist() == pytest.approx([1 / 1.5, 0.5 / 1.5, 0, 0])
