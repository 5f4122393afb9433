"""Pictures and captions as batches: every random choice a function of (seed, epoch, sample).

Shapes: B batch, C channels, H W pixels, h w latents.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lora_nb.bases.base import Framing
from lora_nb.bases.process import Process
from lora_nb.config.training import TrainConfig
from lora_nb.dataset import buckets
from lora_nb.dataset.variation import Moment, varies, vary_caption
from lora_nb.training.latents import Views, views_of_run
from lora_nb.training.run_plan import RunPlan


@dataclass(frozen=True)
class Batch:
    """One step's worth of pictures: latents (scaled as the denoiser expects) and noise (B, C, h, w), timesteps (B,).

    `preserved` are the rows on which diff_output_preservation is taken; `framings` tell how each came to its size.
    `masks` (B, 1, h, w) say from 0 to 1 how much each place counts; `counts` how much each picture does (empty: all 1).
    `mixed` is the noise that is mixed in; None: `noise`, which is to be told from the picture.
    """

    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    captions: tuple[str, ...]
    samples: tuple[buckets.Sample, ...]
    preserved: tuple[int, ...] = ()
    framings: tuple[Framing, ...] = ()
    masks: Tensor | None = None
    counts: tuple[float, ...] = ()
    mixed: Tensor | None = None


def dice(seed: int, epoch: int, sample: buckets.Sample, what: str) -> int:
    """A 63-bit seed for one use of one sample: the same on every machine, for any number of workers."""
    text = f"{what}/{seed}/{epoch}/{sample.image}/{sample.repeat}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def keeps_texts(config: TrainConfig) -> bool:
    """Whether each caption is read once in each of its versions, and not anew at each step."""
    return config.caching.keeps_texts(config.learning.trains_text)


def texts_vary(plan: RunPlan) -> bool:
    """Whether there are more texts than are worth keeping what an encoder says of them."""
    sources = {id(example.source): example.source for example in plan.examples}.values()
    return not keeps_texts(plan.config) and any(varies(source.captions) for source in sources)


def some_rows(count: int, share: float, seed: int) -> tuple[int, ...]:
    """`share` of the rows 0 to count - 1, drawn from `seed`; over many seeds it is exactly that share."""
    chance = random.Random(seed)
    return tuple(sorted(chance.sample(range(count), int(count * share + chance.random()))))


class EpochDataset(Dataset):
    """The batches of one epoch, by position."""

    def __init__(
        self,
        plan: RunPlan,
        encoded: Sequence[Views],
        scale: Callable[[Tensor], Tensor],
        process: Process,
        epoch: int,
    ):
        """Take the plan, its encoded pictures, what scales them, the base's process; epochs count from 1."""
        self.plan, self.encoded, self.epoch = plan, encoded, epoch
        self.scale, self.process = scale, process
        self.views = views_of_run(plan)
        self.batches = plan.batches(epoch)
        self.weights = plan.weights

    def __len__(self) -> int:
        """Batches in the epoch."""
        return len(self.batches)

    def __getitem__(self, position: int) -> Batch:
        """The batch at `position`."""
        samples = self.batches[position]
        drawn = [self._draw(sample) for sample in samples]
        latents, noise, timesteps, mixed = (
            torch.stack(column) for column in list(zip(*drawn, strict=True))[:4]
        )
        config, shown = self.plan.config, [each[4] for each in drawn]
        chosen = dice(config.seed, self.epoch, samples[0], "preserved")
        return Batch(
            latents=latents,
            noise=noise,
            timesteps=timesteps,
            captions=tuple(self._caption(sample, position) for sample in samples),
            samples=samples,
            preserved=some_rows(len(samples), config.loss.diff_output_preservation_share, chosen),
            framings=tuple(self._framing(*pair) for pair in zip(samples, shown, strict=True)),
            masks=self._masks(samples, shown, latents),
            counts=tuple(self.weights[sample.image] for sample in samples) if self.weights else (),
            mixed=mixed,
        )

    def _draw(self, sample: buckets.Sample) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
        """Latents, noise (C, h, w), timestep (), what is mixed in (C, h, w) of one sample; which of its views it is."""
        config = self.plan.config
        generator = torch.Generator().manual_seed(dice(config.seed, self.epoch, sample, "noise"))
        views = self.encoded[sample.image]
        shown = int(torch.randint(len(views), (), generator=generator))
        mean, std = views[shown].mean, views[shown].std
        latents = self.scale(mean + std * torch.randn(mean.shape, generator=generator))
        drawn = self.process.draw(latents, config.loss, generator)
        return latents, drawn.noise, drawn.time, drawn.mixed, shown

    def _caption(self, sample: buckets.Sample, position: int) -> str:
        plan, example = self.plan, self.plan.examples[sample.image]
        step = (self.epoch - 1) * plan.steps_per_epoch + position // plan.batches_per_step
        moment = Moment(self.epoch, step, plan.total_steps)
        seed = dice(plan.config.seed, self.epoch, sample, "caption")
        return vary_caption(example.caption, example.source.captions, seed, moment, self._variant(sample))

    def _variant(self, sample: buckets.Sample) -> int | None:
        """The seed of one of the versions a caption is read in; None where each step has its own."""
        config = self.plan.config
        if not keeps_texts(config):
            return None
        drawn = dice(config.seed, self.epoch, sample, "variant") % config.caching.caption_variants
        return dice(config.seed, 0, buckets.Sample(sample.image, drawn), "words")

    def _framing(self, sample: buckets.Sample, shown: int) -> Framing:
        """Of a mirrored view, too, the crop counts from the left of what is seen."""
        item, view = self.plan.examples[sample.image].item, self.views[sample.image][shown]
        left, top, right, bottom = view.placement.crop
        if view.mirrored:
            left, right = view.placement.resized[0] - right, view.placement.resized[0] - left
        return Framing((item.width, item.height), (left, top), (right - left, bottom - top))

    def _masks(
        self, samples: Sequence[buckets.Sample], shown: Sequence[int], latents: Tensor
    ) -> Tensor | None:
        """(B, 1, h, w) where one of the pictures has a mask."""
        masks = [self.encoded[sample.image][view].mask for sample, view in zip(samples, shown, strict=True)]
        if all(mask is None for mask in masks):
            return None
        full = torch.ones(1, *latents.shape[-2:])
        return torch.stack([full if mask is None else mask for mask in masks])


def load_batches(dataset: EpochDataset, positions: Sequence[int], workers: int) -> DataLoader:
    """The batches at `positions`, in that order, prepared by `workers` processes (0: here)."""
    return DataLoader(dataset, batch_size=None, sampler=positions, num_workers=workers)


def steps_left(
    dataset: EpochDataset, first: int, process: int, processes: int
) -> Iterator[tuple[list[Batch], int]]:
    """From step `first` of an epoch on: the batches of one process in each, and the pictures of all in it."""
    plan = dataset.plan
    width = processes * plan.config.length.gradient_accumulation_steps
    last = min(plan.steps_per_epoch, plan.total_steps - (dataset.epoch - 1) * plan.steps_per_epoch)
    every = [range(len(dataset))[step * width : (step + 1) * width] for step in range(first, last)]
    mine = [list(positions[process::processes]) for positions in every]
    workers = plan.config.precision.max_data_loader_n_workers
    loaded = iter(load_batches(dataset, [at for positions in mine for at in positions], workers))
    for positions, own in zip(every, mine, strict=True):
        yield [next(loaded) for _ in own], sum(len(dataset.batches[at]) for at in positions)
