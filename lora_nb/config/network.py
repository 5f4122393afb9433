"""Settings of the update's shape."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from lora_nb.declare import needs, setting, unless

NUMBERS = (",;\n",)


@dataclass(frozen=True)
class Network:
    """The shape of the update."""

    network_type: Literal["lora", "dora", "loha", "lokr"] = setting("lora", "lora is read by every program and is right for most; dora learns finer, takes a third longer and is read by ComfyUI, A1111 and Forge; loha suits styles and lokr makes the smallest files, both read by ComfyUI, A1111 and Forge", kohya="algo", label="kind of network", only_with=unless("network_weights"))
    rank: int = setting(16, "inner size of the update: 8 to 32 for most; more remembers more, the backgrounds too", min=1, max=256, kohya="network_dim", in_file="always", only_with=unless("network_weights"), label="size of the LoRA")
    alpha: float = setting(8.0, "strength of the update is alpha / rank; half the rank is usual", min=0.01, max=256, kohya="network_alpha", in_file="always", only_with=unless("network_weights"), label="alpha (strength)")
    conv_rank: int | None = setting(None, "with it the convolutions learn too (LoCon), with this rank: better for styles and textures, a larger file. A quarter to a half of the rank is usual; empty: they do not learn", label="rank of convolutions", min=1, max=256, kohya="conv_dim", advanced=True, only_with=unless("network_weights"))
    conv_alpha: float | None = setting(None, "alpha of the convolutions; empty: in proportion to conv_rank as alpha is to rank", label="alpha of convolutions", min=0.01, max=256, kohya="conv_alpha", advanced=True, only_with=needs("conv_rank"))
    use_tucker: bool = setting(False, "smaller convolutions of loha and lokr, split by a Tucker core", label="Tucker core", advanced=True, only_with=needs("network_type", "loha", "lokr"))
    lokr_factor: int = setting(-1, "lokr splits the sides of a layer by this number; -1 near their square root, 8 or so for a stronger, larger file", label="factor of lokr", min=-1, max=256, kohya="factor", advanced=True, only_with=needs("network_type", "lokr"))
    decompose_both: bool = setting(False, "lokr splits its smaller matrix too, by the rank", label="split both matrices", advanced=True, only_with=needs("network_type", "lokr"))
    dropout: float = setting(0.0, "share of the update's inner values left out at each step", min=0, max=0.9, advanced=True, kohya="network_dropout", in_file="on", only_with=needs("network_type", "lora", "dora"))
    rank_dropout: float = setting(0.0, "share of the ranks (loha and lokr: of the outputs) left out at each step, whole for a picture", label="dropout of ranks", min=0, max=0.9, advanced=True)
    module_dropout: float = setting(0.0, "share of the layers whose update is left out at each step", label="dropout of layers", min=0, max=0.9, advanced=True)
    scale_weight_norms: float = setting(0.0, "longest update of a layer: what grows beyond it is shortened after each step, against burnt pictures (1 is usual); 0: no limit", label="longest update of a layer", min=0, max=100, advanced=True, in_file="on")
    network_weights: str = setting("", "a LoRA file to begin from instead of nothing: kind, ranks, alphas and layers are its own", label="begin from a LoRA file", advanced=True)
    only_layers: str = setting("", "train only layers whose name in the file this regular expression is found in, e.g. attn2 or up_blocks_1", advanced=True, only_with=unless("network_weights"))
    skip_layers: str = setting("", "leave out layers whose name in the file this regular expression is found in, e.g. ff_net", advanced=True, only_with=unless("network_weights"))
    block_dims: tuple[int, ...] = setting((), "rank of each block of the U-Net: 25 numbers for SD 1.5, 23 for SDXL; 0 leaves one out", label="rank of each block", min=0, max=256, advanced=True, separators=NUMBERS, only_with=unless("network_weights"))
    block_alphas: tuple[float, ...] = setting((), "alpha of each block, as many", label="alpha of each block", min=0.01, max=256, advanced=True, separators=NUMBERS, only_with=unless("network_weights"))
    conv_block_dims: tuple[int, ...] = setting((), "rank of each block's convolutions, as many; with it they learn without conv_rank too", label="convolution rank by block", min=0, max=256, advanced=True, separators=NUMBERS, only_with=unless("network_weights"))
    conv_block_alphas: tuple[float, ...] = setting((), "alpha of each block's convolutions, as many", label="convolution alpha by block", min=0.01, max=256, advanced=True, separators=NUMBERS, only_with=needs("conv_block_dims"))
    down_lr_weight: str = setting("", "factors of the learning rate on the way down, outside in: 12 numbers with commas between for SD 1.5, 9 for SDXL, or one of cosine, sine, linear, reverse_linear, zeros, each perhaps with a sum as in sine+.25. A block of 0 is left out", label="rate factors on the way down", advanced=True)
    mid_lr_weight: str = setting("", "factor of the learning rate in the middle: one number for SD 1.5, 3 for SDXL", label="rate factors in the middle", advanced=True)
    up_lr_weight: str = setting("", "factors of the learning rate on the way up, inside out, as down_lr_weight", label="rate factors on the way up", advanced=True)
    block_lr_zero_threshold: float = setting(0.0, "factors of the learning rate up to this count as 0", label="factors that count as 0", min=0, max=1, advanced=True)
    loraplus_lr_ratio: float | None = setting(None, "LoRA+: how much faster the outer half of the update learns; 4 to 16, with a lower learning rate", label="LoRA+ ratio", min=1, max=1000, advanced=True, only_with=needs("network_type", "lora", "dora"))
    loraplus_unet_lr_ratio: float | None = setting(None, "the same for the U-Net alone", label="LoRA+ ratio of the U-Net", min=1, max=1000, advanced=True, only_with=needs("network_type", "lora", "dora"))
    loraplus_text_encoder_lr_ratio: float | None = setting(None, "the same for what reads text alone", label="LoRA+ ratio of text encoders", min=1, max=1000, advanced=True, only_with=needs("network_type", "lora", "dora"))

    def __post_init__(self) -> None:
        self.refuse_unsuited({} if self.network_weights else {self.network_type})
        if self.block_lr_zero_threshold and not self.weighs_blocks:
            raise ValueError("block_lr_zero_threshold has no effect without down_lr_weight, mid_lr_weight or up_lr_weight")
        if self.use_tucker and not (self.conv_rank or any(self.conv_block_dims)):
            raise ValueError("use_tucker has no effect without conv_rank: it is how the convolutions of loha and lokr are split")
        for name in ("only_layers", "skip_layers"):
            try:
                re.compile(getattr(self, name))
            except re.error as error:
                raise ValueError(f'{name} = "{getattr(self, name)}" is no regular expression: {error}') from None
        if self.lokr_factor == 0:
            raise ValueError("lokr_factor = 0 is not usable: give -1, or a number of 1 or more")

    def refuse_unsuited(self, kinds: Collection[str]) -> None:
        """Raises ValueError for what has no effect on an update of these kinds."""
        products = sorted(set(kinds) & {"loha", "lokr"})
        for name in ("dropout", "loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio"):
            if products and getattr(self, name):
                raise ValueError(f"{name} has no effect on {products[0]}, which is not made of an inner and an outer half" + ": rank_dropout and module_dropout have one" * (name == "dropout"))

    @property
    def leaves_out(self) -> bool:
        """Whether a step draws what of the update it leaves out."""
        return bool(self.dropout or self.rank_dropout or self.module_dropout)

    @property
    def weighs_blocks(self) -> bool:
        """Whether blocks have learning rates of their own."""
        return bool(self.down_lr_weight or self.mid_lr_weight or self.up_lr_weight)
