"""Pictures as the VAE sees them: each view encoded once, kept in memory or on the machine's own disk.

Shapes: B batch, C channels, H W pixels, h w latents.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lora_nb import events
from lora_nb.bases.base import Base
from lora_nb.bases.weights import placed
from lora_nb.training.examples import Example
from lora_nb.training.latent_store import Kept, Store, keys_of
from lora_nb.training.run_plan import RunPlan
from lora_nb.training.views import View, masks_of, pictures_of, views_of


@dataclass(frozen=True)
class Posterior:
    """What the VAE says of one view of a picture: mean and standard deviation (C, h, w), unscaled, on the CPU.

    `mask` (1, h, w) in [0, 1] says where it is learnt; None everywhere.
    """

    mean: Tensor
    std: Tensor
    mask: Tensor | None = None


Views = tuple[Posterior | Kept, ...]  # of one example


def views_of_run(plan: RunPlan) -> list[tuple[View, ...]]:
    """The views of each example of a run."""
    config = plan.config
    return [
        views_of(example, number, config.pictures.augmented_views, config.seed)
        for number, example in enumerate(plan.examples)
    ]


def encode_pictures(plan: RunPlan, base: Base, tell: events.Tell) -> list[Views]:
    """The posterior of every view of every example; of a picture and its mirror image when flip_aug is on.

    Raises ValueError naming the first picture of which the VAE makes numbers that are none.
    """
    views = views_of_run(plan)
    known = _all_encoded(plan, views, base, tell)
    masked = [_masked(plan, base, *each) for each in zip(plan.examples, views, known, strict=True)]
    if _asks_for_masks(plan) and not any(view.mask is not None for own in masked for view in own):
        what = "no picture has one, neither a file nor transparency"
        tell(events.Notice(f"Masks have no effect: {what}.", "warning"))
    return masked


def _all_encoded(
    plan: RunPlan, views: Sequence[tuple[View, ...]], base: Base, tell: events.Tell
) -> list[Views]:
    """Every example's views, those that are kept on disk read from there."""
    store = Store.of(base) if plan.config.caching.cache_latents_to_disk else None
    keys = keys_of(plan, views) if store else []
    known = {number: kept for number, key in enumerate(keys) if (kept := store.read(key))}
    missing = _to_encode(known, len(views), plan.config.caching.vae_batch_size)
    for done, (number, own) in enumerate(_encoded(plan, views, missing, base), 1):
        _refuse_broken(own, plan.examples[number].item.path.name)
        known[number] = store.write(keys[number], own) if store else own
        tell(events.Progress("Encoding pictures", done, len(missing)))
    return [known[number] for number in range(len(views))]


def _to_encode(known: Collection[int], count: int, at_once: int) -> list[int]:
    """The positions of what is not known; where several come at once, all: who comes with whom moves last bits."""
    missing = [number for number in range(count) if number not in known]
    return list(range(count)) if missing and at_once > 1 else missing


def _asks_for_masks(plan: RunPlan) -> bool:
    return plan.reads_masks or any(example.source.pictures.alpha_mask for example in plan.examples)


def _encoded(
    plan: RunPlan, views: Sequence[tuple[View, ...]], numbers: Sequence[int], base: Base
) -> Iterator[tuple[int, tuple[Posterior, ...]]]:
    """The examples at these positions with the posteriors of their views; vae_batch_size views of a size at once."""
    most, waiting = plan.config.caching.vae_batch_size, defaultdict(list)
    size = lambda number: plan.buckets[number]  # noqa: E731
    for _, own in groupby(numbers if most == 1 else sorted(numbers, key=size), key=size):
        shown = (
            (number, picture)
            for number in own
            for picture in pictures_of(plan.examples[number], views[number])
        )
        for together in _batched(shown, most):
            said = _encode([picture for _, picture in together], base)
            for (number, _), posterior in zip(together, said, strict=True):
                waiting[number].append(posterior)
                if len(waiting[number]) == len(views[number]):
                    yield number, tuple(waiting.pop(number))


def _batched(each: Iterable[Any], most: int) -> Iterator[list[Any]]:
    left = iter(each)
    while together := list(islice(left, most)):
        yield together


def _encode(pictures: Sequence[Image.Image], base: Base) -> list[Posterior]:
    pixels = torch.stack(
        [torch.from_numpy(np.array(each, dtype=np.float32)).permute(2, 0, 1) for each in pictures]
    )
    means, stds = base.encode_images((pixels / 127.5 - 1).to(*placed(base.vae)))
    return [Posterior(mean.float().cpu(), std.float().cpu()) for mean, std in zip(means, stds, strict=True)]


def _refuse_broken(posteriors: Sequence[Posterior], name: str) -> None:
    if not all(part.isfinite().all() for posterior in posteriors for part in (posterior.mean, posterior.std)):
        raise ValueError(
            f"the VAE of the base makes NaN or infinite numbers of {name}, so nothing can be learnt from it: it is "
            "damaged, or too large for fp16; download the base again, set mixed_precision = no, or take another base"
        )


def _masked(plan: RunPlan, base: Base, example: Example, views: tuple[View, ...], known: Views) -> Views:
    size = base.latent_shape(example.placement.bucket)[1:]
    masks = masks_of(example, views, size, plan.reads_masks)
    return tuple(
        each if mask is None else replace(each, mask=mask) for each, mask in zip(known, masks, strict=True)
    )
