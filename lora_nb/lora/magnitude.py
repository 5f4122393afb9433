"""DoRA's magnitude in a layer (arXiv 2402.09353): W x becomes m * (W + s B A) / |W + s B A| x.

|.| are the norms over each input, the paper's columns, as A1111, ComfyUI and LyCORIS compute them, or over each
output, as peft and newer LyCORIS do. peft's own class knows the outputs alone, which A1111 takes for inputs and for
which ComfyUI divides by the norms of W instead.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lora_nb.lora.updates import norms


class Magnitude(nn.Module):
    """What peft asks for the DoRA part of a layer's answer; `weight` are the magnitudes as files hold them.

    `weight` is (1, in[, 1, 1]) or (out, 1[, 1, 1]). `strength` scales all that the update changes: 0.5 is half way
    between the layer's own weight and the decomposed one.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.strength = 1.0

    @classmethod
    def of(cls, layer: nn.Module) -> "Magnitude":
        """The norms over each input of the layer's own weight: with them nothing is changed."""
        weight = layer.weight.detach().float()
        return cls(norms(weight, weight.new_empty(1, weight.shape[1])))

    def ratio(self, base: nn.Module, lora_A: nn.Module, lora_B: nn.Module, scaling: float) -> Tensor:
        """m / |W + s B A| in the shape of `weight`; the norms are a constant to the gradient (section 4.3)."""
        with torch.no_grad(), torch.autocast(self.weight.device.type, enabled=False):
            own = base.weight.float()
            added = lora_B.weight.float().flatten(1) @ lora_A.weight.float().flatten(1)
            lengths = norms(own + scaling * added.view(own.shape), self.weight)
        return self.weight / lengths

    def forward(
        self,
        x: Tensor,
        *,
        lora_A: nn.Module,
        lora_B: nn.Module,
        scaling: float,
        base_layer: nn.Module,
        base_result: Tensor | None = None,
        **_: object,
    ) -> Tensor:
        """What is added to the layer's own answer to `x`."""
        ratio = self.ratio(base_layer, lora_A, lora_B, scaling)
        if self.weight.shape[0] == 1:
            share = _along(ratio, x)
            change = _plain(base_layer, (x * (share - 1)).to(x.dtype))
            change = change + lora_B(lora_A((x * share).to(x.dtype))) * scaling
        else:
            plain = _plain(base_layer, x)
            share = _along(ratio, plain)
            change = plain * (share - 1) + lora_B(lora_A(x)) * share * scaling
        return change * self.strength


def _along(ratio: Tensor, values: Tensor) -> Tensor:
    """A number a channel, as a factor of `values`: their second axis in pictures, else their last."""
    return ratio.view(1, -1, 1, 1) if values.dim() == 4 and ratio.dim() == 4 else ratio.view(-1)


def _plain(layer: nn.Module, x: Tensor) -> Tensor:
    """The layer's answer without its bias."""
    weight = layer.weight.to(x.dtype)
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight)
    return F.conv2d(x, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)
