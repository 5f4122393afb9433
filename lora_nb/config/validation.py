"""Settings of how a run is checked while it learns."""

from dataclasses import dataclass, fields

from lora_nb.declare import setting


@dataclass(frozen=True)
class Validation:
    """How a run is checked: the loss on the same pictures with the same noise, again and again."""

    validation_split: float = setting(0.0, "this share of the pictures is never learnt and shows when a run is over-trained; which ones comes from their content, copies stay together. 0.1 is usual from 40 pictures on; 0: none, and a few learnt ones are checked instead", min=0, max=0.5, in_file="always", label="share of pictures held out")
    validation_seed: int | None = setting(None, "which pictures are held out, and with which noise they are checked; empty: the same for all runs, so that their curves can be compared", label="seed of the checks", min=0, max=2**32 - 1, advanced=True, in_file="always")
    validate_every_n_epochs: int | None = setting(None, "the loss is checked every n epochs; empty: as often as takes less than a twentieth of the time; 0: never", min=0, max=1000, advanced=True, same_run=True, in_file="always", label="check every n epochs")
    validate_every_n_steps: int = setting(0, "besides, every n steps; 0: never", min=0, max=1_000_000, advanced=True, same_run=True, in_file="on", label="check every n steps")
    max_validation_steps: int | None = setting(None, "pictures that are checked each time, at most; empty: 6 learnt ones, or 16 of those held out", min=1, max=10_000, advanced=True, same_run=True, in_file="always", label="pictures checked at most")
    validation_base_pictures: int = setting(4, "so many pictures are drawn by the base itself before the training, and checked too: how much it forgets of what it could. 0: none", min=0, max=64, advanced=True, same_run=True, label="pictures of the base itself")

    def __post_init__(self) -> None:
        if self.validate_every_n_epochs != 0 or self.validate_every_n_steps:
            return
        for each in fields(self):
            if each.name != "validate_every_n_epochs" and getattr(self, each.name) != each.default:
                raise ValueError(f"{each.name} has no effect with validate_every_n_epochs = 0, for nothing is checked: leave {each.name} out, or give validate_every_n_epochs or validate_every_n_steps")

    @property
    def is_asked_for(self) -> bool:
        """Whether a person said anything about it, so that the checks are made whatever they cost."""
        return any(getattr(self, each.name) != each.default for each in fields(self))


@dataclass(frozen=True)
class CurveConfig:
    """What the checks of a run say of it."""

    run: str = setting("", "the folder of a run: Loras/<project>/runs/<name>", bare=True)
