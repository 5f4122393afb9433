"""What a LoRA file says of the pictures it was trained on, in sd-scripts' words (ss_dataset_dirs, ss_datasets, ...)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lora_nb.config.examples import Pictures
from lora_nb.dataset.captions import split_tags
from lora_nb.dataset.subsets import FOLDER
from lora_nb.sizes import Size
from lora_nb.training.examples import Example
from lora_nb.training.run_plan import RunPlan
from lora_nb.typed import inline_table

USUAL = Pictures().resize_interpolation


def of_run(plan: RunPlan, processes: int) -> dict:
    """The values, by sd-scripts' keys."""
    length = plan.config.length
    by = plan.config.pictures.resize_interpolation
    said = {
        "ss_resize_interpolation": None if by == USUAL else by,  # as sd-scripts where nobody chose
        "ss_num_train_images": sum(_seen(plan, is_reg=False)),
        "ss_num_reg_images": sum(_seen(plan, is_reg=True)),
        "ss_batch_size_per_device": length.train_batch_size,
        "ss_total_batch_size": length.train_batch_size * processes * length.gradient_accumulation_steps,
        "ss_resolution": str(plan.sizes[0]),
        "ss_dataset_dirs": _dirs(plan.learnt),
        "ss_reg_dataset_dirs": _dirs(_regular(plan)),
        "ss_tag_frequency": tag_frequency(plan),
        "ss_bucket_info": _bucket_info(plan.examples, plan.repeats),
    }
    return said if len(_datasets(plan)) == 1 else said | {"ss_datasets": _described(plan)}


def without_folders(pictures: Pictures) -> dict[str, Any]:
    """The settings that hold names of folders, with the last part of each name alone."""
    tables = (inline_table(text) for text in pictures.subsets)
    return {
        "dataset_config": Path(pictures.dataset_config).name,
        "subsets": [
            {name: Path(value).name if name in FOLDER else value for name, value in table.items()}
            for table in tables
        ],
    }


def tag_frequency(plan: RunPlan) -> dict[str, dict[str, int]]:
    """Lower-case tags counted once a picture, by the folder they lie in."""
    return _frequency(plan.learnt)


def _frequency(examples: Sequence[Example]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter] = defaultdict(Counter)
    for each in examples:
        counts[each.item.subset].update({tag.lower(): 1 for tag in split_tags(each.caption)})
    return {
        subset: dict(sorted(tags.items(), key=lambda pair: (-pair[1], pair[0])))
        for subset, tags in sorted(counts.items())
    }


def _seen(plan: RunPlan, is_reg: bool) -> list[int]:
    """How often in an epoch each example is seen that is regularisation, or is not."""
    pairs = zip(plan.examples, plan.repeats, strict=True)
    return [times for example, times in pairs if example.source.is_reg is is_reg]


def _regular(plan: RunPlan) -> tuple[Example, ...]:
    """The pictures that are regularisation, each once."""
    return tuple({each.item.path: each for each in plan.examples if each.source.is_reg}.values())


def _dirs(examples: Sequence[Example]) -> dict:
    images = Counter((each.item.subset, each.item.num_repeats) for each in examples)
    return {
        subset: {"n_repeats": repeats, "img_count": count}
        for (subset, repeats), count in sorted(images.items())
    }


def _datasets(plan: RunPlan) -> dict[tuple[int, Size], list[int]]:
    """The examples of each of sd-scripts' datasets, which have one resolution and one batch size, by position."""
    found: dict[tuple[int, Size], list[int]] = defaultdict(list)
    for at, example in enumerate(plan.examples):
        found[example.source.group, example.size].append(at)
    return found


def _described(plan: RunPlan) -> list[dict]:
    """What is said of several datasets (ss_datasets)."""
    repeats = plan.repeats
    return [
        _dataset([plan.examples[at] for at in own], [repeats[at] for at in own], size)
        for (_, size), own in _datasets(plan).items()
    ]


def _dataset(examples: Sequence[Example], repeats: Sequence[int], size: Size) -> dict:
    source = examples[0].source
    learnt = [each for each in examples if not each.source.is_reg]
    regular = sum(times for each, times in zip(examples, repeats, strict=True) if each.source.is_reg)
    return {
        "batch_size_per_device": source.batch_size,
        "num_train_images": sum(repeats) - regular,
        "num_reg_images": regular,
        "resolution": list(size),
        "enable_bucket": source.pictures.enable_bucket,
        "min_bucket_reso": source.pictures.min_bucket_reso,
        "max_bucket_reso": source.pictures.max_bucket_reso,
        "subsets": [_subset(examples, folder) for folder in dict.fromkeys(e.source.folder for e in examples)],
        "tag_frequency": _frequency(learnt),
        "bucket_info": _bucket_info(examples, repeats),
    }


def _subset(examples: Sequence[Example], folder: Path) -> dict:
    own = [each for each in examples if each.source.folder == folder]
    source = own[0].source
    return {
        "img_count": len(own),
        "num_repeats": source.repeats,
        "image_dir": folder.name,
        "is_reg": source.is_reg,
        "class_tokens": source.class_tokens or None,
        "color_aug": source.pictures.color_aug,
        "flip_aug": source.pictures.flip_aug,
        "random_crop": source.pictures.random_crop,
        "shuffle_caption": source.captions.shuffle_caption,
        "keep_tokens": source.captions.keep_tokens,
        "caption_prefix": source.captions.caption_prefix or None,
        "caption_suffix": source.captions.caption_suffix or None,
    }


def _bucket_info(examples: Sequence[Example], repeats: Sequence[int]) -> dict:
    totals: Counter = Counter()
    for example, times in zip(examples, repeats, strict=True):
        totals[example.placement.bucket] += times
    buckets = {str(i): {"resolution": list(b), "count": totals[b]} for i, b in enumerate(sorted(totals))}
    return {"buckets": buckets, "mean_img_ar_error": _ratio_error(examples)}


def _ratio_error(examples: Sequence[Example]) -> float:
    errors: Sequence[float] = [
        abs(each.item.width / each.item.height - each.placement.bucket[0] / each.placement.bucket[1])
        for each in examples
    ]
    return sum(errors) / len(errors)
