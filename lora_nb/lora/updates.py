"""The update of one layer as a file holds it, for each kind of network.

Shapes: R rank; out and in of the layer, k x k its kernel.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor

Layouts = frozenset[frozenset[str]]


def _layouts(*names: str) -> Layouts:
    """Sets of names, each written as one text."""
    return frozenset(frozenset(each.split()) for each in names)


class Update:
    """What all kinds have in common: `alpha`, `rank` (None where there is none), and `factors` it is the product of."""

    layouts: ClassVar[Layouts]
    alpha: float
    rank: int | None
    factors: list[Tensor]

    @property
    def scale(self) -> float:
        """What the product is multiplied with."""
        return self.alpha / self.rank if self.rank else 1.0

    @property
    def is_zero(self) -> bool:
        """Whether it changes nothing."""
        return any(not factor.count_nonzero() for factor in self.factors)

    def change(self, weight: Tensor) -> Tensor:
        """How `weight`, the layer's own, changes at strength 1."""
        return self.product(weight)


@dataclass(frozen=True)
class LoraModule(Update):
    """LoRA and LoCon: up @ down * alpha / R. `down` (R, in[, k, k]), `up` (out, R[, 1, 1]).

    With a `magnitude` (1, in[, 1, 1]) or (out, 1[, 1, 1]) it is DoRA: weight and update together have that norm, over
    each of their inputs or outputs.
    """

    down: Tensor
    up: Tensor
    alpha: float
    magnitude: Tensor | None = None
    layouts: ClassVar = _layouts(
        "lora_down.weight lora_up.weight", "lora_down.weight lora_up.weight dora_scale"
    )

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """By what a file adds to the layer's name."""
        own = {"lora_down.weight": self.down, "lora_up.weight": self.up}
        return own if self.magnitude is None else own | {"dora_scale": self.magnitude}

    @property
    def factors(self) -> list[Tensor]:
        return [self.down, self.up]

    def as_float(self) -> "LoraModule":
        """The same in float32 on the CPU."""
        magnitude = None if self.magnitude is None else self.magnitude.float().cpu()
        return replace(self, down=self.down.float().cpu(), up=self.up.float().cpu(), magnitude=magnitude)

    def product(self, weight: Tensor) -> Tensor:
        """What is added to the layer's weight, in its shape, before any magnitude."""
        return self.scale * (self.up.flatten(1) @ self.down.flatten(1)).view(weight.shape)

    def change(self, weight: Tensor) -> Tensor:
        """How `weight`, the layer's own, changes at strength 1."""
        if self.magnitude is None:
            return self.product(weight)
        merged = weight + self.product(weight)
        return merged * (self.magnitude / norms(merged, self.magnitude)) - weight

    @classmethod
    def read(cls, parts: Mapping[str, Tensor], alpha: float | None) -> "LoraModule":
        """From a file's tensors; without an alpha it is the rank."""
        down, up = parts["lora_down.weight"], parts["lora_up.weight"]
        return cls(down, up, float(len(down)) if alpha is None else alpha, parts.get("dora_scale"))


def norms(weight: Tensor, magnitude: Tensor) -> Tensor:
    """The norms of `weight` over each of its inputs or outputs, whichever `magnitude` lies along, in its shape."""
    kept = 1 if magnitude.shape[0] == 1 else 0
    along = [axis for axis in range(weight.dim()) if axis != kept]
    return torch.linalg.vector_norm(weight, dim=along, keepdim=True)


@dataclass(frozen=True)
class PartedUpdate(Update):
    """An update of several matrices, in `parts` by what a file adds to the layer's name."""

    parts: Mapping[str, Tensor]
    alpha: float

    @property
    def tensors(self) -> dict[str, Tensor]:
        """By what a file adds to the layer's name."""
        return dict(self.parts)

    @property
    def factors(self) -> list[Tensor]:
        return list(self.parts.values())

    def as_float(self) -> "PartedUpdate":
        """The same in float32 on the CPU."""
        return replace(self, parts={name: part.float().cpu() for name, part in self.parts.items()})

    @classmethod
    def read(cls, parts: Mapping[str, Tensor], alpha: float | None) -> "PartedUpdate":
        """From a file's tensors; without an alpha it is the rank."""
        found = cls(dict(parts), 1.0)
        return cls(found.parts, float(found.rank or 1) if alpha is None else alpha)

    def _half(self, name: str, core: str) -> Tensor:
        """One of the two matrices that are multiplied: whole, of two factors, or those with a Tucker core."""
        if name in self.parts:
            return self.parts[name]
        left, right, inner = self.parts[f"{name}_a"], self.parts[f"{name}_b"], self.parts.get(core)
        return left @ right if inner is None else torch.einsum("ijkl,ip,jr->prkl", inner, left, right)


class LohaModule(PartedUpdate):
    """LoHa: w1 * w2 * alpha / R, element by element, each of factors (out, R) and (R, in k k).

    With Tucker cores t1, t2 (R, R, k, k) the factors are (R, out) and (R, in).
    """

    FACTORS = "hada_w1_a hada_w1_b hada_w2_a hada_w2_b"
    layouts: ClassVar = _layouts(FACTORS, FACTORS + " hada_t1 hada_t2")

    @property
    def rank(self) -> int:
        return self.parts["hada_w1_b"].shape[0]

    def product(self, weight: Tensor) -> Tensor:
        """What is added to the layer's weight, in its shape."""
        halves = self._half("hada_w1", "hada_t1") * self._half("hada_w2", "hada_t2")
        return self.scale * halves.reshape(weight.shape)


class LokrModule(PartedUpdate):
    """LoKr: the Kronecker product of w1 and w2, times alpha / R where one has factors, and 1 where both are whole."""

    W1, W2 = (
        ("lokr_w1", "lokr_w1_a lokr_w1_b"),
        ("lokr_w2", "lokr_w2_a lokr_w2_b", "lokr_w2_a lokr_w2_b lokr_t2"),
    )
    layouts: ClassVar = _layouts(*(" ".join(each) for each in product(W1, W2)))

    @property
    def rank(self) -> int | None:
        """None where both are whole."""
        of_factors = [part.shape[0] for name, part in self.parts.items() if name.endswith("_b")]
        return of_factors[0] if of_factors else None

    def product(self, weight: Tensor) -> Tensor:
        """What is added to the layer's weight, in its shape."""
        left, right = self._half("lokr_w1", ""), self._half("lokr_w2", "lokr_t2")
        left = left.view(*left.shape, *[1] * (right.dim() - 2))
        return self.scale * torch.kron(left, right.contiguous()).reshape(weight.shape)


MODULES = (LoraModule, LohaModule, LokrModule)
KNOWN = frozenset(name for cls in MODULES for layout in cls.layouts for name in layout)


def read_module(parts: Mapping[str, Tensor], alpha: float | None) -> Update:
    """The update that a file's tensors of one layer are. Raises ValueError, with what it has, where they are none."""
    for cls in MODULES:
        if frozenset(parts) in cls.layouts:
            return cls.read(parts, alpha)
    raise ValueError(_has(parts))


def _has(parts: Iterable[str]) -> str:
    names = frozenset(parts)
    near = [layout for cls in MODULES for layout in cls.layouts if layout & names]
    fewest = min((sorted(layout - names) for layout in near if names < layout), key=len, default=[])
    return f"has {', '.join(sorted(names))}" + (f" but no {', '.join(fewest)}" if fewest else "")
