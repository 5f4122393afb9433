"""A run that is planned: its examples, what comes together in each epoch, its steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from lora_nb.config.training import TrainConfig
from lora_nb.dataset.buckets import Draw, Kind, Placement, Size, epoch_batches
from lora_nb.dataset.images import ImageItem
from lora_nb.sizes import written
from lora_nb.training.examples import Counts, Example


@dataclass(frozen=True)
class RunPlan:
    """A resolved run: every path and size filled in, every picture placed, every step counted.

    `sizes` are (width, height) of the run's own resolutions; a step takes `batches_per_step` batches of all processes.
    `held_out` are pictures that are never learnt, each once.
    """

    config: TrainConfig
    sizes: tuple[Size, ...]
    examples: tuple[Example, ...]
    counts: Counts
    batches_per_epoch: int
    batches_per_step: int
    steps_per_epoch: int
    epochs: int
    total_steps: int
    lines: tuple[str, ...]
    warnings: tuple[str, ...]
    held_out: tuple[Example, ...] = ()

    @property
    def resolution(self) -> int | str:
        """The resolutions as a setting says them."""
        return written(self.sizes)

    @property
    def items(self) -> tuple[ImageItem, ...]:
        return tuple(example.item for example in self.examples)

    @property
    def captions(self) -> tuple[str, ...]:
        return tuple(example.caption for example in self.examples)

    @property
    def placements(self) -> tuple[Placement, ...]:
        return tuple(example.placement for example in self.examples)

    @property
    def buckets(self) -> tuple[Size, ...]:
        return tuple(example.placement.bucket for example in self.examples)

    @property
    def repeats(self) -> tuple[int, ...]:
        """How often each example is seen in the first epoch."""
        return self.counts.in_epoch(1)

    @property
    def learnt(self) -> tuple[Example, ...]:
        """Each picture that is learnt once, without regularisation, at the first of its sizes."""
        first = {(each.item.path, each.source.group): each for each in reversed(self.examples)}
        return tuple(
            each for each in self.examples
            if not each.source.is_reg and first[each.item.path, each.source.group] is each
        )  # fmt: skip

    @property
    def reads_masks(self) -> bool:
        """Whether the masks that lie beside the pictures are looked at."""
        return self.config.loss.masked_loss

    @property
    def weights(self) -> tuple[float, ...]:
        """How much the loss of each example counts; empty where none is regularisation."""
        if not any(example.source.is_reg for example in self.examples):
            return ()
        prior = self.config.loss.prior_loss_weight
        return tuple(prior if example.source.is_reg else 1.0 for example in self.examples)

    def batches(self, epoch: int) -> tuple[Draw, ...]:
        """The batches of one epoch, of examples by their position; epochs count from 1."""
        kinds, sizes = kinds_of(self.examples)
        return epoch_batches(kinds, self.counts.in_epoch(epoch), sizes, self.config.seed, epoch)


def kinds_of(examples: Sequence[Example]) -> tuple[list[Kind], list[int]]:
    """What each example shares with the others of its batch, and how many come in one."""
    return [each.kind for each in examples], [each.source.batch_size for each in examples]
