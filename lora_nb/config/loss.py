"""Settings of what is minimised."""

from dataclasses import dataclass

from lora_nb.declare import needs, setting


@dataclass(frozen=True)
class Loss:
    """What is minimised."""

    min_snr_gamma: float | None = setting(5.0, "evens out the noise levels (5 is usual; empty: off)", min=0.1, max=20, in_file="always")
    noise_offset: float = setting(0.0, "lets a base without it learn darker and brighter pictures (0.05 to 0.1)", min=0, max=1, advanced=True, in_file="on")
    diff_output_preservation: float = setting(0.0, "above 0, the base stays as it is without the trigger word; 1 is usual. A trained text encoder is held to it too: both together shall answer as the untrained base. A step then takes more than twice as long, less with a smaller share", min=0, max=10)
    diff_output_preservation_class: str = setting("", "what the trigger word is one of, e.g. 1girl or person: put in its place where the base shall stay as it is; empty: the word is left out there", advanced=True, only_with=needs("diff_output_preservation"))
    diff_output_preservation_share: float = setting(1.0, "share of the pictures that the base is held to; a smaller one is faster, and each then counts for more", min=0.05, max=1, advanced=True, only_with=needs("diff_output_preservation"))
