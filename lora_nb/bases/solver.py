"""The solver that draws with a denoising diffusion.

Shapes: C channels, h w latents.
"""

from collections.abc import Callable

from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from lora_nb.bases.base import Condition

Ask = Callable[[Tensor, Tensor, Condition], Tensor]


def make_solver(config: dict) -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (2M) for a base's scheduler settings, its noise schedule and prediction type kept.

    One trained down to pure noise begins there, whatever its settings say (Lin et al. 2023, 3.3).
    """
    zero_snr = bool(config.get("rescale_betas_zero_snr"))
    config = {**config, "timestep_spacing": "trailing"} if zero_snr else config
    return DPMSolverMultistepScheduler.from_config(
        config, algorithm_type="dpmsolver++", solver_order=2, use_karras_sigmas=not zero_snr,
        final_sigmas_type="zero", rescale_betas_zero_snr=zero_snr, thresholding=False,
    )  # fmt: skip


def draw(ask: Ask, told: Condition, noise: Tensor, config: dict, steps: int, guidance: float) -> Tensor:
    """Latents (1, C, h, w) from noise of variance one, by DPM-Solver++ (2M) on Karras' noise levels.

    `told` is what to draw; with two rows the first is what to lead away from, by `guidance`. `ask` gives the
    denoiser's answer to as many noisy latents at a time (). In float32 diffusers' pipeline gives the same latents to
    the bit; in half precision it would round them to that at each step, which these are spared.
    """
    rows, device, dtype = len(told.states), told.states.device, told.states.dtype
    solver = make_solver(config)
    solver.set_timesteps(steps, device=device)
    latents = noise.to(device) * solver.init_noise_sigma
    for time in solver.timesteps:
        seen = solver.scale_model_input(latents, time).expand(rows, -1, -1, -1).to(dtype)
        answer = ask(seen, time, told).float()
        if rows == 2:
            away, towards = answer.chunk(2)
            answer = away + guidance * (towards - away)
        latents = solver.step(answer, time, latents).prev_sample
    return latents
