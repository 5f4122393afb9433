"""How much a noise level counts, against sd-scripts' formulas on numbers that can be done in the head."""

import pytest
import torch
from diffusers import DDPMScheduler

from lora_nb.bases import weighting
from lora_nb.config.loss import Distance, Loss
from lora_nb.settings import make

SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}
SIGNAL = torch.tensor([0.2, 0.5, 0.9, 0.9999])  # SNR 1/4, 1, 9, 9999


def weigh(kind, **options):
    options = {"min_snr_gamma": None, **options}
    return weighting.weigh(SIGNAL, make(Loss, **options), kind).tolist()


def test_min_snr_caps_the_easy_steps_only():
    signal = DDPMScheduler(**SCHEDULE).alphas_cumprod[torch.tensor([0, 500, 999])]
    snr = signal / (1 - signal)
    assert torch.allclose(weighting.snr_weights(signal, 5.0, "epsilon"), torch.tensor([5 / snr[0], 1, 1]))
    assert torch.allclose(weighting.snr_weights(signal, 5.0, "v_prediction"), snr.clamp(max=5) / (snr + 1))
    assert torch.equal(weighting.snr_weights(signal, None, "epsilon"), torch.ones(3))
    assert weigh("epsilon", min_snr_gamma=5.0) == pytest.approx([1, 1, 5 / 9, 5 / 9999], rel=1e-3)
    assert weigh("v_prediction", min_snr_gamma=5.0) == pytest.approx(
        [1 / 5, 1 / 2, 5 / 10, 5 / 10000], rel=1e-3
    )


def test_weights_are_finite_where_nothing_or_all_of_the_picture_is_left():
    signal = torch.tensor([1.0, 0.5, 1e-9, 0.0])
    assert weighting.snr_weights(signal, 5.0, "epsilon").tolist() == [0, 1, 1, 1]
    assert weighting.snr_weights(signal, 5.0, "v_prediction").tolist() == pytest.approx([0, 0.5, 1e-9, 0])
    loss = make(
        Loss, debiased_estimation_loss=True, scale_v_pred_loss_like_noise_pred=True, min_snr_gamma=None
    )
    found = weighting.weigh(signal, loss, "v_prediction").tolist()
    assert found == pytest.approx([1000 / 1001 / 1001, 1 / 4, 1e-9, 0])


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("epsilon", {}, [1, 1, 1, 1]),
        ("epsilon", {"debiased_estimation_loss": True}, [2, 1, 1 / 3, 1000**-0.5]),
        ("v_prediction", {"debiased_estimation_loss": True}, [4 / 5, 1 / 2, 1 / 10, 1 / 1001]),
        ("v_prediction", {"scale_v_pred_loss_like_noise_pred": True}, [1 / 5, 1 / 2, 9 / 10, 1000 / 1001]),
        ("epsilon", {"v_pred_like_loss": 0.5}, [3.5, 2, 1 + 0.5 * 10 / 9, 1 + 0.5 * 1.001]),
        ("epsilon", {"min_snr_gamma": 5.0, "v_pred_like_loss": 0.5, "debiased_estimation_loss": True},
         [3.5 * 2, 2, 5 / 9 * (1 + 5 / 9) / 3, 5 / 9999 * 1.5005 * 1000**-0.5]),
    ],
)  # fmt: skip
def test_each_weight_is_sd_scripts_and_several_are_multiplied(kind, options, expected):
    assert weigh(kind, **options) == pytest.approx(expected, rel=1e-3)


def thresholds(**options):
    distance = make(Distance, loss_type="huber", **options)
    return weighting.huber_thresholds(SIGNAL, torch.tensor([0.9, 0.5, 0.1, 0.0]), distance).tolist()


def test_hubers_thresholds_are_sd_scripts():
    assert thresholds(huber_schedule="constant", huber_c=0.2, huber_scale=3.0) == pytest.approx([0.6] * 4)
    exponential = thresholds(huber_schedule="exponential", huber_c=0.01, huber_scale=3.0)
    assert exponential == pytest.approx([3 * 0.01**0.9, 0.3, 3 * 0.01**0.1, 3])
    expected = [
        0.1 + 0.9 / 9,
        0.1 + 0.9 / 4,
        0.1 + 0.9 / (4 / 3) ** 2,
        0.1 + 0.9 / 1.01**2,
    ]  # deviations 2, 1, 1/3, 1/100
    assert thresholds() == pytest.approx(expected, rel=1e-3)
    assert thresholds(huber_scale=9.0) == thresholds() != thresholds(huber_c=0.2)
