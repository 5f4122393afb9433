"""Settings of the data that do nothing with the pictures and captions there are."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from lora_nb.dataset.variation import varies, with_ends
from lora_nb.training.examples import Example
from lora_nb.training.face_crop import face_of
from lora_nb.training.run_plan import RunPlan
from lora_nb.wording import counted


def sentences(plan: RunPlan) -> list[str]:
    """One for each setting that somebody set and that changes nothing in this run, with the reason."""
    return [
        f"{name} has no effect: {why}"
        for name, why in (*_of_pictures(plan), *_of_captions(plan), *_of_run(plan))
    ]


def _of_pictures(plan: RunPlan) -> Iterator[tuple[str, str]]:
    cropped = [each for each in plan.examples if each.source.pictures.random_crop]
    if cropped and all(each.placement.resized == each.placement.bucket for each in cropped):
        yield "random_crop", "no picture is longer than its bucket"
    asked = [each for each in plan.examples if each.source.pictures.face_crop_aug_range]
    if asked and not any(face_of(each.item.path) for each in asked):
        yield "face_crop_aug_range", "no file is named NAME_x_y_width_height, with the place of its face"
    usual = type(plan.config.pictures)().resize_interpolation
    resized = [each for each in plan.examples if each.source.pictures.resize_interpolation != usual]
    if resized and all(each.placement.resized == (each.item.width, each.item.height) for each in resized):
        yield "resize_interpolation", "every picture has the right size already"


def _of_captions(plan: RunPlan) -> Iterator[tuple[str, str]]:
    """Marks that are looked for in captions and are in none."""
    for name in ("keep_tokens_separator", "secondary_separator"):
        mark = _marks(name)
        asked = [each for each in plan.examples if mark(each)]
        if asked and not any(mark(each) in _text(each) for each in asked):
            yield name, f"no caption holds {mark(asked[0])!r}"
    drawn = [each for each in plan.examples if each.source.captions.enable_wildcard]
    if drawn and not any(sign in _text(each) for each in drawn for sign in "{\n"):
        yield "enable_wildcard", "no caption holds a {, or a second line"


def _marks(name: str) -> Callable[[Example], str]:
    return lambda each: getattr(each.source.captions, name)


def _text(example: Example) -> str:
    return with_ends(example.caption, example.source.captions)


def _of_run(plan: RunPlan) -> Iterator[tuple[str, str]]:
    config, learnt = plan.config, plan.learnt
    if config.pictures.balance and _even(learnt):
        yield "balance", "all folders are seen as often without it"
    if any(each.source.masks for each in plan.examples) and not plan.reads_masks:
        yield "conditioning_data_dir", "masked_loss is off"
    if config.loss.masked_loss and not any(
        each.source.pictures.alpha_mask or each.source.mask_of(each.item.path) for each in learnt
    ):
        yield (
            "masked_loss",
            "no picture has a mask (Prepare in Dataset Maker makes them, as name-masklabel.png)",
        )
    if config.loss.prior_loss_weight != 1.0 and not plan.weights:
        yield "prior_loss_weight", "there are no regularisation pictures"
    every = {each.source.captions.caption_dropout_every_n_epochs for each in plan.examples} - {0}
    if every and min(every) > plan.epochs:
        yield (
            "caption_dropout_every_n_epochs",
            f"there {'is' if plan.epochs == 1 else 'are'} {counted(plan.epochs, 'epoch')}",
        )
    if config.caching.keeps_texts(config.learning.trains_text) and not any(
        varies(each.source.captions) for each in plan.examples
    ):
        yield "caption_variants", "captions are the same at each step"


def _even(learnt: Sequence[Example]) -> bool:
    seen: Counter = Counter()
    for each in learnt:
        seen[each.source.group, each.source.folder] += each.item.num_repeats
    groups = {group for group, _ in seen}
    return all(len({times for (own, _), times in seen.items() if own == group}) == 1 for group in groups)
