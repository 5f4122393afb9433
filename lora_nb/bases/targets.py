"""Which layers of a model an update is put into."""

from torch import nn


def layers_in(model: nn.Module, containers: set[str]) -> list[str]:
    """Paths of every Linear and 1x1 convolution inside modules whose class is named in `containers`."""
    paths = {}
    for outer, block in model.named_modules():
        if type(block).__name__ in containers:
            paths.update(
                {f"{outer}.{inner}": None for inner, layer in block.named_modules() if _is_target(layer)}
            )
    return list(paths)


def _is_target(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1))
