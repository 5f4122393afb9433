"""Settings of what is drawn for each picture: its noise, and how much of it."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.declare import needs, setting

SHAPED = ("logit_normal", "heavy_tail", "sigmoid", "inverted_parabola")  # distributions that noising_weight bends
MOVED = ("logit_normal", "sigmoid", "inverted_parabola")  # those that noising_bias moves


@dataclass(frozen=True)
class Noise:
    """Which noise is mixed into a picture."""

    noise_offset: float = setting(0.0, "lets a base without it learn darker and brighter pictures (0.05 to 0.1)", min=0, max=1, advanced=True, in_file="on")
    noise_offset_random_strength: bool = setting(False, "another strength for each picture, from none to noise_offset", label="vary the noise offset", advanced=True, in_file="always", only_with=needs("noise_offset"))
    adaptive_noise_scale: float = setting(0.0, "adds this much of a picture's mean brightness to noise_offset, so that dark and bright pictures get more of it; below 0 less", label="noise offset by brightness", min=-1, max=1, advanced=True, in_file="on", only_with=needs("noise_offset"))
    multires_noise_iterations: int = setting(0, "noise in coarse grains too (pyramid noise): how many sizes of them; 6 to 10 is usual, 0 is off", label="sizes of coarse noise", min=0, max=10, advanced=True, in_file="on")
    multires_noise_discount: float = setting(0.3, "how much less each coarser grain counts; 0.1 to 0.3 for most bases, 0.8 for strong contrasts", label="discount of coarse noise", min=0, max=1, advanced=True, in_file="always", only_with=needs("multires_noise_iterations"))
    ip_noise_gamma: float = setting(0.0, "noise that the base is not told of, mixed in besides (input perturbation): it learns to correct itself; 0.05 to 0.1 is usual", label="noise that is not told", min=0, max=1, advanced=True, in_file="on")
    ip_noise_gamma_random_strength: bool = setting(False, "another strength for each picture, from none to ip_noise_gamma", label="vary the noise not told", advanced=True, in_file="always", only_with=needs("ip_noise_gamma"))


@dataclass(frozen=True)
class Times:
    """How much noise is mixed in: which noise levels are trained, and which of them more often."""

    min_timestep: int = setting(0, "least noise that is trained with, of 1000; higher leaves details as the base has them", label="least noise", min=0, max=999, advanced=True)
    max_timestep: int | None = setting(None, "where the noise that is trained with ends, of 1000; lower leaves composition as the base has it; empty: all", label="most noise", min=1, max=1000, advanced=True)
    timestep_distribution: Literal["uniform", "logit_normal", "heavy_tail", "cos_map", "sigmoid", "inverted_parabola"] = setting("uniform", "which noise levels are met more often: uniform, none; logit_normal, those in the middle; heavy_tail and cos_map, middle or ends; sigmoid, the high ones; inverted_parabola, those around a point", label="noise levels met more often", advanced=True)
    noising_weight: float = setting(0.0, "how strongly timestep_distribution prefers them; for logit_normal, how far it spreads", label="how much more often", min=-10, max=100, advanced=True, only_with=needs("timestep_distribution", *SHAPED))
    noising_bias: float = setting(0.0, "moves what timestep_distribution prefers: above 0 to more noise", label="preference for more noise", min=-10, max=10, advanced=True, only_with=needs("timestep_distribution", *MOVED))
    timestep_shift: float = setting(1.0, "above 1, more noise is met more often, below 1 less; 1 shifts nothing", label="shift to more noise", min=0.01, max=100, advanced=True)

    def __post_init__(self) -> None:
        if self.max_timestep is not None and self.min_timestep >= self.max_timestep:
            raise ValueError(f"min_timestep = {self.min_timestep} is not below max_timestep = {self.max_timestep}: no noise level would be trained")
        if self.timestep_distribution == "logit_normal" and self.noising_weight <= -1:
            raise ValueError(f"noising_weight = {self.noising_weight:g} leaves logit_normal no spread: it must be above -1")
        if self.timestep_distribution == "heavy_tail" and not -1 <= self.noising_weight <= 1.75:
            raise ValueError(f"noising_weight = {self.noising_weight:g} leads heavy_tail out of all noise levels: it must be from -1 to 1.75")
        if self.timestep_distribution == "inverted_parabola" and self.noising_weight * max(abs(self.noising_bias) - 0.5, 0) ** 2 >= 2:
            raise ValueError(f"noising_weight = {self.noising_weight:g} with noising_bias = {self.noising_bias:g} leaves inverted_parabola no noise level: bring noising_bias nearer to 0, or lower noising_weight")
