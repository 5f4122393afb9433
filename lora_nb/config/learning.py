"""Settings of how the weights follow their gradients."""

from dataclasses import dataclass

from lora_nb.config.optimizers import OPTIMIZERS, SCHEDULES, WARMUP
from lora_nb.declare import needs, setting


@dataclass(frozen=True)
class Learning:
    """How the weights follow their gradients."""

    learning_rate: float = setting(5e-4, "of the U-Net; 0 trains no U-Net", min=0, max=1, kohya="unet_lr", in_file="on")
    text_encoder_lr: float = setting(1e-4, "of the text encoder; a fifth of the U-Net's, for styles 0", min=0, max=1, in_file="on", label="text encoder learning rate")
    lr_scheduler: str = setting("cosine_with_restarts", "how the learning rate falls", choices=SCHEDULES, in_file="always", label="learning rate scheduler")
    lr_scheduler_num_cycles: int = setting(3, "restarts of cosine_with_restarts", min=1, max=100, advanced=True, only_with=needs("lr_scheduler", "cosine_with_restarts"))
    lr_scheduler_power: float = setting(1.0, "power of polynomial", min=0.01, max=10, advanced=True, only_with=needs("lr_scheduler", "polynomial"))
    lr_warmup_steps: float = setting(0.05, "slow start: below 1 a share of all steps, else a number of steps", min=0, max=100_000, only_with=needs("lr_scheduler", *(name for name, row in SCHEDULES.items() if WARMUP in row.takes)))
    optimizer: str = setting("AdamW", "AdamW8bit needs a GPU and bitsandbytes; for a LoRA it saves some 20 MB", kohya="optimizer_type", choices=OPTIMIZERS)
    weight_decay: float = setting(0.01, "of the optimizer", min=0, max=1, advanced=True)
    max_grad_norm: float = setting(1.0, "longest gradient; 0 does not clip", min=0, max=100, advanced=True, in_file="always")

    def __post_init__(self) -> None:
        if self.learning_rate == 0 and self.text_encoder_lr == 0:
            raise ValueError("learning_rate = 0 and text_encoder_lr = 0: nothing would be trained; set one of them above 0")
        if self.lr_warmup_steps >= 1 and self.lr_warmup_steps != int(self.lr_warmup_steps):
            raise ValueError(f"lr_warmup_steps = {self.lr_warmup_steps} is neither a share below 1 nor a whole number of steps")
