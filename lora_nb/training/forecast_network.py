"""How many weights an update of a base will have, and which layers learn, from the settings and the base's headers.

Imports no torch.
"""

import re
from collections.abc import Iterator

from lora_nb.bases.denoiser_blocks import Block, Layer
from lora_nb.bases.model_sizes import Model, ModelSizes
from lora_nb.config.network import Network
from lora_nb.config.training import TrainConfig


def learns(block: Block, config: TrainConfig) -> bool:
    """Whether any layer of a block of the denoiser is given an update."""
    return any(ranks(block, config))


def ranks(block: Block, config: TrainConfig) -> tuple[int, ...]:
    """The rank of each layer of a block of the denoiser; 0 for one that learns nothing."""
    return tuple(_rank(block, layer, config) for layer in block.layers)


def _rank(block: Block, layer: Layer, config: TrainConfig) -> int:
    network = config.network
    if not config.learning.learning_rate or block.kind == "rest":
        return 0
    if not _is_asked_for(layer.file_name, network):
        return 0
    if block.kind in ("frame", "transformer"):
        return network.rank
    convolves = network.conv_rank or (max(network.conv_block_dims) if network.conv_block_dims else 0)
    if not convolves:
        return 0
    return convolves if layer.kernel > 1 else network.rank


def _is_asked_for(name: str, network: Network) -> bool:
    skip = network.skip_layers
    return bool(re.search(network.only_layers, name)) and not (skip and re.search(skip, name))


def parameters(config: TrainConfig, sizes: ModelSizes) -> int:
    """How many numbers the update has. Blocks with ranks of their own count with the largest."""
    found = sum(
        of_layer(layer, rank, config.network)
        for block in sizes.blocks
        for layer, rank in zip(block.layers, ranks(block, config), strict=True)
        if rank
    )
    of_text = (each for each in layers_of_texts(config, sizes) if _is_asked_for(each.path, config.network))
    return found + sum(of_layer(layer, config.network.rank, config.network) for layer in of_text)


def of_layer(layer: Layer, rank: int, network: Network) -> int:
    """The numbers of one layer's update: LoRA's two halves, LoHa's four, LoKr's small factor and the other's halves."""
    rows, columns = layer.outer, layer.inner * layer.kernel**2
    kind = network.network_type
    if kind in ("loha", "lokr") and network.use_tucker and layer.kernel > 1:
        columns = layer.inner + rank * layer.kernel**2
    if kind == "loha":
        return 2 * rank * (rows + columns)
    if kind == "lokr":
        return _of_lokr(layer, rank, network)
    return rank * (rows + columns) + (layer.outer if kind == "dora" else 0)


def _of_lokr(layer: Layer, rank: int, network: Network) -> int:
    """Both factors (LyCORIS): the first small and whole unless decompose_both, the second in halves where that pays."""
    (a, b), (c, d) = _split(layer.outer, network.lokr_factor), _split(layer.inner, network.lokr_factor)
    kernel = layer.kernel**2
    first = rank * (a + c) if network.decompose_both and rank < max(a, c) / 2 else a * c
    second = rank * (b + d * kernel) if rank < max(b, d) / 2 else b * d * kernel
    return first + second


def _split(size: int, factor: int) -> tuple[int, int]:
    """Two factors of `size`, the smaller first: `factor` where it divides, else as near to each other as can be."""
    if factor > 0 and size % factor == 0:
        return tuple(sorted((factor, size // factor)))
    most = size if factor == -1 else factor
    small = max((n for n in range(1, int(size**0.5) + 1) if size % n == 0 and n <= most), default=1)
    return small, size // small


def layers_of_texts(config: TrainConfig, sizes: ModelSizes) -> Iterator[Layer]:
    """The layers of those text models that learn."""
    rates = [config.learning.text_encoder_lr, config.learning.text_encoder_lr2]
    rates[1] = rates[0] if rates[1] is None else rates[1]
    for number, (model, rate) in enumerate(zip(sizes.texts, rates, strict=False), 1):
        if rate:
            yield from _layers(
                model, f"lora_te{number if len(sizes.texts) > 1 else ''}_text_model_encoder_layers"
            )


def _layers(model: Model, names: str) -> Iterator[Layer]:
    """The layers of a text model that learn: attention's four and the two of the MLP, in each of its layers."""
    width, inner = model.config["hidden_size"], model.config["intermediate_size"]
    for number in range(model.config["num_hidden_layers"]):
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield Layer(f"{names}_{number}_self_attn_{name}", width, width)
        yield Layer(f"{names}_{number}_mlp_fc1", width, inner)
        yield Layer(f"{names}_{number}_mlp_fc2", inner, width)
