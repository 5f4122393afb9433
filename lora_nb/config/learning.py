"""Settings of how the weights follow their gradients."""

from dataclasses import dataclass

from lora_nb.config.optimizers import (
    ADAFACTOR,
    ALSO,
    CYCLES,
    DECAY,
    LOWEST,
    OPTIMIZERS,
    RELATIVE,
    SCHEDULES,
    WARMUP,
    schedules_with,
)
from lora_nb.declare import needs, setting


def in_steps(value: float, total_steps: int) -> int:
    """Optimizer steps: below 1 a share of all steps, else that many."""
    return int(total_steps * value) if value < 1 else int(value)


LOW = 0.1  # below it an optimizer that finds its rate itself learns next to nothing


@dataclass(frozen=True)
class Learning:
    """How the weights follow their gradients."""

    learning_rate: float = setting(5e-4, "of the U-Net; 0 trains no U-Net. 1 for Prodigy and D-Adaptation", min=0, max=10, kohya="unet_lr", in_file="on")
    text_encoder_lr: float = setting(1e-4, "of the text encoder; a fifth of the U-Net's, for styles 0", min=0, max=10, in_file="on", label="text encoder learning rate")
    text_encoder_lr2: float | None = setting(None, "of the second text encoder, where the base has two (SDXL); empty: as the first", min=0, max=10, advanced=True, label="second text encoder's learning rate")
    stop_text_encoder_training: float = setting(0.0, "when what reads text has learnt enough: below 1 a share of all steps (0.3 of 10 epochs: after the third), else a number of steps; it then stays as it is. 0: never", label="text encoder learns until", min=0, max=1_000_000, advanced=True)
    lr_scheduler: str = setting("cosine_with_restarts", "how the learning rate falls; adafactor: the optimizer Adafactor finds its own", choices=SCHEDULES, in_file="always", label="learning rate scheduler")
    lr_scheduler_num_cycles: int = setting(3, "restarts of cosine_with_restarts", label="restarts of the schedule", min=1, max=100, advanced=True, only_with=needs("lr_scheduler", *schedules_with(CYCLES)))
    lr_scheduler_power: float = setting(1.0, "power of polynomial", label="power of the schedule", min=0.01, max=10, advanced=True, only_with=needs("lr_scheduler", *schedules_with("power")))
    lr_warmup_steps: float = setting(0.05, "slow start: below 1 a share of all steps, else a number of steps", min=0, max=100_000, only_with=needs("lr_scheduler", *schedules_with(WARMUP)), label="slow start")
    lr_decay_steps: float = setting(0.2, "how long the fall at the end of warmup_stable_decay is: below 1 a share of all steps, else a number of steps", label="length of the fall", min=0, max=1_000_000, advanced=True, only_with=needs("lr_scheduler", *schedules_with(DECAY)))
    lr_scheduler_min_lr_ratio: float = setting(0.0, "where the rate ends, as a share of the highest (0.1: a tenth)", label="lowest rate, as a share", min=0, max=1, advanced=True, only_with=needs("lr_scheduler", *schedules_with(*LOWEST)))
    lr_scheduler_timescale: int | None = setting(None, "steps after which inverse_sqrt has fallen to 0.7; empty: those of the slow start, or 10000", label="timescale of the schedule", min=1, max=1_000_000, advanced=True, only_with=needs("lr_scheduler", *schedules_with("timescale")))
    lr_scheduler_args: tuple[str, ...] = setting((), "more for the schedule, as name=value with ; between, e.g. step_rules=1:100,0.1 for piecewise_constant", label="more for the schedule", advanced=True)
    optimizer: str = setting("AdamW", "AdamW is right for most. Prodigy and DAdapt... find the rate themselves: learning rates 1. Those with 8bit or Paged need bitsandbytes; for a LoRA they save some 20 MB", kohya="optimizer_type", choices=OPTIMIZERS, also=ALSO)
    optimizer_args: tuple[str, ...] = setting((), "more for the optimizer, as name=value with ; between, e.g. betas=0.9,0.99; d_coef=2", label="more for the optimizer", advanced=True)
    weight_decay: float = setting(0.01, "of the optimizer", min=0, max=1, advanced=True)
    max_grad_norm: float = setting(1.0, "longest gradient; 0 does not clip", label="longest gradient", min=0, max=100, advanced=True, in_file="always")
    ema_decay: float = setting(0.0, "above 0, files and samples hold a running average of the weights, calmer than the newest (0.99 to 0.999; the first steps count for less); 0: the newest", label="average of the weights", min=0, max=0.99999, advanced=True)

    def __post_init__(self) -> None:
        if not any(self.rates):
            raise ValueError("learning_rate = 0 and text_encoder_lr = 0: nothing would be trained; set one of them above 0")
        for name in ("lr_warmup_steps", "lr_decay_steps", "stop_text_encoder_training"):
            value = getattr(self, name)
            if value >= 1 and value != int(value):
                raise ValueError(f"{name} = {value} is neither a share below 1 nor a whole number of steps")
        self._check_rates()
        self._check_schedule()
        if self.ema_decay and OPTIMIZERS[self.optimizer].averages:
            raise ValueError(f"ema_decay = {self.ema_decay} with optimizer = {self.optimizer}: that one averages the weights itself; set ema_decay = 0")

    def _check_rates(self) -> None:
        if OPTIMIZERS[self.optimizer].adapts and len(set(filter(None, self.rates))) > 1:
            told = f"learning_rate = {self.learning_rate:g}, text_encoder_lr = {self.text_encoder_lr:g}"
            raise ValueError(f"optimizer = {self.optimizer} finds one rate for all that is trained, and would pass over the difference between {told}: set both to 1, or one of them to 0 to leave that part out")
        if self.stop_text_encoder_training and not self.trains_text:
            raise ValueError(f"stop_text_encoder_training = {self.stop_text_encoder_training:g}, but with text_encoder_lr = 0 the text encoder is not trained at all")

    def _check_schedule(self) -> None:
        if self.lr_scheduler == RELATIVE and self.optimizer != ADAFACTOR:
            raise ValueError(f"lr_scheduler = {RELATIVE} is the optimizer {ADAFACTOR}'s own, and optimizer = {self.optimizer}: choose another of the two")
        if self.lr_scheduler == "cosine_with_min_lr" and not self.lr_scheduler_min_lr_ratio:
            raise ValueError("lr_scheduler = cosine_with_min_lr ends at a share of the rate: give lr_scheduler_min_lr_ratio, e.g. 0.1, or choose cosine, which ends at 0")

    @property
    def rates(self) -> tuple[float, ...]:
        """Of the U-Net and of each text encoder."""
        return self.learning_rate, self.text_encoder_lr, *([] if self.text_encoder_lr2 is None else [self.text_encoder_lr2])

    @property
    def trains_text(self) -> bool:
        """Whether any of what reads text learns."""
        return any(self.rates[1:])

    def rates_of_text(self, count: int) -> tuple[float, ...]:
        """The learning rates of a base's `count` text encoders. Raises ValueError for a rate of one it does not have."""
        if self.text_encoder_lr2 is not None and count < 2:
            raise ValueError(f"text_encoder_lr2 = {self.text_encoder_lr2:g} is for the second text encoder, and this base has {count}: leave it empty")
        second = self.text_encoder_lr if self.text_encoder_lr2 is None else self.text_encoder_lr2
        return (self.text_encoder_lr, *[second] * (count - 1))[:count]

    def text_stops_at(self, total_steps: int) -> int | None:
        """The step after which what reads text stays as it is; None where it never stops."""
        stop = self.stop_text_encoder_training
        return max(1, in_steps(stop, total_steps)) if stop else None

    def advice(self, total_steps: int) -> list[str]:
        """What is unusual with this optimizer and what would be usual, and what has no effect in a run of that length."""
        stop = self.text_stops_at(total_steps) or 0
        late = [f"stop_text_encoder_training has no effect: step {stop} is not before the end of the run, which has {total_steps}"]
        return self._unusual() + (late if stop >= total_steps else [])

    def _unusual(self) -> list[str]:
        row, highest = OPTIMIZERS[self.optimizer], max(self.rates)
        if row.adapts and highest <= LOW:
            return [f"optimizer = {self.optimizer} finds the rate itself and multiplies it by learning_rate: 1 is usual, with {highest:g} next to nothing is learnt"]
        if row.averages and self.lr_scheduler not in ("constant", "constant_with_warmup"):
            return [f"optimizer = {self.optimizer} averages the weights, so that no rate needs to fall: lr_scheduler = constant is usual with it"]
        if self.lr_scheduler == RELATIVE:
            return [f"with lr_scheduler = {RELATIVE} learning_rate and text_encoder_lr say what is trained (above 0) and no more"]
        usual = self.learning_rate == type(self).learning_rate
        return [f"optimizer = {self.optimizer}: {row.advice}"] if row.advice and usual else []
