"""When a run saves a file, draws samples and keeps its state: by steps, epochs and minutes."""

import time
from collections.abc import Callable

from lora_nb.config.training import TrainConfig

SAVE, SAMPLE, STATE = "save", "sample", "state"


class Moments:
    """The moments of a run of `epochs` epochs. Minutes count from its start, and again from each time they were up."""

    def __init__(self, config: TrainConfig, epochs: int, now: Callable[[], float] = time.monotonic):
        """Take the clock, in seconds, as `now`."""
        saving, samples, resuming = config.saving, config.samples, config.resuming
        self.now = now
        self.steps = {
            SAVE: saving.save_every_n_steps,
            SAMPLE: samples.sample_every_n_steps,
            STATE: resuming.save_state_every_n_steps,
        }
        self.minutes = {
            SAVE: saving.save_every_n_minutes,
            SAMPLE: samples.sample_every_n_minutes,
            STATE: resuming.save_state_every_n_minutes,
        }
        self.since = dict.fromkeys(self.minutes, now())
        self.epochs, self.sampled_epochs = epochs, samples.sample_every_n_epochs
        ratio = saving.save_n_epoch_ratio
        self.saved_epochs = max(1, epochs // ratio) if ratio else saving.save_every_n_epochs

    def by_steps(self, step: int) -> frozenset[str]:
        """What is due after a step by its number, in a run that was stopped at it too."""
        return frozenset(what for what, every in self.steps.items() if every and step % every == 0)

    def by_minutes(self) -> frozenset[str]:
        """What is due by the clock; each answer is given once."""
        now = self.now()
        due = {what for what, every in self.minutes.items() if every and now - self.since[what] >= 60 * every}
        self.since |= dict.fromkeys(due, now)
        return frozenset(due)

    def saves(self, epoch: int) -> bool:
        """Whether a file is saved at the end of an epoch."""
        return epoch == self.epochs or epoch % self.saved_epochs == 0

    def draws(self, epoch: int) -> bool:
        """Whether samples are drawn at the end of an epoch that is saved."""
        every = self.sampled_epochs
        return bool(every) and (epoch == self.epochs or epoch % every == 0)
