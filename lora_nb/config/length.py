"""Settings of how long a run is."""

from dataclasses import dataclass

from lora_nb.declare import setting


@dataclass(frozen=True)
class Length:
    """How long a run is."""

    max_train_epochs: int = setting(10, "how often the whole set is gone through", min=1, max=1000, label="epochs")
    max_train_steps: int | None = setting(None, "stop after this many steps instead", label="steps in all", min=1, max=1_000_000)
    train_batch_size: int = setting(2, "pictures per step; 2 or 3 for SD 1.5 on a free GPU", min=1, max=128, per="dataset", label="pictures per step")
    gradient_accumulation_steps: int = setting(1, "batches per optimizer step: a larger batch without its memory", label="batches added up per step", min=1, max=256, advanced=True, in_file="always")
