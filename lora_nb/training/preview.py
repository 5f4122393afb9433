"""Pictures a training run draws of its sample prompts."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image

from lora_nb import events, files, project, runs, seeds
from lora_nb.bases.base import Base
from lora_nb.bases.weighted_text import escape
from lora_nb.bases.weights import placed
from lora_nb.drawing.sample import Prompt, parse_prompt, sample_images
from lora_nb.patience import lasting
from lora_nb.training import memory_end
from lora_nb.training.plan import RunPlan


def draw_previews(plan: RunPlan, base: Base, epoch: int, step: int, tell: events.Tell) -> list[Image.Image]:
    """Draw the run's sample prompts with the models as they stand; the PNGs go to the run's samples folder.

    A picture that cannot be drawn is a warning and no reason to end the training: the list is then empty.
    """
    home, _ = placed(base.vae)
    base.vae.to(placed(base.denoiser)[0])
    try:
        pictures = sample_images(base, preview_prompts(plan), clip_skip=plan.config.captions.clip_skip)
    except (ValueError, RuntimeError, MemoryError) as error:
        memory = memory_end.kind_of(error)
        if not memory and not isinstance(error, ValueError):
            raise
        text = (
            f"No samples after step {step}: the {memory}'s memory is too small to draw them."
            if memory
            else str(error)
        )
        tell(events.Notice(text, "warning"))
        return []
    finally:
        base.vae.to(home)
    paths, home = [], project.folders_of_output(Path(plan.config.place.output_dir)).base
    for number, picture in enumerate(pictures):
        path = _path(plan, epoch, step, number)
        lasting(partial(_write, picture, path), home, tell)
        paths.append(str(path))
    tell(events.Drawn(tuple(paths), epoch, step))
    return pictures


def _write(picture: Image.Image, path: Path) -> None:
    with files.replacing(path) as temporary:
        picture.save(temporary, "PNG")


def _path(plan: RunPlan, epoch: int, step: int, number: int) -> Path:
    place = plan.config.place
    folder = runs.run_folder(Path(place.output_dir), place.output_name).samples
    return folder / f"{place.output_name}_e{epoch:02d}_s{step:06d}_{number:02d}.png"


def is_drawn(plan: RunPlan, epoch: int, step: int) -> bool:
    """Whether the samples of a step stand on disk."""
    return all(_path(plan, epoch, step, number).exists() for number in range(len(preview_prompts(plan))))


def preview_prompts(plan: RunPlan) -> Sequence[Prompt]:
    """The run's sample prompts; without any, the trigger word, or else the first caption.

    A prompt that leaves its seed open gets one by the run's own, the same for every epoch.
    """
    config = plan.config
    words = config.captions.trigger_word or plan.captions[0]
    meant = words if config.captions.weighted_captions else escape(words)  # brackets in captions are words
    texts = config.samples.sample_prompts or (meant,)
    width, height = plan.sizes[0]
    samples = config.samples
    plain = Prompt(
        "",
        width=width,
        height=height,
        guidance=samples.guidance,
        seed=config.seed,
        sampler=samples.sample_sampler,
    )
    prompts = [parse_prompt(text, plain) for text in texts]
    return [
        replace(prompt, seed=seeds.derive(config.seed, number)) if seeds.is_open(prompt.seed) else prompt
        for number, prompt in enumerate(prompts)
    ]


def check_prompts(plan: RunPlan, tell: events.Tell) -> None:
    """Say the seeds of prompts that leave theirs open. Raises ValueError for a mistyped prompt."""
    for text, prompt in zip(plan.config.samples.sample_prompts, preview_prompts(plan), strict=False):
        if seeds.is_open(parse_prompt(text, prompt).seed):
            tell(events.Notice(f'🎲 The sample "{prompt.text}" is drawn with seed {prompt.seed} each time.'))
