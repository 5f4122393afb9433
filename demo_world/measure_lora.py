"""The figures of a LoRA on the demo base: likeness to held-out truth, strength, trigger, over-training; and their pictures.

python demo_world/measure_lora.py [--seeds 1 2 3] [--long]. Uses only what is in lora_nb/demo, through the library's own calls.
"""

import argparse
import io
import json
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from judge import embed
from lora_nb import captions, lora, settings
from lora_nb.config import CurateConfig, ImportConfig, TagConfig, TrainConfig, TriggerConfig
from lora_nb.curate import curate
from lora_nb.images import scan
from lora_nb.importer import import_dataset
from lora_nb.lora_file import read_lora
from lora_nb.models import BaseModel, load_base
from lora_nb.sample import Prompt, sample_images
from lora_nb.tagger import tag_images
from lora_nb.train import train
from settings import DEMO

TRIGGER = "ohwx"
PROMPTS = 12
STRENGTHS = (0.0, 0.5, 1.0)
# What every picture of the set shows: without these tags the trigger word comes to mean it.
ABSORBED = {
    "character": (
        "solo",
        "1girl",
        "dark skin",
        "long hair",
        "outline",
        "glasses",
        "wavy hair",
        "aqua hair",
        "round eyewear",
    ),
    "style": ("solo",),
}


@dataclass(frozen=True)
class Truth:
    """Held-out pictures of what the LoRA shall learn: their embeddings (N, D), and prompts that ask for such pictures."""

    embeddings: np.ndarray
    prompts: tuple[str, ...]


def read_truth(name: str) -> Truth:
    """The held-out pictures beside an example set."""
    with zipfile.ZipFile(DEMO / "examples" / f"{name}_truth.zip") as archive:
        pictures = sorted(entry for entry in archive.namelist() if entry.endswith(".png"))
        images = [np.array(Image.open(io.BytesIO(archive.read(entry))).convert("RGB")) for entry in pictures]
        texts = [archive.read(entry.replace(".png", ".txt")).decode() for entry in pictures[:PROMPTS]]
    absorbed = (*ABSORBED[name], "no lineart", "flat color", "cartoon")
    return Truth(
        embed(np.stack(images)), tuple(captions.remove_tags(text, absorbed).strip() for text in texts)
    )


def prepare(name: str, folder: Path) -> Path:
    """The dataset folder of an example set: imported, curated, tagged, with its trigger word."""
    dataset = str(folder / name / "dataset")
    import_dataset(ImportConfig(source=str(DEMO / "examples" / f"{name}.zip"), train_data_dir=dataset))
    curate(CurateConfig(train_data_dir=dataset))
    tag_images(TagConfig(train_data_dir=dataset, tagger="demo"))
    paths = [item.path for item in scan(Path(dataset)).items]
    captions.apply_trigger(paths, TriggerConfig(trigger_word=TRIGGER, remove_tags=ABSORBED[name]))
    return Path(dataset)


def train_once(dataset: Path, seed: int, times: int = 1) -> Path:
    """The last file of the demo's own run, `times` as long."""
    start = settings.load(TrainConfig, DEMO / "train.toml")
    config = replace(
        start,
        train_data_dir=str(dataset),
        output_dir=str(dataset.parent / f"run{seed}x{times}" / "output"),
        output_name="x",
        trigger_word=TRIGGER,
        seed=seed,
        num_repeats=start.num_repeats * times,
        sample_every_n_epochs=0,
        grid=False,
    )
    return Path(train(config).files[-1])


def draw(base: BaseModel, texts: tuple[str, ...], strength: float, trigger: bool) -> np.ndarray:
    """Pictures (N, H, W, 3) of the texts, each with its own fixed seed."""
    lora.set_strength(base.unet, base.text_encoder, strength)
    prompts = [
        Prompt(f"{TRIGGER}, {text}" if trigger else text, seed=1000 + i, steps=16)
        for i, text in enumerate(texts)
    ]
    return np.stack([np.array(picture) for picture in sample_images(base, prompts)])


def distance(pictures: np.ndarray, truth: np.ndarray) -> float:
    """Mean cosine distance of pictures to the truth pictures, by the judge."""
    return float((1 - embed(pictures) @ truth.T).mean())


def diversity(pictures: np.ndarray) -> float:
    """Mean cosine distance between the pictures."""
    unit = embed(pictures)
    return float((1 - unit @ unit.T)[~np.eye(len(unit), dtype=bool)].mean())


def memorisation(pictures: np.ndarray, trained: np.ndarray) -> float:
    """Mean similarity of each picture to the training picture it resembles most, by pixels (correlation at 16 px)."""

    def small(images: np.ndarray) -> np.ndarray:
        tiny = [
            np.asarray(Image.fromarray(image).resize((16, 16), Image.Resampling.BOX), float).ravel()
            for image in images
        ]
        centred = np.stack(tiny) - np.mean(tiny, axis=1, keepdims=True)
        return centred / np.linalg.norm(centred, axis=1, keepdims=True)

    return float((small(pictures) @ small(trained).T).max(1).mean())


def training_pictures(dataset: Path) -> np.ndarray:
    """What the run was trained on, as 64 px RGB."""
    return np.stack(
        [np.array(Image.open(item.path).convert("RGB").resize((64, 64))) for item in scan(dataset).items]
    )


def measure(
    name: str, file: Path, dataset: Path, truth: Truth
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Figures and pictures of one file."""
    base = load_base("demo")
    lora.apply(base.unet, base.text_encoder, read_lora(file))
    drawn = {f"strength {s:g}": draw(base, truth.prompts, s, trigger=True) for s in STRENGTHS}
    drawn["no trigger, base"] = draw(base, truth.prompts, 0.0, trigger=False)
    drawn["no trigger, strength 1"] = draw(base, truth.prompts, 1.0, trigger=False)
    far = {key: distance(value, truth.embeddings) for key, value in drawn.items()}
    fall = 1 - far["strength 1"] / far["strength 0"]
    fall_without = 1 - far["no trigger, strength 1"] / far["no trigger, base"]
    known = training_pictures(dataset)
    return {
        **far,
        "truth to truth": float(
            (1 - truth.embeddings @ truth.embeddings.T)[~np.eye(len(truth.embeddings), dtype=bool)].mean()
        ),
        "fall": fall,
        "fall at 0.5": 1 - far["strength 0.5"] / far["strength 0"],
        "fall without trigger": fall_without,
        "diversity, base": diversity(drawn["strength 0"]),
        "diversity": diversity(drawn["strength 1"]),
        "memorisation, base": memorisation(drawn["strength 0"], known),
        "memorisation": memorisation(drawn["strength 1"], known),
    }, drawn


def contact_sheet(drawn: dict[str, np.ndarray], truth: str, path: Path) -> None:
    """One row a condition, truth last, enlarged twice."""
    with zipfile.ZipFile(DEMO / "examples" / f"{truth}_truth.zip") as archive:
        names = sorted(entry for entry in archive.namelist() if entry.endswith(".png"))[:8]
        real = [
            np.array(Image.open(io.BytesIO(archive.read(n))).convert("RGB").resize((64, 64))) for n in names
        ]
    rows = [np.concatenate(list(value[:8]), axis=1) for value in (*drawn.values(), np.stack(real))]
    image = Image.fromarray(np.concatenate(rows, axis=0))
    image.resize((image.width * 2, image.height * 2), Image.Resampling.LANCZOS).save(path)


def main() -> None:
    """Print the figures as JSON, one line a run, then the means; write a sheet of pictures for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--sets", nargs="+", default=list(ABSORBED))
    parser.add_argument(
        "--long", action="store_true", help="also a run of ten times the steps, with the first seed"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.sets:
            truth, dataset, all_figures = read_truth(name), prepare(name, Path(folder)), []
            runs = [(seed, 1) for seed in chosen.seeds] + ([(chosen.seeds[0], 10)] if chosen.long else [])
            for seed, times in runs:
                figures, drawn = measure(name, train_once(dataset, seed, times), dataset, truth)
                print(
                    json.dumps(
                        {
                            "set": name,
                            "seed": seed,
                            "times": times,
                            **{k: round(v, 4) for k, v in figures.items()},
                        }
                    ),
                    flush=True,
                )
                if times == 1:
                    all_figures.append(figures)
                if seed == chosen.seeds[0]:
                    contact_sheet(drawn, name, chosen.out / f"lora_{name}{'_long' if times > 1 else ''}.png")
            mean = {key: round(float(np.mean([f[key] for f in all_figures])), 4) for key in all_figures[0]}
            print(json.dumps({"set": name, "mean of seeds": chosen.seeds, **mean}), flush=True)


if __name__ == "__main__":
    main()
