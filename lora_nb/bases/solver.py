"""The solver that draws with a denoising diffusion.

Shapes: C channels, h w latents.
"""

import inspect
from collections.abc import Callable
from typing import Any

import diffusers
from torch import Tensor

from lora_nb.bases.base import Condition, Drawing
from lora_nb.config.samplers import SAMPLERS, USUAL

Ask = Callable[[Tensor, Tensor, Condition], Tensor]


def make_solver(config: dict, sampler: str = USUAL) -> Any:
    """The scheduler of diffusers for a base's scheduler settings, its noise schedule and prediction type kept.

    For a base trained down to pure noise it begins there, whatever the settings say (Lin et al. 2023, 3.3); raises
    ValueError for a sampler that cannot.
    """
    row, given = SAMPLERS[sampler], dict(SAMPLERS[sampler].arguments)
    if config.get("rescale_betas_zero_snr"):
        given |= _from_pure_noise(sampler)
    config = {**config, "thresholding": False}
    return getattr(diffusers, row.name).from_config(config, **given)


def _from_pure_noise(sampler: str) -> dict[str, Any]:
    row = SAMPLERS[sampler]
    if not row.to_zero_snr:
        able = ", ".join(name for name, other in SAMPLERS.items() if other.to_zero_snr)
        raise ValueError(
            f"sampler = {sampler} cannot begin at pure noise, as this base (zero terminal SNR) must: take one of {able}"
        )
    karras = {"use_karras_sigmas": False} if "use_karras_sigmas" in row.arguments else {}
    return {**karras, "timestep_spacing": "trailing", "rescale_betas_zero_snr": True}


def draw(ask: Ask, told: Condition, noise: Tensor, config: dict, drawing: Drawing) -> Tensor:
    """Latents (1, C, h, w) from noise of variance one.

    `told` is what to draw; with two rows the first is what to lead away from, by the guidance. `ask` gives the
    denoiser's answer to as many noisy latents at a time (). In float32 diffusers' pipeline gives the same latents to
    the bit; in half precision it would round them to that at each step, which these are spared.
    """
    rows, device, dtype = len(told.states), told.states.device, told.states.dtype
    solver = make_solver(config, drawing.sampler)
    takes_chance = "generator" in inspect.signature(solver.step).parameters
    chance = {"generator": drawing.chance} if takes_chance else {}
    solver.set_timesteps(drawing.steps, device=device)
    latents = noise.to(device) * solver.init_noise_sigma
    for time in solver.timesteps:
        seen = solver.scale_model_input(latents, time).expand(rows, -1, -1, -1).to(dtype)
        answer = ask(seen, time, told).float()
        if rows == 2:
            away, towards = answer.chunk(2)
            answer = away + drawing.guidance * (towards - away)
        latents = solver.step(answer, time, latents, **chance).prev_sample
    return latents
