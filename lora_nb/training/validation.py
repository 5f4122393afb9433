"""The loss of a run on the same pictures with the same noise, so that its weights alone change it.

Shapes: K noise levels, C channels, h w latents.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lora_nb import events, files, seeds
from lora_nb.bases.base import Base, Framing, join
from lora_nb.bases.process import Process
from lora_nb.bases.weighted_text import escape
from lora_nb.config.loss import Loss
from lora_nb.dataset.captions import replace_trigger
from lora_nb.dataset.variation import with_ends
from lora_nb.drawing.sample import Prompt, draw_latents, evaluating
from lora_nb.lora import inject
from lora_nb.runs import RunFolder
from lora_nb.training import distance
from lora_nb.training.checks import LEVELS, Checks, checks_of
from lora_nb.training.examples import Example
from lora_nb.training.held_out import content_of, lot
from lora_nb.training.objective import Objective
from lora_nb.training.plan import RunPlan
from lora_nb.training.prepare import encode_once

DRAWS = 256  # times of which the levels are quantiles
PROBE, HELD_OUT, OF_BASE = "probe", "held_out", "base"


@dataclass(frozen=True)
class Shown:
    """A picture as it is checked: latents (C, h, w), noise (K, C, h, w), times (K,); `mask` (1, h, w) or None."""

    latents: Tensor
    noise: Tensor
    times: Tensor
    caption: str
    framing: Framing
    mask: Tensor | None = None


class Validation:
    """The pictures a run is checked with, by the name of their set, and the models that are asked."""

    def __init__(
        self, plan: RunPlan, base: Base, objective: Objective, accelerator: Accelerator, checks: Checks,
        sets: dict[str, list[Shown]],
    ) -> None:  # fmt: skip
        self.plan, self.base, self.objective = plan, base, objective
        self.accelerator, self.checks = accelerator, checks
        self.sets = {name: shown for name, shown in sets.items() if shown}
        self.keys = {name: _key(shown) for name, shown in self.sets.items()}

    @classmethod
    def begin(
        cls, plan: RunPlan, base: Base, objective: Objective, accelerator: Accelerator, own: RunFolder,
        tell: events.Tell,
    ) -> Self:  # fmt: skip
        """Encode the pictures, and draw those of the base; an update that is in its models has no part in them."""
        checks = checks_of(plan)
        if not checks or not accelerator.is_main_process:
            return cls(plan, base, objective, accelerator, checks, {})
        chosen = _chosen(plan, checks.pictures)
        sets = {HELD_OUT if plan.held_out else PROBE: _encoded(plan, base, chosen, accelerator.device)}
        with (
            torch.no_grad(),
            inject.switched_off(base.parts),
            evaluating(*(part.model for part in base.parts)),
        ):
            sets[OF_BASE] = _of_base(plan, base, checks.of_base, own, tell)
        return cls(plan, base, objective, accelerator, checks, sets)

    def measure(self, epoch: int, step: int) -> list[events.Validated]:
        """The losses of the weights that are in the models: the same bits for the same weights."""
        found = []
        models = [part.model for part in self.base.parts]
        with torch.no_grad(), evaluating(*models), self.accelerator.autocast():
            for name, shown in self.sets.items():
                losses = tuple(loss for each in shown for loss in self._losses(each))
                mean = sum(losses) / len(losses)
                found.append(events.Validated(epoch, step, name, mean, losses, LEVELS, self.keys[name]))
        return found

    def _losses(self, shown: Shown) -> list[float]:
        """The plain loss at each level. Asked at once are as many as come in a step: it takes no more memory."""
        at_once = min(LEVELS, self.plan.config.length.train_batch_size)
        rows = [slice(first, first + at_once) for first in range(0, LEVELS, at_once)]
        return torch.cat([self._at(shown, each) for each in rows]).tolist()

    def _at(self, shown: Shown, rows: slice) -> Tensor:
        device, way = self.objective.device, self.base.process
        noise, times = shown.noise[rows].to(device), shown.times[rows].to(device)
        latents, count = shown.latents.to(device).expand_as(noise), len(times)
        noisy = way.mix(latents, noise, times).to(next(self.base.denoiser.parameters()).dtype)
        told = join([self.objective.encode([shown.caption])] * count)
        answer = self.base.predict(noisy, times, told, [shown.framing] * count)
        each = distance.errors(answer, way.target(latents, noise, times), "l2", None)
        masks = None if shown.mask is None else shown.mask.to(device).expand(count, -1, -1, -1)
        return distance.averaged(each, masks, self.plan.config.loss.masking).cpu()


def _key(shown: Sequence[Shown]) -> str:
    """What tells losses of these pictures, captions and noises from those of others."""
    total = hashlib.sha256()
    for each in shown:
        total.update(each.caption.encode())
        for part in (each.latents, each.noise, each.times.double()):
            total.update(part.contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def _chosen(plan: RunPlan, count: int) -> list[Example]:
    """The pictures that are checked: those whose lots are lowest, each content once."""
    by_content = {content_of(each.item.path): each for each in reversed(plan.held_out or plan.learnt)}
    seed = plan.config.validation.validation_seed
    return [by_content[content] for content in sorted(by_content, key=lambda one: lot(one, seed))[:count]]


def _encoded(plan: RunPlan, base: Base, chosen: Sequence[Example], device: torch.device) -> list[Shown]:
    """The pictures as they are, cut in the middle: not mirrored, not coloured, their captions not shuffled."""
    plain = tuple(_unvaried(each) for each in chosen)
    views = encode_once(replace(plan, examples=plain), base, device, events.silent)
    return [
        _shown(
            plan, base, base.scale(posterior.mean), _caption(each), _framing(each), content_of(each.item.path),
            posterior.mask,
        )
        for each, (posterior,) in zip(plain, views, strict=True)
    ]  # fmt: skip


def _unvaried(example: Example) -> Example:
    pictures = replace(example.source.pictures, flip_aug=False, color_aug=False, random_crop=False)
    return replace(example, source=replace(example.source, pictures=pictures))


def _caption(example: Example) -> str:
    """What stands in the file, between its prefix and suffix."""
    return with_ends(example.caption, example.source.captions)


def _framing(example: Example) -> Framing:
    left, top, right, bottom = example.placement.crop
    return Framing((example.item.width, example.item.height), (left, top), (right - left, bottom - top))


def _shown(
    plan: RunPlan, base: Base, latents: Tensor, caption: str, framing: Framing, content: str,
    mask: Tensor | None = None,
) -> Shown:  # fmt: skip
    drawn = hashlib.sha256(f"{plan.config.validation.validation_seed}/{content}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(drawn[:8], "little") >> 1)
    times = levels(base.process, plan.config.loss, generator)
    noise = torch.randn((LEVELS, *latents.shape), generator=generator)
    return Shown(latents.cpu(), noise, times, caption, framing, mask)


def levels(process: Process, loss: Loss, generator: torch.Generator) -> Tensor:
    """(K,) noise levels, one from the middle of each of K equal parts of those that a run draws."""
    plain = replace(Loss(), times=loss.times)
    drawn = [process.draw(torch.zeros(1, 1, 1), plain, generator).time for _ in range(DRAWS)]
    inner = [round((2 * level + 1) / (2 * LEVELS) * DRAWS) for level in range(LEVELS)]
    return torch.stack(drawn).sort().values[inner]


def _of_base(plan: RunPlan, base: Base, count: int, own: RunFolder, tell: events.Tell) -> list[Shown]:
    """Pictures that the base draws of the captions without their trigger word: kept, for the base is soon another."""
    prompts = _prompts(plan, count)
    said = [f"{each.text}/{each.seed}/{each.width}x{each.height}/{each.guidance}" for each in prompts]
    names = [hashlib.sha256(f"{base.fingerprint}/{text}".encode()).hexdigest() for text in said]
    kept = _read(own)
    new = set(names) - set(kept)
    for number, (name, prompt) in enumerate(zip(names, prompts, strict=True)):
        if name not in kept:
            tell(events.Progress("Drawing what the base can", number, count))
            kept[name] = draw_latents(base, prompt, plan.config.captions.clip_skip)[0].float().cpu()
    good = [number for number, name in enumerate(names) if kept[name].isfinite().all()]
    if new:
        with files.replacing(own.of_base) as temporary:
            save_file({name: kept[name].contiguous() for name in names}, temporary)
    framing = Framing(plan.sizes[0], (0, 0), plan.sizes[0])
    return [
        _shown(plan, base, kept[names[number]], _without_trigger(plan, number), framing, names[number])
        for number in good
    ]


def _read(own: RunFolder) -> dict[str, Tensor]:
    """What was drawn when the run began; nothing where that cannot be read, for it can be drawn again."""
    try:
        return load_file(own.of_base)
    except (OSError, SafetensorError):
        return {}


def _without_trigger(plan: RunPlan, number: int) -> str:
    """Caption `number` of those learnt, from the first on again, without the trigger word."""
    captions = plan.config.captions
    learnt = plan.learnt[number % len(plan.learnt)]
    return replace_trigger(learnt.caption, captions.trigger_word, "")


def _prompts(plan: RunPlan, count: int) -> list[Prompt]:
    width, height = plan.sizes[0]
    guidance, seed = plan.config.samples.guidance, plan.config.validation.validation_seed
    return [
        Prompt(
            escape(_without_trigger(plan, number)), width=width, height=height, guidance=guidance,
            seed=seeds.derive(seed or 0, number),
        )
        for number in range(count)
    ]  # fmt: skip
