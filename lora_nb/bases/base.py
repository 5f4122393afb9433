"""What a base model is to everything that trains it or draws with it, whatever its family.

Shapes: B batch, C channels, H W pixels, h w latents, T tokens, D width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lora_nb.bases.blocks import Blocks
from lora_nb.bases.process import Process
from lora_nb.bases.weighted_text import Text
from lora_nb.config.samplers import USUAL

Size = tuple[int, int]  # width, height


def no_more(model: nn.Module) -> list[str]:
    """No layers: a model in which a LoCon learns what a LoRA does."""
    return []


@dataclass(frozen=True)
class Part:
    """A model of a base that an update can be put into.

    `name` stands in the optimizer's groups and so in states; `targets` gives the paths of the layers that learn, and
    `layer_name` what a file calls a layer, the same for every version of the libraries. `more_targets` gives what LoCon
    adds to the targets; `blocks` numbers the blocks that settings may have a value each for.
    """

    name: str
    model: nn.Module
    reads_text: bool
    targets: Callable[[nn.Module], list[str]]
    layer_name: Callable[[str], str]
    more_targets: Callable[[nn.Module], list[str]] = no_more
    blocks: Blocks | None = None


@dataclass(frozen=True)
class Framing:
    """How a picture came to its size, in pixels: what it was, where the crop begins (left, top), what it is."""

    original: Size
    offset: Size
    size: Size


@dataclass(frozen=True)
class Condition:
    """What the denoiser is told of B prompts: `states` (B, T, D), and what else its family needs, (B, ...) each."""

    states: Tensor
    more: Mapping[str, Tensor] = field(default_factory=dict)

    def row(self, number: int) -> "Condition":
        """One of them, as B = 1."""
        return Condition(
            self.states[number][None], {name: part[number][None] for name, part in self.more.items()}
        )

    def to(self, *target: torch.device | torch.dtype) -> "Condition":
        return Condition(
            self.states.to(*target), {name: part.to(*target) for name, part in self.more.items()}
        )


def join(conditions: Sequence[Condition]) -> Condition:
    """Several as one, one after the other; their T must be the same."""
    more = {name: torch.cat([each.more[name] for each in conditions]) for name in conditions[0].more}
    return Condition(torch.cat([each.states for each in conditions]), more)


@dataclass(frozen=True)
class Facts:
    """What files say of a base: sd-scripts' version, modelspec's architecture and prediction, A1111's "sd version".

    `implementation` is modelspec's, `v2` sd-scripts' word for the second generation. `vae_name` and kohya's two hashes
    of it are of a VAE in the place of the base's own.
    """

    version: str
    architecture: str
    prediction: str
    sd_version: str
    zero_terminal_snr: bool = False
    implementation: str = "diffusers"
    v2: bool = False
    vae_name: str = ""
    vae_sha256: str = ""
    vae_short_hash: str = ""


@dataclass(frozen=True)
class Drawing:
    """How latents are drawn: in so many steps of a sampler (config/samplers.py), led by `guidance`.

    `chance` is where the noise comes from that some samplers add on the way.
    """

    steps: int
    guidance: float
    sampler: str = USUAL
    chance: torch.Generator | None = None


class Base(Protocol):
    """A base in memory, frozen and in eval mode.

    `fingerprint` identifies the weights. For a single file `sha256` is the file's and `short_hash` kohya's
    ss_sd_model_hash; for a folder both are "". `notes` are sentences on what settings overrule.
    """

    name: str
    fingerprint: str
    sha256: str
    short_hash: str
    notes: tuple[str, ...]
    vae: nn.Module
    process: Process
    facts: Facts

    @property
    def denoiser(self) -> nn.Module:
        """The model that is asked at each step."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """What an update can be put into: the denoiser, then the models that read text."""

    @property
    def unit(self) -> int:
        """Pixels a picture's side is a multiple of."""

    @property
    def native_size(self) -> int:
        """Side in pixels of the square it was made for."""

    def latent_shape(self, size: Size) -> tuple[int, int, int]:
        """(C, h, w) of a picture of `size` pixels."""

    def text_length(self, texts: Sequence[Text], most: int | None = None) -> int:
        """How many tokens to give each of `texts`, `most` at most."""

    def encode(self, texts: Sequence[Text], text_layer: int, length: int) -> Condition:
        """What the denoiser is told of `texts`, with gradients where the weights have them.

        `text_layer` counts from the end (clip_skip). Raises ValueError for one there is not.
        """

    def predict(self, noisy: Tensor, times: Tensor, told: Condition, framings: Sequence[Framing]) -> Tensor:
        """(B, C, h, w) the denoiser's answer to noisy latents."""

    def encode_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation (B, C, h, w) of the latents, as the VAE gives them, of (B, 3, H, W) in [-1, 1]."""

    def scale(self, latents: Tensor) -> Tensor:
        """The VAE's latents as the denoiser knows them."""

    def decode(self, latents: Tensor) -> Tensor:
        """(B, 3, H, W) in about [-1, 1] of the denoiser's latents."""

    def denoise(
        self,
        noise: Tensor,
        told: Condition,
        instead: Condition | None,
        drawing: Drawing,
        size: Size,
    ) -> Tensor:
        """The latents (1, C, h, w) that a drawing makes of noise of variance one.

        `instead` is what to lead away from, by its guidance; None leads nowhere. Raises ValueError for a sampler that
        cannot draw with this base.
        """

    def checkpoint_gradients(self) -> None:
        """Keep fewer values of the forward pass and compute the rest again: less memory, slower."""

    def pipeline(self) -> Any:
        """The models in the family's pipeline of diffusers."""

    def load_update(self, pipeline: Any, path: Path, adapter: str | None = None) -> None:
        """Read a LoRA file into the pipeline by diffusers' own loaders."""

    def check_text_layer(self, text_layer: int) -> None:
        """Raises ValueError for a layer its text models do not have."""

    def forget(self) -> None:
        """Let go of the models."""
