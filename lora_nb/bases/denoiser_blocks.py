"""The blocks of a U-Net known from its configuration alone: what each is made of, and at how many pixels it works.

Imports no torch. Follows diffusers' UNet2DConditionModel: resnets, transformers, samplers, in the order they are run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Layer:
    """A linear layer or a convolution: `inner` -> `outer` channels, a kernel of `kernel` x `kernel` pixels.

    `reads_text` where it is told of the prompt; `biased` where it adds a bias.
    """

    path: str
    inner: int
    outer: int
    kernel: int = 1
    biased: bool = True
    reads_text: bool = False

    @property
    def parameters(self) -> int:
        return self.inner * self.outer * self.kernel**2 + self.outer * self.biased

    @property
    def file_name(self) -> str:
        """What a LoRA file calls it."""
        return "lora_unet_" + self.path.replace(".", "_")


@dataclass(frozen=True)
class Block:
    """A resnet, the frame of a transformer (norm and the two projections), one of its blocks, a sampler, or the rest.

    It takes `inner` channels and gives `outer`, at the latents' size halved `level` times; `heads` attend. `norms` are
    its parameters beside those of the layers.
    """

    kind: Literal["resnet", "frame", "transformer", "sampler", "rest"]
    level: int
    inner: int
    outer: int
    layers: tuple[Layer, ...]
    norms: int = 0
    heads: int = 0

    @property
    def parameters(self) -> int:
        return self.norms + sum(layer.parameters for layer in self.layers)


def blocks_of(config: Mapping[str, Any]) -> tuple[Block, ...]:
    """The blocks of the U-Net with this configuration (`unet/config.json`), in the order they are run."""
    return tuple(_Walk(config).blocks())


class _Walk:
    """The way down, through the middle and up again."""

    def __init__(self, config: Mapping[str, Any]):
        self.config = config
        self.widths: Sequence[int] = config["block_out_channels"]
        count = len(self.widths)
        self.resnets = _each(config.get("layers_per_block", 2), count)
        self.depths = _each(config.get("transformer_layers_per_block", 1), count)
        # diffusers reads attention_head_dim as the number of heads where num_attention_heads is missing
        self.heads = _each(config.get("num_attention_heads") or config.get("attention_head_dim", 8), count)
        self.text = config.get("cross_attention_dim") or 1280
        self.time = 4 * self.widths[0]
        self.linear = bool(config.get("use_linear_projection"))

    def blocks(self) -> Iterator[Block]:
        first, last = self.widths[0], len(self.widths) - 1
        yield self._rest(
            0, Layer("conv_in", self.config.get("in_channels", 4), first, 3), *self._embeddings()
        )
        skips, at = [first], first
        for level, width in enumerate(self.widths):
            attends = "CrossAttn" in self.config["down_block_types"][level]
            for number in range(self.resnets[level]):
                yield self._resnet(f"down_blocks.{level}.resnets.{number}", level, at, width)
                if attends:
                    yield from self._transformer(f"down_blocks.{level}.attentions.{number}", level, level)
                at = width
                skips.append(width)
            if level < last:
                yield _sampler(f"down_blocks.{level}.downsamplers.0.conv", level + 1, width)
                skips.append(width)
        yield self._resnet("mid_block.resnets.0", last, at, at)
        yield from self._transformer("mid_block.attentions.0", last, last)
        yield self._resnet("mid_block.resnets.1", last, at, at)
        yield from self._up(skips, at)
        out = Layer("conv_out", first, self.config.get("out_channels", 4), 3)
        yield Block("rest", 0, first, out.outer, (out,), norms=2 * first)

    def _up(self, skips: list[int], at: int) -> Iterator[Block]:
        last = len(self.widths) - 1
        for number, level in enumerate(range(last, -1, -1)):
            attends = "CrossAttn" in self.config["up_block_types"][number]
            width = self.widths[level]
            for each in range(self.resnets[level] + 1):
                yield self._resnet(f"up_blocks.{number}.resnets.{each}", level, at + skips.pop(), width)
                if attends:
                    yield from self._transformer(f"up_blocks.{number}.attentions.{each}", level, level)
                at = width
            if level:
                yield _sampler(f"up_blocks.{number}.upsamplers.0.conv", level - 1, width)

    def _embeddings(self) -> Iterator[Layer]:
        yield Layer("time_embedding.linear_1", self.widths[0], self.time)
        yield Layer("time_embedding.linear_2", self.time, self.time)
        if self.config.get("addition_embed_type") == "text_time":
            yield Layer(
                "add_embedding.linear_1", self.config["projection_class_embeddings_input_dim"], self.time
            )
            yield Layer("add_embedding.linear_2", self.time, self.time)

    def _rest(self, level: int, *layers: Layer) -> Block:
        return Block("rest", level, layers[0].inner, layers[0].outer, layers)

    def _resnet(self, path: str, level: int, inner: int, outer: int) -> Block:
        layers = [
            Layer(f"{path}.conv1", inner, outer, 3),
            Layer(f"{path}.time_emb_proj", self.time, outer),
            Layer(f"{path}.conv2", outer, outer, 3),
        ]
        if inner != outer:
            layers.append(Layer(f"{path}.conv_shortcut", inner, outer))
        return Block("resnet", level, inner, outer, tuple(layers), norms=2 * (inner + outer))

    def _transformer(self, path: str, level: int, depth_of: int) -> Iterator[Block]:
        width, heads = self.widths[level], self.heads[level]
        frame = (Layer(f"{path}.proj_in", width, width), Layer(f"{path}.proj_out", width, width))
        yield Block("frame", level, width, width, frame, norms=2 * width)
        for number in range(self.depths[depth_of]):
            layers = tuple(_attending(f"{path}.transformer_blocks.{number}", width, self.text))
            yield Block("transformer", level, width, width, layers, norms=6 * width, heads=heads)


def _attending(path: str, width: int, text: int) -> Iterator[Layer]:
    """The layers of a BasicTransformerBlock: to itself, to the prompt, then the GEGLU."""
    for name, told in (("attn1", width), ("attn2", text)):
        yield Layer(f"{path}.{name}.to_q", width, width, biased=False)
        for each in ("to_k", "to_v"):
            yield Layer(f"{path}.{name}.{each}", told, width, biased=False, reads_text=name == "attn2")
        yield Layer(f"{path}.{name}.to_out.0", width, width)
    yield Layer(f"{path}.ff.net.0.proj", width, 8 * width)
    yield Layer(f"{path}.ff.net.2", 4 * width, width)


def _sampler(path: str, level: int, width: int) -> Block:
    """A convolution that ends at `level`."""
    return Block("sampler", level, width, width, (Layer(path, width, width, 3),))


def _each(value: Any, count: int) -> Sequence[int]:
    """What a configuration says once for all levels, or for each."""
    return list(value) if isinstance(value, Sequence) else [value] * count
