"""Settings of what is minimised."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.noise import Noise, Times
from lora_nb.declare import either, needs, part, setting

HUBER = ("huber", "smooth_l1")  # the losses that need to know where a difference is large


@dataclass(frozen=True)
class Weights:
    """How much each noise level counts."""

    debiased_estimation_loss: bool = setting(False, "counts high noise levels more and low ones less, instead of min_snr_gamma (leave that empty then)", label="count high noise more", advanced=True)
    scale_v_pred_loss_like_noise_pred: bool = setting(False, "weighs a v-prediction base's loss as if it predicted noise", label="weigh v as if it were noise", advanced=True)
    v_pred_like_loss: float = setting(0.0, "adds this much of what the loss would be if a base that predicts noise predicted v", label="share of a loss like v's", min=0, max=10, advanced=True)


@dataclass(frozen=True)
class Distance:
    """What a wrong answer costs."""

    loss_type: Literal["l2", "l1", "huber", "smooth_l1"] = setting("l2", "l2: the squared error; l1, huber and smooth_l1 forgive single pictures and places that are far off", label="kind of loss", advanced=True, in_file="always")
    huber_schedule: Literal["constant", "exponential", "snr"] = setting("snr", "where an error is a large one: the same at all noise levels, or sooner with more noise", label="when an error is a large one", advanced=True, in_file="on", only_with=needs("loss_type", *HUBER))
    huber_c: float = setting(0.1, "errors far above it count by their size and no longer by its square", label="bound of large errors", min=0.001, max=1, advanced=True, in_file="on", only_with=needs("loss_type", *HUBER))
    huber_scale: float = setting(1.0, "times huber_c; has no part in the snr schedule", label="scale of that bound", min=0.001, max=100, advanced=True, in_file="on", only_with=needs("huber_schedule", "constant", "exponential"))


@dataclass(frozen=True)
class Masking:
    """How the parts of a picture count where it has a mask."""

    unmasked_weight: float = setting(0.0, "how much black parts of a mask count all the same; a little (0.1) keeps backgrounds from decaying", label="weight of a mask's black", min=0, max=1, advanced=True, only_with=either(needs("masked_loss"), needs("alpha_mask")))
    normalize_masked_area_loss: bool = setting(False, "a picture counts the same however small the white part of its mask is", label="small masks count as much", advanced=True, only_with=either(needs("masked_loss"), needs("alpha_mask")))


@dataclass(frozen=True)
class Loss:
    """What is minimised."""

    min_snr_gamma: float | None = setting(5.0, "evens out the noise levels (5 is usual; empty: off)", label="even out noise levels", min=0.1, max=20, in_file="always")
    noise: Noise = part(Noise)
    times: Times = part(Times)
    weights: Weights = part(Weights)
    distance: Distance = part(Distance)
    masked_loss: bool = setting(False, "learn only what the masks of the pictures leave: white counts, black does not", label="learn by masks")
    masking: Masking = part(Masking)
    prior_loss_weight: float = setting(1.0, "how much a regularisation picture counts, against one of your own", label="weight of regularisation", min=0, max=10, advanced=True, in_file="always")
    blank_prompt_preservation: float = setting(0.0, "above 0, the base stays as it is without any prompt, which is what guidance leads away from; 1 is usual. A step then takes more than twice as long", label="keep the base without words", min=0, max=10, advanced=True)
    diff_output_preservation: float = setting(0.0, "above 0, the base stays as it is without the trigger word; 1 is usual. A trained text encoder is held to it too: both together shall answer as the untrained base. A step then takes more than twice as long, less with a smaller share", min=0, max=10, label="keep the rest as it is")
    diff_output_preservation_class: str = setting("", "what the trigger word is one of, e.g. 1girl or person: put in its place where the base shall stay as it is; empty: the word is left out there", label="what the trigger is one of", advanced=True, only_with=needs("diff_output_preservation"))
    diff_output_preservation_share: float = setting(1.0, "share of the pictures that the base is held to; a smaller one is faster, and each then counts for more", label="share held to the base", min=0.05, max=1, advanced=True, only_with=needs("diff_output_preservation"))
