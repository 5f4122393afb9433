"""Pictures and captions as batches: latents encoded once, every random choice a function of (seed, epoch, sample).

Shapes: B batch, C channels, H W pixels, h w latents.
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lora_nb import events
from lora_nb.bases.base import Base, Framing
from lora_nb.bases.process import Process
from lora_nb.bases.weights import placed
from lora_nb.config.examples import Captions
from lora_nb.dataset import buckets
from lora_nb.dataset.captions import join_tags, split_tags
from lora_nb.dataset.images import open_upright, resize_crop
from lora_nb.training.plan import RunPlan


@dataclass(frozen=True)
class Posterior:
    """What the VAE says of one picture: mean and standard deviation (C, h, w), unscaled, on the CPU."""

    mean: Tensor
    std: Tensor


@dataclass(frozen=True)
class Batch:
    """One step's worth of pictures: latents (scaled as the denoiser expects) and noise (B, C, h, w), timesteps (B,).

    `preserved` are the rows on which diff_output_preservation is taken; `framings` tell how each came to its size.
    `masks` (B, 1, h, w) in [0, 1] say where something is to be learnt, None everywhere; `counts` how much each row's
    loss counts, empty 1 each.
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


def encode_pictures(plan: RunPlan, base: Base, tell: events.Tell) -> list[tuple[Posterior, ...]]:
    """The posterior of every picture, and of its mirror image after it when flip_aug is on.

    Raises ValueError naming the first picture of which the VAE makes numbers that are none.
    """
    encoded = []
    for number, (item, placement) in enumerate(zip(plan.items, plan.placements, strict=True), 1):
        picture = resize_crop(open_upright(item.path), placement.resized, placement.crop)
        views = (
            (picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
            if plan.config.pictures.flip_aug
            else (picture,)
        )
        encoded.append(tuple(_encode(view, base) for view in views))
        _refuse_broken(encoded[-1], item.path.name)
        tell(events.Progress("Encoding pictures", number, len(plan.items)))
    return encoded


def _refuse_broken(posteriors: Sequence[Posterior], name: str) -> None:
    if not all(part.isfinite().all() for posterior in posteriors for part in (posterior.mean, posterior.std)):
        raise ValueError(
            f"the VAE of the base makes NaN or infinite numbers of {name}, so nothing can be learnt from it: it is "
            "damaged, or too large for fp16; download the base again, set mixed_precision = no, or take another base"
        )


def _encode(picture: Image.Image, base: Base) -> Posterior:
    pixels = torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    mean, std = base.encode_images(pixels.to(*placed(base.vae)))
    return Posterior(mean[0].float().cpu(), std[0].float().cpu())


def dice(seed: int, epoch: int, sample: buckets.Sample, what: str) -> int:
    """A 63-bit seed for one use of one sample: the same on every machine, for any number of workers."""
    text = f"{what}/{seed}/{epoch}/{sample.image}/{sample.repeat}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def vary_caption(caption: str, config: Captions, seed: int) -> str:
    """The caption as one step sees it: dropped, or its tags shuffled behind the first keep_tokens."""
    chance = random.Random(seed)
    if chance.random() < config.caption_dropout_rate:
        return ""
    if not config.shuffle_caption:
        return caption
    tags = split_tags(caption)
    kept, rest = tags[: config.keep_tokens], tags[config.keep_tokens :]
    chance.shuffle(rest)
    return join_tags(kept + rest)


def some_rows(count: int, share: float, seed: int) -> tuple[int, ...]:
    """`share` of the rows 0 to count - 1, drawn from `seed`; over many seeds it is exactly that share."""
    chance = random.Random(seed)
    return tuple(sorted(chance.sample(range(count), int(count * share + chance.random()))))


class EpochDataset(Dataset):
    """The batches of one epoch, by position."""

    def __init__(
        self,
        plan: RunPlan,
        encoded: Sequence[tuple[Posterior, ...]],
        scale: Callable[[Tensor], Tensor],
        process: Process,
        epoch: int,
    ):
        """Take the plan, its encoded pictures, what scales them, the base's process; epochs count from 1."""
        self.plan, self.encoded, self.epoch = plan, encoded, epoch
        self.scale, self.process = scale, process
        config = plan.config
        self.batches = buckets.epoch_batches(
            plan.buckets, plan.repeats, config.length.train_batch_size, config.seed, epoch
        )

    def __len__(self) -> int:
        """Batches in the epoch."""
        return len(self.batches)

    def __getitem__(self, position: int) -> Batch:
        """The batch at `position`."""
        samples = self.batches[position]
        parts = [self._draw(sample) for sample in samples]
        latents, noise, timesteps = (torch.stack(column) for column in zip(*parts, strict=True))
        config = self.plan.config
        captions = tuple(
            vary_caption(
                self.plan.captions[s.image], config.captions, dice(config.seed, self.epoch, s, "caption")
            )
            for s in samples
        )
        chosen = dice(config.seed, self.epoch, samples[0], "preserved")
        preserved = some_rows(len(samples), config.loss.diff_output_preservation_share, chosen)
        framings = tuple(self._framing(sample) for sample in samples)
        return Batch(latents, noise, timesteps, captions, samples, preserved, framings)

    def _draw(self, sample: buckets.Sample) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (C, h, w), noise (C, h, w) and timestep () of one sample."""
        config = self.plan.config
        generator = torch.Generator().manual_seed(dice(config.seed, self.epoch, sample, "noise"))
        views = self.encoded[sample.image]
        posterior = views[int(torch.randint(len(views), (), generator=generator))]
        latents = self.scale(
            posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)
        )
        return latents, *self.process.draw(latents.shape, config.loss, generator)

    def _framing(self, sample: buckets.Sample) -> Framing:
        item, placement = self.plan.items[sample.image], self.plan.placements[sample.image]
        left, top, right, bottom = placement.crop
        return Framing((item.width, item.height), (left, top), (right - left, bottom - top))


def load_batches(dataset: EpochDataset, positions: Sequence[int], workers: int) -> DataLoader:
    """The batches at `positions`, in that order, prepared by `workers` processes (0: here)."""
    return DataLoader(dataset, batch_size=None, sampler=positions, num_workers=workers)
