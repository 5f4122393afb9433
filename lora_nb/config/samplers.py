"""The samplers there are, as data: which class of diffusers each is, and what A1111 calls it. A row is a choice everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KARRAS = "use_karras_sigmas"


@dataclass(frozen=True)
class SamplerClass:
    """A scheduler of diffusers with its arguments; `a1111` and `schedule` are what a picture's text names.

    `to_zero_snr` says whether it can begin at pure noise, as a base with zero terminal SNR must.
    """

    name: str
    a1111: str
    schedule: str = "Automatic"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    to_zero_snr: bool = True


def _multistep(a1111: str, kind: str, karras: bool) -> SamplerClass:
    given = {"algorithm_type": kind, "solver_order": 2, KARRAS: karras, "final_sigmas_type": "zero", "thresholding": False}
    return SamplerClass("DPMSolverMultistepScheduler", a1111, "Karras" if karras else "Automatic", given)


USUAL = "dpmpp_2m_karras"
SAMPLERS: dict[str, SamplerClass] = {
    USUAL: _multistep("DPM++ 2M", "dpmsolver++", karras=True),
    "dpmpp_2m": _multistep("DPM++ 2M", "dpmsolver++", karras=False),
    "dpmpp_2m_sde_karras": _multistep("DPM++ 2M SDE", "sde-dpmsolver++", karras=True),
    "euler": SamplerClass("EulerDiscreteScheduler", "Euler"),
    "euler_a": SamplerClass("EulerAncestralDiscreteScheduler", "Euler a"),
    "heun": SamplerClass("HeunDiscreteScheduler", "Heun", to_zero_snr=False),
    "dpm_2": SamplerClass("KDPM2DiscreteScheduler", "DPM2", to_zero_snr=False),
    "dpm_2_a": SamplerClass("KDPM2AncestralDiscreteScheduler", "DPM2 a", to_zero_snr=False),
    "ddim": SamplerClass("DDIMScheduler", "DDIM", arguments={"clip_sample": False, "set_alpha_to_one": False}),
    "pndm": SamplerClass("PNDMScheduler", "PLMS", arguments={"skip_prk_steps": True}, to_zero_snr=False),
    "unipc": SamplerClass("UniPCMultistepScheduler", "UniPC", arguments={"solver_order": 2}),
}
# What sd-scripts and A1111 call them.
ALSO = {
    "DPM++ 2M Karras": USUAL,
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ 2M SDE Karras": "dpmpp_2m_sde_karras",
    "dpmsolver": "dpmpp_2m",
    "dpmsolver++": "dpmpp_2m",
    "Euler": "euler",
    "Euler a": "euler_a",
    "k_euler": "euler",
    "k_euler_a": "euler_a",
    "Heun": "heun",
    "k_dpm_2": "dpm_2",
    "k_dpm_2_a": "dpm_2_a",
    "DDIM": "ddim",
    "PLMS": "pndm",
    "UniPC": "unipc",
}
