"""Which layers of a model learn, with which rank and alpha, and at which share of the learning rate."""

import math
import re
from collections.abc import Callable, Sequence

from lora_nb.bases.base import Part
from lora_nb.bases.blocks import Blocks
from lora_nb.bases.targets import has_kernel
from lora_nb.config.network import Network
from lora_nb.lora.kind import Shape

# sd-scripts' presets for n blocks, before what is added: the share of block i.
PRESETS: dict[str, Callable[[int, int], float]] = {
    "cosine": lambda i, n: math.sin(math.pi * ((n - 1 - i) / (n - 1)) / 2),
    "sine": lambda i, n: math.sin(math.pi * (i / (n - 1)) / 2),
    "linear": lambda i, n: i / (n - 1),
    "reverse_linear": lambda i, n: (n - 1 - i) / (n - 1),
    "zeros": lambda i, n: 0.0,
}


def shapes_of(part: Part, network: Network) -> dict[str, Shape]:
    """The layers of a part that learn, by path. Raises ValueError for settings that do not suit its blocks."""
    convolves = bool(network.conv_rank or network.conv_block_dims)
    paths = part.targets(part.model) + (part.more_targets(part.model) if convolves else [])
    blocks = None if part.reads_text else _blocks(part, network)
    shares = weights_of(part, network)
    found = {}
    for path in paths:
        number = blocks.number(path) if blocks else None
        shape = _shape(network, has_kernel(part.model.get_submodule(path)), number)
        if (
            shape.rank
            and (shares is None or shares[number])
            and _is_asked_for(part.layer_name(path), network)
        ):
            found[path] = shape
    return found


def _shape(network: Network, has_kernel: bool, number: int | None) -> Shape:
    if has_kernel:
        rank = network.conv_rank or 0
        alpha = network.conv_alpha or network.alpha * (rank or network.rank) / network.rank
        dims, alphas = network.conv_block_dims, network.conv_block_alphas
    else:
        rank, alpha, dims, alphas = network.rank, network.alpha, network.block_dims, network.block_alphas
    if number is None:
        return Shape(rank, alpha)
    return Shape(dims[number] if dims else rank, alphas[number] if alphas else alpha)


def _is_asked_for(name: str, network: Network) -> bool:
    only, skip = network.only_layers, network.skip_layers
    return bool(re.search(only, name)) and not (skip and re.search(skip, name))


def _blocks(part: Part, network: Network) -> Blocks | None:
    """The part's blocks, where settings speak of them."""
    lists = {
        name: getattr(network, name)
        for name in ("block_dims", "block_alphas", "conv_block_dims", "conv_block_alphas")
    }
    given = {name: values for name, values in lists.items() if values}
    if not given and not network.weighs_blocks:
        return None
    if part.blocks is None:
        raise ValueError(
            f"{next(iter(given), 'down_lr_weight')} cannot be used: this base's blocks have no numbers"
        )
    for name, values in given.items():
        if len(values) != part.blocks.total:
            raise ValueError(
                f"{name} holds {len(values)} numbers, and this base has {part.blocks.total} blocks"
            )
    return part.blocks


def weights_of(part: Part, network: Network) -> list[float] | None:
    """The share of the learning rate of each block; None where they all have the whole, as in what reads text."""
    if part.reads_text or not network.weighs_blocks:
        return None
    blocks = _blocks(part, network)
    ways = {"down_lr_weight": blocks.down, "mid_lr_weight": blocks.mid, "up_lr_weight": blocks.up}
    middle = [share for name, count in ways.items() for share in _shares(name, getattr(network, name), count)]
    least = network.block_lr_zero_threshold
    around = [1.0] * blocks.lead
    return [*around, *(share if share > least else 0.0 for share in middle), *around]


def _shares(name: str, text: str, count: int) -> Sequence[float]:
    """What a person wrote of `count` blocks: a preset, perhaps with a sum, or a number each."""
    preset, _, added = text.replace(" ", "").partition("+")
    try:
        if not text:
            return [1.0] * count
        if preset in PRESETS and count > 1:
            return [PRESETS[preset](i, count) + float(added or 0) for i in range(count)]
        values = [float(each) for each in text.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not all(0 <= value < math.inf for value in values):
        presets = f", or {', '.join(PRESETS)} (sine+.25)" if count > 1 else ""
        raise ValueError(
            f'{name} = "{text}" is not usable: give {count} numbers of 0 or more, with commas{presets}'
        )
    return values


def refuse_nothing(parts: Sequence[Part], network: Network, found: int) -> None:
    """Raises ValueError where `found`, the number of layers that learn, is none."""
    if found:
        return
    names = [part.layer_name(path) for part in parts for path in part.targets(part.model)]
    asked = {
        name: getattr(network, name) for name in ("only_layers", "skip_layers") if getattr(network, name)
    }
    said = (
        " and ".join(f'{name} = "{value}"' for name, value in asked.items())
        or "the ranks and rates of the blocks"
    )
    raise ValueError(
        f"no layer is left to train with {said}: the {len(names)} there are have names such as {names[-1]}"
    )
