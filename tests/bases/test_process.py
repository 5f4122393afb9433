"""Noise and targets against the equations and against diffusers; what a process is asked, done or refused."""

import pytest
import torch
from diffusers import DDPMScheduler

from lora_nb.bases import process
from lora_nb.bases.process import ASKED, Diffusion, refuse_unheard
from lora_nb.config.loss import Loss
from lora_nb.declare import settings_of
from lora_nb.settings import make

SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(5, 4, 8, 8, generator=generator) for _ in range(2)], torch.tensor(
        [0, 10, 500, 900, 999]
    )


def test_noise_and_velocity_are_those_of_diffusers(batch):
    (latents, noise), timesteps = batch
    scheduler, signal = DDPMScheduler(**SCHEDULE), process.alphas_cumprod(SCHEDULE)[timesteps]
    assert torch.allclose(
        process.add_noise(latents, noise, signal), scheduler.add_noise(latents, noise, timesteps), atol=1e-6
    )
    assert torch.allclose(
        process.target(latents, noise, signal, "v_prediction"),
        scheduler.get_velocity(latents, noise, timesteps),
        atol=1e-6,
    )
    assert process.target(latents, noise, signal, "epsilon") is noise


def test_the_schedule_is_that_of_sd15():
    signal = process.alphas_cumprod(SCHEDULE)
    assert len(signal) == 1000 and signal[-1].item() == pytest.approx(0.00466, abs=2e-5)
    assert (signal / (1 - signal))[-1].item() == pytest.approx(0.00468, abs=2e-5)


ZERO_SNR = {**SCHEDULE, "rescale_betas_zero_snr": True}


def test_noise_cannot_be_predicted_at_zero_snr():
    assert process.alphas_cumprod(ZERO_SNR)[-1] == 0
    with pytest.raises(ValueError, match="^mine predicts epsilon .* zero SNR"):
        process.check_schedule(ZERO_SNR, "epsilon", "mine")
    process.check_schedule(ZERO_SNR, "v_prediction", "mine")
    process.check_schedule(SCHEDULE, "epsilon", "mine")


EPSILON, VELOCITY = Diffusion(SCHEDULE, "epsilon"), Diffusion(SCHEDULE, "v_prediction")
LATENTS = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(7))


def draw(**options):
    return EPSILON.draw(LATENTS, make(Loss, **options), torch.Generator().manual_seed(5))


def test_by_default_noise_and_time_are_the_first_two_that_the_generator_gives():
    """What runs of before drew, bit for bit: a run that goes on must draw the same."""
    generator = torch.Generator().manual_seed(5)
    drawn = draw()
    assert torch.equal(drawn.noise, torch.randn(4, 8, 8, generator=generator)) and drawn.mixed is drawn.noise
    assert torch.equal(drawn.time, torch.randint(1000, (), generator=generator))
    generator.manual_seed(5)
    noise = torch.randn(4, 8, 8, generator=generator)
    noise = noise + 0.1 * torch.randn(4, 1, 1, generator=generator)
    drawn = draw(noise_offset=0.1)
    assert torch.equal(drawn.noise, noise)
    assert torch.equal(drawn.time, torch.randint(1000, (), generator=generator))


def test_perturbation_is_mixed_in_and_neither_told_nor_in_the_way_of_the_time():
    plain, drawn = draw(), draw(ip_noise_gamma=0.1)
    assert torch.equal(drawn.noise, plain.noise) and torch.equal(drawn.time, plain.time)
    assert (drawn.mixed - drawn.noise).std().item() == pytest.approx(0.1, rel=0.2)


def test_a_process_weighs_by_its_own_schedule_and_kind():
    times, loss = torch.tensor([100, 999]), make(Loss, debiased_estimation_loss=True, min_snr_gamma=None)
    signal = process.alphas_cumprod(SCHEDULE)[times]
    snr = signal / (1 - signal)
    assert torch.allclose(EPSILON.weights(times, loss), snr**-0.5)
    assert torch.allclose(VELOCITY.weights(times, loss), 1 / (snr + 1))
    zero = Diffusion(ZERO_SNR, "v_prediction").weights(times, loss)  # sd-scripts would say 1 / 1.00468
    assert zero[1] == 1 and zero[0] != VELOCITY.weights(times, loss)[0]


def test_hubers_thresholds_are_by_the_share_of_all_timesteps_and_by_the_own_schedule():
    times = torch.tensor([0, 500, 999])
    exponential = make(Loss, loss_type="huber", huber_schedule="exponential", huber_c=0.01, huber_scale=2.0)
    found = EPSILON.thresholds(times, exponential).tolist()
    assert found == pytest.approx([2, 0.2, 2 * 0.01**0.999])
    by_snr = Diffusion(ZERO_SNR, "v_prediction").thresholds(times, make(Loss, loss_type="huber"))
    assert by_snr[2].item() == pytest.approx(0.1) and by_snr[0].item() == pytest.approx(
        0.1 + 0.9 / 1.03**2, 0.01
    )


class Deaf:
    """A process that carries out nothing that it is asked."""

    honours = frozenset()


CHOSEN = {
    "noise_offset": 0.1,
    "noise_offset_random_strength": {"noise_offset": 0.1, "noise_offset_random_strength": True},
    "adaptive_noise_scale": {"noise_offset": 0.1, "adaptive_noise_scale": 0.1},
    "multires_noise_iterations": 6,
    "multires_noise_discount": {"multires_noise_iterations": 6, "multires_noise_discount": 0.5},
    "ip_noise_gamma": 0.1,
    "ip_noise_gamma_random_strength": {"ip_noise_gamma": 0.1, "ip_noise_gamma_random_strength": True},
    "min_timestep": 10,
    "max_timestep": 900,
    "timestep_distribution": "cos_map",
    "noising_weight": {"timestep_distribution": "sigmoid", "noising_weight": 2.0},
    "noising_bias": {"timestep_distribution": "logit_normal", "noising_bias": 0.5},
    "timestep_shift": 2.0,
    "min_snr_gamma": 1.0,
    "debiased_estimation_loss": True,
    "scale_v_pred_loss_like_noise_pred": True,
    "v_pred_like_loss": 0.5,
    "huber_schedule": {"loss_type": "smooth_l1"},
}


@pytest.mark.parametrize("name", ASKED)
def test_what_a_process_does_not_carry_out_is_refused_by_its_name(name):
    chosen = CHOSEN[name] if isinstance(CHOSEN[name], dict) else {name: CHOSEN[name]}
    deaf = Deaf()
    deaf.honours = frozenset(ASKED) - {name}
    with pytest.raises(ValueError, match=f"^{name} = .* has no effect on guest: "):
        refuse_unheard(deaf, make(Loss, **chosen), "guest")
    deaf.honours = frozenset(ASKED)
    refuse_unheard(deaf, make(Loss, **chosen), "guest")


def test_what_is_left_as_it_is_or_off_is_not_refused():
    refuse_unheard(Deaf(), Loss(), "guest")
    refuse_unheard(
        Deaf(), make(Loss, min_snr_gamma=None, huber_c=0.5, masked_loss=True, loss_type="l1"), "guest"
    )


@pytest.mark.parametrize(
    ("able", "unable", "chosen"),
    [
        (VELOCITY, EPSILON, {"scale_v_pred_loss_like_noise_pred": True}),
        (EPSILON, VELOCITY, {"v_pred_like_loss": 0.5}),
    ],
)
def test_what_one_kind_of_prediction_has_the_other_refuses_as_in_sd_scripts(able, unable, chosen):
    refuse_unheard(able, make(Loss, **chosen), "mine")
    with pytest.raises(ValueError, match="has no effect on mine: it is for bases that predict"):
        refuse_unheard(unable, make(Loss, **chosen), "mine")


def test_every_setting_of_the_loss_is_known_to_be_the_process_or_the_objectives():
    objectives = {
        "loss_type",
        "huber_c",
        "huber_scale",
        "masked_loss",
        "unmasked_weight",
        "normalize_masked_area_loss",
        "prior_loss_weight",
        "blank_prompt_preservation",
        "diff_output_preservation",
        "diff_output_preservation_class",
        "diff_output_preservation_share",
    }
    assert {each.name for each in settings_of(Loss)} == objectives | set(ASKED)
