"""Which layers of a model an update is put into."""

from torch import nn


def layers_in(model: nn.Module, containers: set[str], all_kernels: bool = False) -> list[str]:
    """Paths of every Linear and 1x1 convolution inside modules whose class is named in `containers`.

    With `all_kernels` of every convolution there.
    """
    paths = {}
    for outer, block in model.named_modules():
        if type(block).__name__ in containers:
            paths.update(
                {
                    f"{outer}.{inner}": None
                    for inner, layer in block.named_modules()
                    if _is_target(layer, all_kernels)
                }
            )
    return list(paths)


def _is_target(layer: nn.Module, all_kernels: bool) -> bool:
    return isinstance(layer, nn.Linear) or (
        isinstance(layer, nn.Conv2d) and (all_kernels or not has_kernel(layer))
    )


def has_kernel(layer: nn.Module) -> bool:
    """Whether it is a convolution of more than one pixel."""
    return isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1)
