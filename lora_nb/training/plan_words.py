"""What is said of a planned run before it starts: the sentences people know, and what has no effect or is odd."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from lora_nb import settings
from lora_nb.bases.families import Family
from lora_nb.config.training import TrainConfig
from lora_nb.dataset.buckets import misfits
from lora_nb.dataset.captions import replace_trigger, same_tag
from lora_nb.dataset.variation import with_ends
from lora_nb.training import idle
from lora_nb.training.examples import MOST_NAMED, Example, Found, words_without_caption
from lora_nb.training.run_plan import RunPlan
from lora_nb.wording import counted, some

MANY_STEPS = 10_000


def lines(plan: RunPlan, family: Family) -> tuple[str, ...]:
    """The sentences people know, then the exact count."""
    return (*_found(plan), *_step_math(plan), *_preservation(plan.config, family))


def warnings(asked: TrainConfig, plan: RunPlan, found: Found, unit: int) -> tuple[str, ...]:
    """What is odd about a plan of what was `asked` for, a sentence each."""
    said = _without_caption(asked, found)
    if found.broken:
        names = some([broken.path.name for broken in found.broken], MOST_NAMED)
        said.append(
            f"{counted(len(found.broken), 'unreadable file is', 'unreadable files are')} left out: {names}. "
            "Dataset Maker sets such files aside."
        )
    said += _misfits(asked, plan, unit) + settings.without_effect(asked) + _in_vain(asked, plan)
    said += asked.learning.advice(plan.total_steps)
    said += idle.sentences(plan)
    if plan.total_steps > MANY_STEPS:
        said.append(
            f"{plan.total_steps} steps is a great deal: most LoRAs are done within 2000. Fewer epochs or repeats?"
        )
    return tuple(said)


def _misfits(asked: TrainConfig, plan: RunPlan, unit: int) -> list[str]:
    """Bucket settings that do not do what they say, of the run or of a dataset in its dataset_config."""
    cases = {(asked.pictures, size): None for size in plan.sizes}
    if asked.pictures.dataset_config:
        cases = {(each.source.pictures, each.size): None for each in plan.examples}
    return list(dict.fromkeys(text for pictures, size in cases for text in misfits(pictures, size, unit)))


def _without_caption(config: TrainConfig, found: Found) -> list[str]:
    """One sentence for each thing that pictures without a caption are trained with instead."""
    instead: dict[str, list[str]] = defaultdict(list)
    for item, source in found.pictures:
        if (item.caption or "").strip():
            continue
        words = words_without_caption(config, source)
        named = source.is_reg or source.class_tokens or not config.captions.trigger_word
        origin = ", the class tokens of their folder" if source.class_tokens else ", from their folder's name"
        mend = "they are regularisation" if source.is_reg else "give a trigger_word, or tag them"
        empty = f"an empty caption: {mend}"
        instead[f'"{words}"{origin if named else ""}' if words else empty].append(item.path.name)
    pictures = len(found.pictures)
    return [
        f"{len(names)} of {counted(pictures, 'picture')} {_bare(len(names))} trained with "
        f"{words}: {some(names, MOST_NAMED)}"
        for words, names in instead.items()
    ]


def _bare(number: int) -> str:
    return "has no caption and is" if number == 1 else "have no caption and are"


def _found(plan: RunPlan) -> list[str]:
    """How many pictures there are, and how often they are seen."""
    learnt, lines = plan.learnt, []
    folders = Counter((each.item.subset, each.item.num_repeats) for each in learnt)
    for (subset, repeats), images in sorted(folders.items()):
        where = f" in {subset}" if len(folders) > 1 else ""
        lines.append(
            f"📈 Found {counted(images, 'image')}{where} with {counted(repeats, 'repeat')}, equaling "
            f"{counted(images * repeats, 'step')}."
        )
    if plan.config.pictures.balance and len(folders) > 1:
        lines.append(f"⚖️ Balanced: each folder is seen {counted(_most_seen(learnt), 'time')} per epoch.")
    if len(plan.sizes) > 1 and not plan.config.pictures.dataset_config:
        lines.append(f"🔍 Each is trained at {len(plan.sizes)} resolutions, and seen so many times as often.")
    regular = [at for at, each in enumerate(plan.examples) if each.source.is_reg]
    if regular:
        names, times = (
            {plan.examples[at].item.path for at in regular},
            sum(plan.repeats[at] for at in regular),
        )
        lines.append(
            f"🧷 Found {counted(len(names), 'regularisation image')}, seen {counted(times, 'time')} per epoch in all."
        )
    return lines


def _most_seen(learnt: Sequence[Example]) -> int:
    seen: Counter = Counter()
    for each in learnt:
        seen[each.source.folder] += each.item.num_repeats
    return max(seen.values())


def _step_math(plan: RunPlan) -> list[str]:
    config, appearances, lines = plan.config, sum(plan.repeats), []
    batch = config.length.train_batch_size * config.length.gradient_accumulation_steps
    sizes = {each.source.batch_size for each in plan.examples}
    if sizes == {config.length.train_batch_size}:
        per_epoch = _number(appearances / batch)
        lines.append(
            f"📉 Divide {counted(appearances, 'step')} by {batch} batch size to get {per_epoch} steps per epoch."
        )
    around = int(appearances / batch * plan.epochs)
    if config.length.max_train_steps or not lines:
        lines.append(
            f"🔮 There will be {counted(plan.total_steps, 'step')}, over {counted(plan.epochs, 'epoch')}."
        )
    else:
        lines.append(
            f"🔮 There will be {counted(plan.epochs, 'epoch')}, for around {around} total training steps."
        )
    lines.append(
        f"🎯 Exactly, with buckets: {counted(plan.steps_per_epoch, 'step')} per epoch, {plan.total_steps} in all."
    )
    return lines


def _preservation(config: TrainConfig, family: Family) -> list[str]:
    """What the base is held to, which differs where what reads text is trained."""
    if not config.loss.diff_output_preservation:
        return []
    word = config.loss.diff_output_preservation_class
    where = f'with "{word}" in the place of the trigger word' if word else "without the trigger word"
    who = (
        f"{family.denoiser_name} and {family.text_name}, both trained, together answer"
        if config.learning.trains_text
        else f"the {family.denoiser_name} answers"
    )
    return [f"🧷 Preservation: {where}, {who} as the untrained base does."]


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _why_nothing_is_preserved(config: TrainConfig) -> str:
    if not config.captions.trigger_word:
        return "there is no trigger_word"
    if same_tag(config.loss.diff_output_preservation_class) == same_tag(config.captions.trigger_word):
        return "it puts the trigger_word in its own place"
    return "no caption holds the trigger_word"


def _in_vain(config: TrainConfig, plan: RunPlan) -> list[str]:
    """Preservation that has nothing to preserve with these captions."""
    trigger, class_word = config.captions.trigger_word, config.loss.diff_output_preservation_class
    if not config.loss.diff_output_preservation or any(
        replace_trigger(caption, trigger, class_word) != caption
        for caption in (with_ends(each.caption, each.source.captions) for each in plan.examples)
    ):
        return []
    return ["diff_output_preservation has no effect: " + _why_nothing_is_preserved(config)]
