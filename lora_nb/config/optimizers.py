"""The optimizers there are, as data: which library's class each is. One row is one more choice everywhere."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OptimizerClass:
    """Where the class of an optimizer lies, and what a LoRA file calls it. `needs` is said where it is missing."""

    module: str
    name: str
    in_file: str
    needs: str = ""


OPTIMIZERS = {
    "AdamW": OptimizerClass("torch.optim", "AdamW", "torch.optim.adamw.AdamW"),
    "AdamW8bit": OptimizerClass(
        "bitsandbytes.optim",
        "AdamW8bit",
        "bitsandbytes.optim.adamw.AdamW8bit",
        'needs bitsandbytes (pip install bitsandbytes); "AdamW" learns the same',
    ),
}
