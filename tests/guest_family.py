"""A family of bases that exists in the tests alone: it proves that a new one needs no edit of lora_nb.

Two text models of different width with a pooled state, a picture's size as a condition, a flow for its process, and
modules with names of their own. Shapes: B batch, C channels, h w latents, T tokens, D width.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import nn

from lora_nb.bases.base import Condition, Facts, Part
from lora_nb.bases.families import Family
from lora_nb.bases.process import Draw
from lora_nb.bases.targets import layers_in
from lora_nb.hub import Layout
from lora_nb.lora import inject
from lora_nb.lora.lora_file import read_lora

FACTOR, CHANNELS, WIDTH, VOCABULARY, CHUNK = 8, 6, 32, 64, 16
CARD = "guest.json"


class TextReader(nn.Module):
    """Token ids (B, T) -> states (B, T, D) and a pooled state (B, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, width)
        self.mixing = Mixing(width)

    def forward(self, ids):
        states = self.words(ids)
        states = states + self.mixing(states)
        return states, states.mean(1)


class Mixing(nn.Module):
    """What an update is put into: two linear layers with a bend between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.go_in, self.go_out = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return self.go_out(torch.tanh(self.go_in(x)))


class Seer(nn.Module):
    """Noisy latents, their time in [0, 1], text, pooled state and sizes -> the way from the picture to the noise."""

    def __init__(self, text: int, pooled: int) -> None:
        super().__init__()
        self.enter, self.leave = nn.Conv2d(CHANNELS, WIDTH, 1), nn.Conv2d(WIDTH, CHANNELS, 1)
        self.told, self.sized = nn.Linear(text + pooled, WIDTH), nn.Linear(6 + 1, WIDTH)
        self.mixing = Mixing(WIDTH)

    def forward(self, noisy, times, states, pooled, sizes):
        tokens = self.enter(noisy).flatten(2).transpose(1, 2)
        told = self.told(torch.cat([states.mean(1), pooled], 1))
        sized = self.sized(torch.cat([sizes, times[:, None]], 1).to(noisy.dtype))
        tokens = tokens + (told + sized)[:, None]
        tokens = tokens + self.mixing(tokens)
        return self.leave(tokens.transpose(1, 2).unflatten(2, noisy.shape[2:]))


class Squeezer(nn.Module):
    """Pictures (B, 3, H, W) <-> latents (B, C, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, CHANNELS, FACTOR, FACTOR)
        self.up = nn.ConvTranspose2d(CHANNELS, 3, FACTOR, FACTOR)


class Flow:
    """x = (1 - s) picture + s noise; the answer is noise - picture; s is the sigmoid of a normal number."""

    honours = frozenset()

    def draw(self, latents, loss, generator):
        noise = torch.randn(latents.shape, generator=generator)
        return Draw(noise, noise, torch.sigmoid(torch.randn((), generator=generator)))

    def mix(self, latents, noise, times):
        share = times.view(-1, 1, 1, 1)
        return (1 - share) * latents + share * noise

    def target(self, latents, noise, times):
        return noise - latents

    def weights(self, times, loss):
        return torch.ones_like(times)

    def thresholds(self, times, loss):
        return torch.full_like(times, loss.distance.huber_c)

    def middle(self):
        return torch.tensor(0.5)

    def check(self, name):
        """Any can be trained."""


@dataclass
class Guest:
    """A guest base in memory; what its members are is said in `bases.base.Base`."""

    name: str
    fingerprint: str
    denoiser: Seer
    readers: tuple[TextReader, TextReader]
    vae: Squeezer
    sha256: str = ""
    short_hash: str = ""
    notes: tuple[str, ...] = ()
    process: Flow = field(default_factory=Flow)
    facts: Facts = Facts("guest_v1", "guest/lora", "flow", "Guest")
    unit: int = 2 * FACTOR
    native_size: int = 64

    @property
    def parts(self):
        targets = partial(layers_in, containers={"Mixing"})
        readers = [
            Part(f"reader_{number}", model, True, targets, partial(_name, f"lora_te{number}"))
            for number, model in enumerate(self.readers, 1)
        ]
        return Part("seer", self.denoiser, False, targets, partial(_name, "lora_seer")), *readers

    def latent_shape(self, size):
        return CHANNELS, size[1] // FACTOR, size[0] // FACTOR

    def text_length(self, texts, most=None):
        return CHUNK

    def encode(self, texts, text_layer, length):
        ids = torch.tensor([_ids(text, length) for text in texts])
        (one, _), (two, pooled) = (reader(ids) for reader in self.readers)
        return Condition(torch.cat([one, two], dim=2), {"pooled": pooled})

    def predict(self, noisy, times, told, framings):
        sizes = torch.tensor([[*f.original, *f.offset, *f.size] for f in framings]) / 100
        return self.denoiser(noisy, times, told.states, told.more["pooled"], sizes)

    def encode_images(self, pixels):
        mean = self.vae.down(pixels)
        return mean, torch.full_like(mean, 0.01)

    def scale(self, latents):
        return latents * 0.5

    def decode(self, latents):
        return torch.tanh(self.vae.up(latents * 2))

    def denoise(self, noise, told, instead, drawing, size):
        steps = drawing.steps
        latents, sizes = noise, torch.tensor([[*size, 0, 0, *size]]) / 100
        for step in range(steps):
            time = torch.tensor([1 - step / steps])
            way = self.denoiser(latents, time, told.states, told.more["pooled"], sizes)
            if instead is not None:
                away = self.denoiser(latents, time, instead.states, instead.more["pooled"], sizes)
                way = away + drawing.guidance * (way - away)
            latents = latents - way / steps
        return latents

    def checkpoint_gradients(self):
        """It is small enough."""

    def pipeline(self):
        return self

    def load_update(self, pipeline, path, adapter=None):
        inject.apply(self.parts, read_lora(path))

    def check_text_layer(self, text_layer):
        check_text_layer(self.name, text_layer)

    def forget(self):
        self.denoiser = self.readers = self.vae = None


def _name(prefix: str, path: str) -> str:
    return f"{prefix}_{path.replace('.', '_')}"


def _ids(text: str, length: int) -> list[int]:
    words = [
        1 + int(hashlib.sha256(word.encode()).hexdigest(), 16) % (VOCABULARY - 1) for word in text.split()
    ]
    return (words + [0] * length)[:length]


def load(found: Path, dtype: torch.dtype, name: str, prediction_type: str, zero_terminal_snr: str) -> Guest:
    """The base whose weights are drawn from the seed in its card."""
    card = (found / CARD).read_bytes()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(json.loads(card)["seed"])
        readers = TextReader(16), TextReader(24)
        base = Guest(name, hashlib.sha256(card).hexdigest(), Seer(16 + 24, 24), readers, Squeezer())
    for model in (base.denoiser, base.vae, *base.readers):
        model.eval().requires_grad_(False)
    return base


def check_text_layer(name: str, text_layer: int) -> None:
    if text_layer > 1:
        raise ValueError(f"clip_skip = {text_layer} is not usable: {name} has one layer of text")


def check(path: Path) -> Path:
    if not (path / CARD).is_file():
        raise ValueError(f"{path} is no guest")
    return path


GUEST = Family(
    title="Guest",
    denoiser_name="seer",
    text_name="readers",
    module=__name__,
    layout=Layout(CARD, (CARD,), (), {}),
    knows=lambda path: (path / CARD).is_file(),
    check=check,
    check_download=lambda folder, name: check(folder),
    check_weights=check,
    resolution=lambda name: 64,
    unit=lambda name: 2 * FACTOR,
    check_text_layer=check_text_layer,
)
