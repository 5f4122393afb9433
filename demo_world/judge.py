"""The judge: a picture embedding in which the same person, and the same style, are near; trained on pictures of its own."""

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnet import ConvNet, export, worn_batch
from palette import CLOTHES, jitter
from render import Pictures, draw, sample
from settings import SCRATCH, SEEDS
from shipped import JUDGE, embed
from styles import STYLES
from training import Run
from world import Avatar, background, framing

# B batch, D width.
WIDTH = 64
WIDTHS = (16, 32, 64, 128)
PEOPLE, VIEWS = 1500, 4


def another_view(avatar: Avatar, rng: random.Random) -> Avatar:
    """Return the same person with another mouth, other clothes, another background and frame."""
    parts = STYLES[avatar.style]
    options = dict(avatar.options)
    options[parts.mouth_option] = [rng.choice(list(parts.mouth))]
    if parts.clothes:
        colour = jitter(rng.choice(list(CLOTHES.values())), rng)
        options |= {parts.clothes_option: [rng.choice(list(parts.clothes))], parts.clothes_colour: [colour]}
    options |= framing(avatar.style, rng, wide=True)
    colours, _, _ = background(rng, avoid="")
    return replace(avatar, options=options, background=colours)


def views() -> Pictures:
    """Return PEOPLE x VIEWS pictures, the views of one person next to one another, cached."""
    cache = SCRATCH / "pictures" / f"judge-{PEOPLE}.npz"
    people = sample("judge", PEOPLE)
    styles = [avatar.style for avatar in people for _ in range(VIEWS)]
    if not cache.exists():
        rng = random.Random(SEEDS["judge"] + 100)
        drawn = draw([another_view(avatar, rng) for avatar in people for _ in range(VIEWS)])
        np.savez(cache, images=drawn.images)
    return Pictures(np.load(cache)["images"], [], styles)


class Judge(nn.Module):
    """The embedding, and a style classifier that only training uses."""

    def __init__(self) -> None:
        super().__init__()
        self.net = ConvNet(WIDTH, WIDTHS)
        self.style = nn.Linear(WIDTH, len(STYLES), bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        unit = F.normalize(self.net(x).float(), dim=1)
        return unit, self.style(unit) * 8


def pair_loss(first: Tensor, second: Tensor, heat: float = 0.1) -> Tensor:
    """Return InfoNCE: each person's two views are nearer than any other person's (both (B, D), unit length)."""
    likeness = first @ second.T / heat
    same = torch.arange(len(first))
    return (F.cross_entropy(likeness, same) + F.cross_entropy(likeness.T, same)) / 2


def batches(
    images: np.ndarray, people: int, size: int, rng: random.Random
) -> Iterator[tuple[Tensor, list[int]]]:
    """Yield worn pictures of `size` people, two views each (all first views, then all second), and their numbers."""
    while True:
        chosen = rng.sample(range(people), size)
        pairs = [rng.sample(range(VIEWS), 2) for _ in chosen]
        numbers = [
            person * VIEWS + pair[view] for view in (0, 1) for person, pair in zip(chosen, pairs, strict=True)
        ]
        yield worn_batch(images, numbers, rng), numbers


def train(steps: int = 400, batch: int = 40) -> None:
    """Train, export and measure the judge; resumes. The last 300 people are held out."""
    drawn = views()
    kinds = torch.tensor([list(STYLES).index(style) for style in drawn.styles])
    run = Run("judge", nn.ModuleDict({"judge": Judge()}), steps, 2e-3)
    source = batches(drawn.images, PEOPLE - 300, batch, random.Random(run.step))
    while run.step < steps:
        run.modules.train()
        x, numbers = next(source)
        with torch.autocast("cpu", torch.bfloat16):
            unit, told = run.modules["judge"](x)
        run.update(pair_loss(unit[:batch], unit[batch:]) + 0.3 * F.cross_entropy(told, kinds[numbers]))
    export(run.averaged(nn.ModuleDict({"judge": Judge()}))["judge"].net, JUDGE, unit=True)
    print(report(), flush=True)


def report() -> dict:
    """Return how often a held-out person's nearest other picture (among 600) is the same person, or of the same style."""
    drawn = views()
    first = (PEOPLE - 300) * VIEWS
    chosen = [first + person * VIEWS + view for person in range(300) for view in (0, 1)]
    unit = embed(drawn.images[chosen])
    likeness = unit @ unit.T - 2 * np.eye(len(unit))
    nearest = likeness.argmax(1)
    styles = np.array(drawn.styles)[chosen]
    return {
        "same_person": round(float((nearest // 2 == np.arange(len(unit)) // 2).mean()), 3),
        "same_style": round(float((styles[nearest] == styles).mean()), 3),
    }
