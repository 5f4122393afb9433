"""Ways to train set side by side on the demo base, some seeds each: the table for README.md.

python demo_world/compare_lora.py [--only locon masks regularisation prodigy] [--seeds 1 2 3] [--steps N]. Trains by the
library's own calls, with the demo's settings and what a row of PAIRS changes of them; draws 12 prompts of held-out truth
pictures with the trigger word, and without it. What the figures mean is said in measure_lora.py. A run that was cut short is
gone on with; what was drawn is kept under --work. Settings that this version does not have end it with their name.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from looks import look, tags_found
from lora_nb import events, settings
from lora_nb.config.drawing import SampleConfig
from lora_nb.config.training import TrainConfig
from lora_nb.dataset import captions, images
from lora_nb.drawing.sample import sample
from lora_nb.training.train import train
from measure_lora import RUN, TRIGGER, Truth, likeness, prepare, read_truth
from shipped import Tagger, embed

NEITHER = {"diff_output_preservation": 0.0}
PLAIN = "as the demo"  # AdamW, l2, preservation at 1, no masks; trained once for all that is set beside it
REGULAR = "regularisation"  # stands for the folder that is made for it
# The set, and what each run changes of the demo's settings.
PAIRS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "locon": ("style", {"LoRA": {}, "LoCon": {"conv_rank": 8}}),
    "masks": ("character", {PLAIN: {}, "masks": {"masked_loss": True}}),
    "regularisation": (
        "character",
        {PLAIN: {}, "regularisation": {**NEITHER, "reg_data_dir": REGULAR}, "neither": NEITHER},
    ),
    "prodigy": (
        "character",
        {PLAIN: {}, "Prodigy": {"optimizer": "Prodigy", "learning_rate": 1.0, "text_encoder_lr": 1.0}},
    ),
    "loss": (
        "character",
        {
            PLAIN: {},
            "huber": {"loss_type": "huber"},
            "blank prompt too": {"blank_prompt_preservation": 1.0},
            "debiased": {"min_snr_gamma": None, "debiased_estimation_loss": True},
        },
    ),
}
COLUMNS = ("tags", "excess", "own", "moved", "burnt", "structure", "s a step")


def mask_of(picture: Image.Image, tolerance: int = 48) -> Image.Image:
    """White where an avatar is: what a flood from the upper edges does not reach. Hair may touch the lower ones."""
    flooded = picture.convert("RGB")
    for height in (0.0, 0.2, 0.4):
        for side in (0, flooded.width - 1):
            ImageDraw.floodfill(flooded, (side, int(height * flooded.height)), (1, 254, 3), thresh=tolerance)
    left = (np.asarray(flooded) != (1, 254, 3)).any(-1)
    return Image.fromarray(np.uint8(left) * 255)


def write_masks(dataset: Path) -> None:
    """Put a mask beside each picture."""
    for item in images.scan(dataset).items:
        mask_of(images.open_upright(item.path)).save(images.mask_path(item.path))


def draw(texts: Sequence[str], folder: Path, lora: str = "") -> np.ndarray:
    """Pictures (N, H, W, 3) of the texts, each with its own fixed seed, by the base and a file."""
    prompts = tuple(f"{text} --d {1000 + number}" for number, text in enumerate(texts))
    config = settings.make(
        SampleConfig,
        lora=lora,
        prompts=prompts,
        output_dir=str(folder),
        steps=16,
        guidance=RUN.samples.guidance,
        pretrained_model_name_or_path="demo",
    )
    return np.stack([np.array(Image.open(path).convert("RGB")) for path in sample(config).files])


def write_regular(dataset: Path, name: str) -> Path:
    """The folder of regularisation pictures: what the base draws of each caption without the trigger word."""
    folder = dataset.parent / REGULAR
    if folder.exists():
        return folder
    people = "1girl, outline" if name == "character" else "1girl"
    texts = [
        f"{people}, {captions.remove_tags(item.caption or '', (TRIGGER,))}"
        for item in images.scan(dataset).items
    ]
    with tempfile.TemporaryDirectory() as drawn:
        pictures = draw(texts, Path(drawn))
    folder.mkdir(parents=True)
    for number, (text, picture) in enumerate(zip(texts, pictures, strict=True)):
        Image.fromarray(picture).save(folder / f"{number:02}.png")
        (folder / f"{number:02}.txt").write_text(text)
    return folder


def run_of(
    dataset: Path, label: str, changed: Mapping[str, Any], seed: int, steps: int | None
) -> TrainConfig:
    """The demo's run with what is changed of it."""
    if changed.get("reg_data_dir") == REGULAR:
        changed = {**changed, "reg_data_dir": str(write_regular(dataset, dataset.parent.name))}
    return settings.replace(
        RUN,
        train_data_dir=str(dataset),
        output_dir=str(dataset.parent / "output"),
        output_name=f"{label.replace(' ', '-')}-{seed}",
        trigger_word=TRIGGER,
        seed=seed,
        allow_demo_base=True,  # its pictures are those of regularisation too
        max_train_steps=steps,
        sample_every_n_epochs=0,
        grid=False,
        **changed,
    )


def trained(config: TrainConfig) -> tuple[str, float]:
    """The last file of a run, and the seconds a step took."""
    times: list[float] = []

    def hear(event: events.Event) -> None:
        if isinstance(event, events.StepLog):
            times.append(1 / event.steps_per_second)

    done = train(config, hear)
    return done.files[-1], float(np.median(times)) if times else float("nan")


@dataclass(frozen=True)
class Drawn:
    """Pictures of the truth's prompts (N, H, W, 3), with the trigger word and without it."""

    called: np.ndarray
    plain: np.ndarray


def drawn_by(file: str, truth: Truth, folder: Path) -> Drawn:
    """What a file draws; "" the base alone."""
    called = tuple(f"{TRIGGER}, {text}" for text in truth.prompts)
    return Drawn(draw(called, folder, file), draw(truth.prompts, folder, file))


def figures(drawn: Drawn, base: Drawn, truth: Truth) -> dict[str, float]:
    """What a file comes to: with the trigger word against the truth, without it against the base."""
    like = likeness(embed(drawn.called), embed(base.called), truth)
    seen = look(drawn.called, truth.pictures)
    return {
        "tags": tags_found(drawn.called, truth.tags[: len(drawn.called)], Tagger()),
        "excess": like["excess"],
        "own": like["own"],
        "moved": likeness(embed(drawn.plain), embed(base.plain), truth)["moved"],
        "burnt": seen["burnt"],
        "structure": seen["structure"],
    }


def figures_of(config: TrainConfig, base: Drawn, truth: Truth, folder: Path) -> dict[str, float]:
    """The figures of a run, kept in a file, so that what is done is not done again."""
    kept = folder / f"{config.place.output_name}.json"
    if not kept.exists():
        file, seconds = trained(config)
        found = figures(drawn_by(file, truth, folder / "drawn"), base, truth) | {"s a step": seconds}
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found))
    return json.loads(kept.read_text())


def table(rows: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Means over the seeds, with the least and the greatest in brackets, as Markdown."""
    lines = ["| run | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, runs in rows.items():
        cells = [[run[column] for run in runs] for column in COLUMNS]
        shown = [_in_short(cell) for cell in cells]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _in_short(cell: Sequence[float]) -> str:
    """Nothing for what cannot be measured: the style has no tags of its own."""
    if np.isnan(cell).any():
        return ""
    return f"{np.mean(cell):.2f} ({min(cell):.2f} to {max(cell):.2f})"


def compare(pair: str, chosen: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """The figures of each run of a pair, seed by seed."""
    name, variants = PAIRS[pair]
    folder = chosen.work / name
    dataset = folder / name / "dataset"
    if not dataset.exists():
        prepare(name, folder)
    if any("masked_loss" in changed for changed in variants.values()):
        write_masks(dataset)
    truth, told = read_truth(name), {}
    base = drawn_by("", truth, folder / "drawn")
    for label, changed in variants.items():
        for seed in chosen.seeds:
            config = run_of(dataset, label, changed, seed, chosen.steps)
            found = figures_of(config, base, truth, folder / "figures")
            told.setdefault(f"{label} ({name})", []).append(found)
            print(pair, label, seed, json.dumps(found), flush=True)
    return told


def main() -> None:
    """Compare, print the table, and write it beside the runs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=list(PAIRS), choices=list(PAIRS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, help="stop each run after so many steps, to try this script")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True, help="folder for datasets, runs and pictures")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    found = {row: runs for pair in chosen.only for row, runs in compare(pair, chosen).items()}
    (chosen.work / "comparison.json").write_text(json.dumps(found, indent=2) + "\n")
    (chosen.work / "comparison.md").write_text(table(found) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
