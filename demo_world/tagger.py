"""The tagger: a WD14-format model (model.onnx, selected_tags.csv) for the world, and how well it does."""

import csv
import random
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vae as vae_stage
from convnet import ConvNet, export, worn_batch
from render import Pictures, pictures
from shipped import TAGGER, Tagger
from training import Run

# B batch, K tags.
RATINGS = ("general", "sensitive", "questionable", "explicit")
TRAINING, HELD_OUT = ("tagger", 12000), ("tagger_test", 2000)


def known_tags(drawn: Pictures) -> list[tuple[str, int]]:
    """Return (tag, count), most frequent first."""
    return Counter(tag for row in drawn.tags for tag in row).most_common()


def targets(drawn: Pictures, names: list[str]) -> Tensor:
    """Return (B, 4 + K) of 0 and 1, the ratings first; every picture is `general`."""
    place = {name: 4 + index for index, name in enumerate(names)}
    wanted = torch.zeros(len(drawn.tags), 4 + len(names))
    wanted[:, 0] = 1
    for index, row in enumerate(drawn.tags):
        wanted[index, [place[tag] for tag in row if tag in place]] = 1
    return wanted


@torch.no_grad()
def reconstructed(images: np.ndarray, noise: float = 0.25) -> np.ndarray:
    """Return the pictures (drawn size) after the VAE with noisy latents, as generated pictures look; training size."""
    model = vae_stage.load()
    done = []
    for part in np.array_split(images, max(1, len(images) // 64)):
        small = vae_stage.small(Pictures(part, [], []), len(done))
        latents = model.encode(vae_stage.to_tensor(small)).latent_dist.mean * model.config.scaling_factor
        latents += torch.randn_like(latents) * noise * torch.rand(len(latents), 1, 1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            done.append(vae_stage.to_images(model.decode(latents / model.config.scaling_factor).sample))
    return np.concatenate(done)


def write_tags(rows: list[tuple[str, int]], total: int, path: Path) -> None:
    """Write selected_tags.csv: ratings (category 9) first, then the general tags with underscores."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("tag_id", "name", "category", "count"))
        writer.writerows(
            (9999990 + index, name, 9, total if index == 0 else 0) for index, name in enumerate(RATINGS)
        )
        writer.writerows(
            (index + 1, name.replace(" ", "_"), 0, count) for index, (name, count) in enumerate(rows)
        )


def train(steps: int = 900, batch: int = 64, repaired: int = 2500) -> None:
    """Train, export and measure the tagger; resumes."""
    drawn = pictures(*TRAINING)
    rows = known_tags(drawn)
    names = [name for name, _ in rows]
    wanted = targets(drawn, names)
    again = reconstructed(drawn.images[:repaired])
    run = Run("tagger", nn.ModuleDict({"net": ConvNet(4 + len(names))}), steps, 2e-3)
    rng = random.Random(run.step)
    while run.step < steps:
        run.modules.train()
        chosen = rng.sample(range(len(drawn.tags)), 2 * batch // 3)
        other = rng.sample(range(repaired), batch - len(chosen))
        x = torch.cat([worn_batch(drawn.images, chosen, rng), worn_batch(again, other, rng)])
        with torch.autocast("cpu", torch.bfloat16):
            told = run.modules["net"](x)
        loss = F.binary_cross_entropy_with_logits(told.float(), wanted[chosen + other]) * 10
        run.update(loss)
    net = run.averaged(nn.ModuleDict({"net": ConvNet(4 + len(names))}))["net"]
    write_tags(rows, len(drawn.tags), TAGGER / "selected_tags.csv")
    export(net, TAGGER / "model.onnx", unit=False)
    print(report(), flush=True)


def f1(told: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return F1 a column, of two boolean arrays (B, K)."""
    hit = (told & wanted).sum(0)
    return 2 * hit / np.maximum(told.sum(0) + wanted.sum(0), 1)


def report(threshold: float = 0.35, least: int = 50) -> dict:
    """Return macro-F1 on held-out renders over tags with at least `least` examples, and the weakest tags."""
    drawn = pictures(*HELD_OUT)
    tagger = Tagger()
    told = tagger.probabilities(drawn.images)[:, 4:] > threshold
    names = tagger.names[4:]
    wanted = targets(drawn, names)[:, 4:].numpy() > 0.5
    scores = f1(told, wanted)
    common = wanted.sum(0) >= least
    weakest = sorted(
        (round(float(score), 3), name)
        for score, name, enough in zip(scores, names, common, strict=True)
        if enough
    )[:8]
    return {
        "macro_f1": round(float(scores[common].mean()), 4),
        "tags": int(common.sum()),
        "threshold": threshold,
        "weakest": weakest,
    }
