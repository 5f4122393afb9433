"""The solver that draws with a denoising diffusion."""

from diffusers import DPMSolverMultistepScheduler


def make_solver(config: dict) -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (2M) for a base's scheduler settings, its noise schedule and prediction type kept."""
    zero_snr = bool(config.get("rescale_betas_zero_snr"))
    return DPMSolverMultistepScheduler.from_config(
        config, algorithm_type="dpmsolver++", solver_order=2, use_karras_sigmas=not zero_snr,
        final_sigmas_type="zero", rescale_betas_zero_snr=zero_snr, thresholding=False,
    )  # fmt: skip
