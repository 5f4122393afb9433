"""Encoded pictures on the machine's own disk: a file for each, whole, never of another picture or another VAE.

A file is safetensors: `0.mean`, `0.std`, `1.mean`, ... (C, h, w), one pair for each view; its header holds the key and
the sum of what it was written with.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lora_nb import files
from lora_nb.bases.base import Base
from lora_nb.bases.weights import placed
from lora_nb.intake import scratch
from lora_nb.training.examples import Example
from lora_nb.training.run_plan import RunPlan
from lora_nb.training.views import View

FORMAT = 1


class Said(Protocol):
    """What is kept of a view."""

    mean: Tensor
    std: Tensor


@dataclass(frozen=True)
class Kept:
    """A view whose numbers lie in a file, which is mapped when they are asked for; `mask` is kept in memory."""

    path: Path
    number: int
    mask: Tensor | None = None

    @property
    def mean(self) -> Tensor:
        return self._read("mean")

    @property
    def std(self) -> Tensor:
        return self._read("std")

    def _read(self, what: str) -> Tensor:
        try:
            with safe_open(self.path, "pt") as file:
                return file.get_tensor(f"{self.number}.{what}").clone()
        except (OSError, SafetensorError) as error:
            raise ValueError(
                f"{self.path}, where an encoded picture was kept, cannot be read any more ({error}): start again to "
                "go on, it is encoded anew"
            ) from None


@dataclass(frozen=True)
class Store:
    """The folder of what one VAE made on one kind of device."""

    folder: Path
    vae: str

    @classmethod
    def of(cls, base: Base) -> "Store":
        """The store for a base whose VAE is where it encodes."""
        device, dtype = placed(base.vae)
        vae = f"{fingerprint(base.vae)}/{torch.device(device).type}/{dtype}"
        return cls(scratch.place("latents", vae), vae)

    def read(self, key: str) -> tuple[Kept, ...]:
        """What is kept under a key; nothing where there is none, or it is damaged."""
        path = self._path(key)
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 no mapping
        except (OSError, SafetensorError):
            return ()
        if about != self._about(key, tensors):
            return ()
        return tuple(Kept(path, number) for number in range(len(tensors) // 2))

    def write(self, key: str, said: Sequence[Said]) -> tuple[Kept, ...]:
        """Keep the views of a picture, whole or not at all."""
        tensors = {f"{number}.mean": each.mean.contiguous() for number, each in enumerate(said)}
        tensors |= {f"{number}.std": each.std.contiguous() for number, each in enumerate(said)}
        path = self._path(key)
        with files.replacing(path) as temporary:
            save_file(tensors, temporary, self._about(key, tensors))
        return tuple(Kept(path, number) for number in range(len(said)))

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(f'{self.vae}/{key}'.encode()).hexdigest()}.safetensors"

    def _about(self, key: str, tensors: Mapping[str, Tensor]) -> dict[str, str]:
        total = hashlib.sha256()
        for name in sorted(tensors):
            total.update(f"{name}{tuple(tensors[name].shape)}".encode())
            total.update(tensors[name].numpy().tobytes())
        return {"key": key, "vae": self.vae, "sum": total.hexdigest()}


def fingerprint(vae: torch.nn.Module) -> str:
    """The sum of a VAE's weights and settings."""
    total = hashlib.sha256(json.dumps(dict(vae.config), sort_keys=True, default=str).encode())
    for name, values in sorted(vae.state_dict().items()):
        total.update(name.encode())
        total.update(values.detach().float().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def keys_of(plan: RunPlan, views: Sequence[tuple[View, ...]]) -> list[str]:
    """For each example all that its numbers depend on beside the VAE: its bytes, how it is shown, who comes with it.

    Several at once are the same as one by one but for the last bits, which those that come together move.
    """
    keys = [_key(example, own) for example, own in zip(plan.examples, views, strict=True)]
    at_once = plan.config.caching.vae_batch_size
    if at_once == 1:
        return keys
    together = hashlib.sha256(json.dumps([at_once, *keys]).encode()).hexdigest()
    return [f"{key} {together}" for key in keys]


def _key(example: Example, views: Sequence[View]) -> str:
    picture = hashlib.sha256(example.item.path.read_bytes()).hexdigest()
    shown = [asdict(view) for view in views]
    return json.dumps(
        [FORMAT, torch.__version__, picture, shown, example.source.pictures.resize_interpolation]
    )
