"""Does the loss that runs are checked with tell the truth? Runs of the demo set, right ones and ten times as long.

python demo_world/measure_validation.py FOLDER [--seeds 1 2 3 4 5] [--sets character] [--light]. Runs that stand in FOLDER are not
trained again. For each run: the epoch that the verdict names, and the best one by held-out truth, which no run has seen
(`noise loss`, and `excess`, the distance of drawn pictures to the truth: see measure_lora.py); and how much of a signal
there is for each epoch, in standard errors, in the checked loss and in the loss of the training itself.
"""

import argparse
import json
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import torch

from looks import noise_loss
from lora_nb import events, settings
from lora_nb.bases.models import load_base
from lora_nb.bases.sd15_parts import parts_of
from lora_nb.lora import inject
from lora_nb.lora.lora_file import read_lora
from lora_nb.training.train import train
from measure_lora import RUN, TRIGGER, Truth, draw, likeness, prepare, read_truth
from shipped import embed

EPOCHS, REPEATS = 12, 4  # as many steps as the demo's own run has
LIGHT = {"train_batch_size": 1, "diff_output_preservation": 0.0, "num_repeats": 1}  # for a busy machine


def trained(dataset: Path, place: Path, seed: int, times: int, light: bool) -> Path:
    """The folder of a run, checked after each epoch on held-out pictures."""
    config = settings.replace(
        RUN, train_data_dir=str(dataset), output_dir=str(place / "output"), output_name="x", trigger_word=TRIGGER,
        seed=seed, num_repeats=REPEATS * times, max_train_epochs=EPOCHS, save_last_n_epochs=0, sample_every_n_epochs=0,
        grid=False, validation_split=0.25, validation_seed=seed, validate_every_n_epochs=1,
    )  # fmt: skip
    if light:
        config = settings.replace(config, **(LIGHT | {"num_repeats": times}))
    train(config)
    return place


def truth_of(place: Path, truth: Truth, drawn: bool) -> list[dict[str, float]]:
    """What held-out truth says of the base (first) and of the file of each epoch."""
    found = []
    for path in [None, *sorted((place / "output").glob("x-*.safetensors"))]:
        base = load_base("demo")
        parts = parts_of(base.unet, base.text_encoder)
        if path:
            inject.apply(parts, read_lora(path))
            inject.set_strength(parts, 1.0)
        with torch.no_grad():
            texts = tuple(f"{TRIGGER}, {text}" for text in truth.captions)
            found.append({"noise loss": noise_loss(base, truth.pictures, texts)})
        if drawn and path:
            unit = embed(draw(base, truth.prompts, 1.0, True, RUN.samples.guidance))
            found[-1]["excess"] = likeness(unit, unit, truth)["excess"]
    return found


def signal_of_training(metrics: Path) -> list[float]:
    """For each epoch after the first: how far the mean loss fell since the first, in standard errors."""
    losses: dict[int, list[float]] = {}
    for event in events.read_lines(metrics.read_bytes()):
        if isinstance(event, events.StepLog):
            losses.setdefault(event.epoch, []).append(event.plain)
    error = {epoch: stdev(each) / len(each) ** 0.5 for epoch, each in losses.items()}
    return [
        (fmean(losses[1]) - fmean(losses[epoch])) / float(np.hypot(error[1], error[epoch]))
        for epoch in sorted(losses)
        if epoch > 1
    ]


def main() -> None:
    """Train what is not there yet, then print a line of JSON for each run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--sets", nargs="+", default=["character"])
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--drawn", action="store_true", help="judge drawn pictures too, which takes long")
    parser.add_argument("--train-only", action="store_true")
    parser.add_argument(
        "--light", action="store_true", help="one picture a step, nothing preserved: a tenth of the work"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for name in chosen.sets:
        chosen.folder.mkdir(parents=True, exist_ok=True)
        truth = read_truth(name)
        for times in chosen.times:
            for seed in chosen.seeds:
                place = chosen.folder / f"{name}-{seed}-x{times}"
                dataset = prepare(name, place)
                trained(dataset, place, seed, times, chosen.light)
                if not chosen.train_only:
                    print(json.dumps(judged(place, truth, chosen.drawn)), flush=True)


def judged(place: Path, truth: Truth, drawn: bool) -> dict:
    """The verdict on a run beside the truth."""
    from lora_nb.training import verdict

    metrics = place / "runs" / "x" / "metrics.jsonl"
    curves = verdict.read(metrics)
    said, told = verdict.verdict_of(curves), truth_of(place, truth, drawn)
    curve = curves["held_out"].points
    of_check = [verdict.difference(curve[1], point) for point in curve[2:]]
    by_truth = [one["noise loss"] for one in told]
    best = int(np.argmin(by_truth))
    return {
        "run": place.name, "status": said.status, "named": said.epoch, "best by noise loss": best,
        "lost by the name": by_truth[said.epoch] - by_truth[best] if said.epoch is not None else None,
        "noise loss": [round(value, 5) for value in by_truth],
        "excess": [round(one["excess"], 4) for one in told if "excess" in one],
        "checked": [round(point.loss, 5) for point in curve],
        "signal of the check": [round(-each.mean / each.error, 1) for each in of_check],
        "signal of the training loss": [round(each, 1) for each in signal_of_training(metrics)],
        "said": said.sentence,
    }  # fmt: skip


if __name__ == "__main__":
    main()
