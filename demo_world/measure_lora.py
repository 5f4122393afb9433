"""The figures of a LoRA on the demo base: likeness to held-out truth, strength, trigger, over-training; and their pictures.

python demo_world/measure_lora.py [--seeds 1 2 3] [--guidance 1 2 4] [--long]. Uses only what is in lora_nb/demo, through the
library's own calls.

Likeness is a cosine distance by the judge. `excess` is the mean distance of drawn pictures to the truth pictures above that
of the truth pictures to one another: 0 for a picture that could be one of them. (The pictures of a style show different
people, and so are far apart themselves.) `fall` is the share of the base's excess that is gone, `own` the distance of each
picture to the truth picture whose tags were its prompt, `moved` that to the base's picture of the same prompt and seed,
`diversity` that between the drawn pictures. `variety` and `memorisation` compare pixels. The judge is blind to scribbles and
burnt colours: `tags` is the F1 of the tags found in the pictures (asked ones and the character's own), `burnt`, `colours` and
`structure` compare them with truth pictures (looks.py); `noise loss` is that of held-out pictures.
"""

import argparse
import io
import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from looks import look, noise_loss, tags_found
from lora_nb import settings
from lora_nb.bases.base import Base
from lora_nb.bases.models import load_base
from lora_nb.bases.sd15_parts import parts_of
from lora_nb.captioning.tagger import tag_images
from lora_nb.config.captioning import TagConfig
from lora_nb.config.dataset import TriggerConfig
from lora_nb.config.intake import ImportConfig
from lora_nb.config.pictures import CurateConfig
from lora_nb.config.training import TrainConfig
from lora_nb.dataset import captions
from lora_nb.dataset.images import scan
from lora_nb.drawing.sample import Prompt, sample_images
from lora_nb.intake.importer import import_dataset
from lora_nb.lora import inject
from lora_nb.lora.lora_file import read_lora
from lora_nb.pictures.curate import curate
from lora_nb.training.train import train
from settings import DEMO
from shipped import Tagger, embed

TRIGGER = "ohwx"
RUN = settings.load(TrainConfig, DEMO / "train.toml")
PROMPTS = 12
# What no picture of the character shows: who still gets it when asked for has not only learnt the pictures by heart.
CONTRARY = (
    "blonde hair", "pink hair", "black hair", "short hair", "hair bun", "bald", "sunglasses", "bob cut"
)  # fmt: skip
STRENGTHS = (0.0, 0.5, 1.0)
# What every picture of the set shows: without these tags the trigger word comes to mean it.
ABSORBED = {
    "character": (
        "solo", "1girl", "dark skin", "long hair", "outline", "glasses", "wavy hair", "aqua hair", "round eyewear"
    ),
    "style": ("solo",),
}  # fmt: skip
# Words that say nothing of a truth picture or that the base was not taught to draw.
STYLE_WORDS = ("no lineart", "flat color", "cartoon")


@dataclass(frozen=True)
class Truth:
    """Held-out pictures (N, H, W, 3) of what the LoRA shall learn, their embeddings (N, D), tags and shorter captions."""

    pictures: np.ndarray
    embeddings: np.ndarray
    tags: tuple[str, ...]
    captions: tuple[str, ...]

    @property
    def prompts(self) -> tuple[str, ...]:
        return self.captions[:PROMPTS]


def read_truth(name: str) -> Truth:
    """The held-out pictures beside an example set; their captions lack what the trigger word stands for."""
    with zipfile.ZipFile(DEMO / "examples" / f"{name}_truth.zip") as archive:
        names = sorted(entry for entry in archive.namelist() if entry.endswith(".png"))
        images = [Image.open(io.BytesIO(archive.read(entry))).convert("RGB") for entry in names]
        tags = tuple(archive.read(entry.replace(".png", ".txt")).decode().strip() for entry in names)
    small = np.stack([np.array(image.resize((64, 64), Image.Resampling.LANCZOS)) for image in images])
    asked = tuple(captions.remove_tags(text, (*ABSORBED[name], *STYLE_WORDS)).strip() for text in tags)
    return Truth(small, embed(np.stack([np.array(image) for image in images])), tags, asked)


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
    config = settings.replace(
        RUN,
        train_data_dir=str(dataset),
        output_dir=str(dataset.parent / f"run{seed}x{times}" / "output"),
        output_name="x",
        trigger_word=TRIGGER,
        seed=seed,
        num_repeats=RUN.pictures.num_repeats * times,
        sample_every_n_epochs=0,
        grid=False,
    )
    return Path(train(config).files[-1])


def draw(base: Base, texts: tuple[str, ...], strength: float, trigger: bool, guidance: float) -> np.ndarray:
    """Pictures (N, H, W, 3) of the texts, each with its own fixed seed."""
    inject.set_strength(parts_of(base.unet, base.text_encoder), strength)
    prompts = [
        Prompt(f"{TRIGGER}, {text}" if trigger else text, seed=1000 + i, steps=16, guidance=guidance)
        for i, text in enumerate(texts)
    ]
    return np.stack([np.array(picture) for picture in sample_images(base, prompts)])


def between(first: np.ndarray, second: np.ndarray) -> float:
    """Mean cosine distance of unit vectors (N, D) to unit vectors (M, D)."""
    return float((1 - first @ second.T).mean())


def within(unit: np.ndarray) -> float:
    """Mean cosine distance between different ones of unit vectors (N, D)."""
    return float((1 - unit @ unit.T)[~np.eye(len(unit), dtype=bool)].mean())


def paired(first: np.ndarray, second: np.ndarray) -> float:
    """Mean cosine distance of each unit vector (N, D) to the one at its own place."""
    return float((1 - (first * second).sum(1)).mean())


def likeness(unit: np.ndarray, start: np.ndarray, truth: Truth) -> dict[str, float]:
    """How far pictures are from the truth, from the base's at the same prompts and seeds, and from one another."""
    apart = within(truth.embeddings)
    excess = between(unit, truth.embeddings) - apart
    return {
        "excess": excess,
        "fall": 1 - excess / (between(start, truth.embeddings) - apart),
        "own": paired(unit, truth.embeddings[: len(unit)]),
        "moved": paired(unit, start),
        "diversity": within(unit),
    }


def small(pictures: np.ndarray) -> np.ndarray:
    """Pictures as unit vectors (N, D) of their 16 px copies without the mean: their products are correlations."""
    tiny = [
        np.asarray(Image.fromarray(picture).resize((16, 16), Image.Resampling.BOX), float).ravel()
        for picture in pictures
    ]
    centred = np.stack(tiny) - np.mean(tiny, axis=1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def memorisation(pictures: np.ndarray, trained: np.ndarray) -> float:
    """Mean correlation of each picture with the training picture it resembles most."""
    return float((small(pictures) @ small(trained).T).max(1).mean())


def obedience(base: Base, guidance: float) -> tuple[dict[str, float], np.ndarray]:
    """The share of CONTRARY tags that the tagger finds in pictures asked for them, how far these are apart, and they."""
    texts = tuple(f"{tag}, smile, red background" for tag in CONTRARY)
    pictures = draw(base, texts, 1.0, trigger=True, guidance=guidance)
    tagger = Tagger()
    told = tagger.probabilities(pictures) > 0.35
    found = [told[row, tagger.names.index(tag)] for row, tag in enumerate(CONTRARY)]
    return {"found": float(np.mean(found)), "diversity": within(embed(pictures))}, pictures


def training_pictures(dataset: Path) -> np.ndarray:
    """What the run was trained on, as 64 px RGB."""
    return np.stack(
        [np.array(Image.open(item.path).convert("RGB").resize((64, 64))) for item in scan(dataset).items]
    )


def measure(
    file: Path, dataset: Path, truth: Truth, guidance: float
) -> tuple[dict[str, dict], dict[str, np.ndarray]]:
    """Figures and pictures of one file, by condition."""
    base = load_base("demo")
    inject.apply(parts_of(base.unet, base.text_encoder), read_lora(file))
    drawn = {f"strength {s:g}": draw(base, truth.prompts, s, True, guidance) for s in STRENGTHS}
    drawn |= {
        f"no trigger, strength {s:g}": draw(base, truth.prompts, s, False, guidance) for s in (0.0, 1.0)
    }
    drawn["base, all tags"] = draw(base, truth.tags[:PROMPTS], 0.0, False, guidance)
    known, tagger = training_pictures(dataset), Tagger()
    unit = {name: embed(pictures) for name, pictures in drawn.items()}
    figures = {}
    for name, pictures in drawn.items():
        start = unit["no trigger, strength 0" if name.startswith("no") else "strength 0"]
        figures[name] = likeness(unit[name], start, truth) | look(pictures, truth.pictures)
        figures[name] |= {
            "tags": tags_found(pictures, truth.tags[:PROMPTS], tagger),
            "variety": within(small(pictures)),
            "memorisation": memorisation(pictures, known),
        }
    figures["contrary tags"], drawn["contrary tags"] = obedience(base, guidance)
    figures["noise loss"] = noise_losses(base, truth)
    return figures, drawn


def noise_losses(base: Base, truth: Truth) -> dict[str, float]:
    """The loss on held-out pictures of the base, and of the LoRA at full strength."""
    texts, told = tuple(f"{TRIGGER}, {text}" for text in truth.captions), {}
    for strength in (0.0, 1.0):
        inject.set_strength(parts_of(base.unet, base.text_encoder), strength)
        told[f"strength {strength:g}"] = noise_loss(base, truth.pictures, texts)
    return told


def contact_sheet(drawn: dict[str, np.ndarray], truth: Truth, path: Path) -> None:
    """One row a condition, truth last, enlarged twice."""
    rows = [np.concatenate(list(value[:8]), axis=1) for value in (*drawn.values(), truth.pictures)]
    image = Image.fromarray(np.concatenate(rows, axis=0))
    large = image.resize((image.width * 2, image.height * 2), Image.Resampling.LANCZOS)
    large.quantize(256).save(path, optimize=True)


def mean_of(runs: list[dict[str, dict]]) -> dict[str, dict]:
    """The mean of several runs' figures."""
    return {
        name: {key: float(np.mean([run[name][key] for run in runs])) for key in told}
        for name, told in runs[0].items()
    }


def rounded(figures: dict[str, dict]) -> dict[str, dict]:
    """The same to four digits."""
    return {name: {key: round(value, 4) for key, value in told.items()} for name, told in figures.items()}


def measure_set(name: str, chosen: argparse.Namespace, folder: Path) -> dict[str, dict]:
    """Train and measure one set, a run a seed and perhaps a long one; write a sheet of pictures for the first of each."""
    truth, dataset, told = read_truth(name), prepare(name, folder), {}
    for times in (1, 10) if chosen.long else (1,):
        for seed in chosen.seeds if times == 1 else chosen.seeds[:1]:
            file = train_once(dataset, seed, times)
            for guidance in chosen.guidance:
                figures, drawn = measure(file, dataset, truth, guidance)
                first = (seed, guidance) == (chosen.seeds[0], chosen.guidance[0])
                if first:
                    ending = "_long" if times > 1 else ""
                    contact_sheet(drawn, truth, chosen.out / f"lora_{name}{ending}.png")
                label = f"seed {seed}, guidance {guidance:g}" + (
                    f", {times} x the steps" if times > 1 else ""
                )
                told[label] = rounded(figures)
                print(name, label, json.dumps(told[label]), flush=True)
    means = {
        f"mean, guidance {g:g}": rounded(
            mean_of([told[f"seed {seed}, guidance {g:g}"] for seed in chosen.seeds])
        )
        for g in chosen.guidance
    }
    return {"truth to truth": round(within(truth.embeddings), 3), **means, **told}


def main() -> None:
    """Measure the sets and write lora_figures.json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--sets", nargs="+", default=list(ABSORBED), choices=list(ABSORBED))
    parser.add_argument(
        "--long", action="store_true", help="also a run of ten times the steps, with the first seed"
    )
    parser.add_argument("--guidance", type=float, nargs="+", default=[RUN.samples.guidance])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        told = {name: measure_set(name, chosen, Path(folder)) for name in chosen.sets}
    (chosen.out / "lora_figures.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
