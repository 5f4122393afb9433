"""What a step keeps for its backward pass, from a run's plan and the headers of its base.

Imports no torch. Units: bytes, or elements where a name says so; B batch, N tokens or latent pixels, C channels, T text
tokens, R rank.

What is kept was counted on the real classes with autograd's saved_tensors_hooks (diffusers 0.42, peft 0.19, torch
2.12), per block, and is linear in N x C: the coefficients are in `Kept`. Attention is torch's
scaled_dot_product_attention, which keeps no N x N scores (Dao 2023, FlashAttention-2, arXiv:2307.08691; Rabe and Staats
2021, arXiv:2112.05682). With gradient checkpointing (Chen et al. 2016, arXiv:1604.06174) diffusers keeps the input of
each resnet and transformer block, transformers that of each layer of a text model, and one of them at a time whole.
Under autocast on CUDA norms are computed in float32 (torch.amp's list "autocast to float32": layer_norm, group_norm),
so that their inputs are kept in 4 bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from lora_nb.bases.denoiser_blocks import Block
from lora_nb.bases.model_sizes import Model, ModelSizes
from lora_nb.training import forecast_network
from lora_nb.training.run_plan import RunPlan

CHUNK = 77  # tokens a text model reads at once, its two marks among them


@dataclass(frozen=True)
class Kept:
    """What a transformer block keeps for its backward pass, in N x C, and of each weight that learns a change."""

    full: float
    half: float
    weights_full: float = 0.0
    weights_half: float = 0.0


OF_KIND = {
    "lora": Kept(28, 32),
    "dora": Kept(39, 54, weights_half=1),
    "loha": Kept(28, 28, 1, 1),
    "lokr": Kept(28, 32, 1, 1),
}
NORMS = 3  # of a transformer block: on CUDA their inputs are kept in float32, one N x C more each
RESNET = {"ram": 3, "gpu_full": 3, "gpu_half": 5}  # N x (inner + outer)
FRAME = {"ram": 3, "gpu_full": 3, "gpu_half": 4}  # N x C
TEXT_LAYER = 22  # N x C of a layer of a text model that learns
WIDEST = 8  # N x C of the widest feature map of a transformer block, its MLP's; of a resnet inner + outer


def batches_of(plan: RunPlan) -> set[tuple[int, int, int]]:
    """The batch sizes and picture sizes (width, height) that come in the run."""
    own, size = plan.config.pictures.dataset_config, plan.config.length.train_batch_size
    return {(each.source.batch_size if own else size, *each.placement.bucket) for each in plan.examples}


@dataclass(frozen=True)
class Part:
    """Bytes kept of a model until its backward pass, and of one block of it at a time."""

    lasting: float
    passing: float = 0.0


class Activations:
    """What a plan's steps keep."""

    def __init__(self, plan: RunPlan, sizes: ModelSizes, half: bool, gpu: bool):
        """`half` says whether the base computes in fp16 or bf16."""
        self.plan, self.config, self.sizes = plan, plan.config, sizes
        self.half, self.gpu, self.each = half, gpu, 2 if half else 4
        self.factor = sizes.vae_factor
        self.batches, self.blocks = batches_of(plan), tuple(self._learning_blocks())

    def most(self) -> int:
        """Of the largest batch."""
        return max(self.of_batch(*batch) for batch in self.batches)

    def of_batch(self, batch: int, width: int, height: int) -> int:
        """Of a batch of pictures of one size, in pixels."""
        place = (width // self.factor) * (height // self.factor)
        found = [each for rows in self.asked(batch) for each in self._of_rows(rows, rows * place)]
        return int(sum(each.lasting for each in found) + max((each.passing for each in found), default=0))

    def asked(self, batch: int) -> list[int]:
        """The rows of each pass through the models: the batch, and what is to stay as the untrained base answers it."""
        loss = self.config.loss
        some = ceil(batch * loss.diff_output_preservation_share) if loss.diff_output_preservation else 0
        return [batch, *filter(None, (some, batch if loss.blank_prompt_preservation else 0))]

    def in_heap(self, most: int) -> int:
        """The widest feature map of each block of the largest pass, as far as it has at most `most` bytes."""
        found = [0]
        for batch, width, height in self.batches:
            pixels = max(self.asked(batch)) * (width // self.factor) * (height // self.factor)
            each = (self.each * pixels // 4**block.level * _channels(block) for block in self.blocks)
            found.append(sum(min(most, size) for size in each))
        return max(found)

    def _of_rows(self, rows: int, pixels: int) -> Iterator[Part]:
        tokens = rows * CHUNK * self.chunks()
        if self.config.learning.learning_rate or self.trains_text:
            yield self._of_denoiser(pixels, tokens)
        if self.trains_text:
            yield self._of_texts(tokens)

    @property
    def trains_text(self) -> bool:
        return self.config.learning.trains_text

    def chunks(self) -> int:
        return max(1, self.config.captions.max_token_length // 75) if self.long_captions() else 1

    def long_captions(self) -> bool:
        """Whether a caption may need more than one piece of 75 tokens: some 4 letters a token."""
        return any(len(caption) > 75 * 4 for caption in self.plan.captions)

    def _of_denoiser(self, pixels: int, tokens: int) -> Part:
        whole = [self._of_block(block, pixels // 4**block.level, tokens) for block in self.blocks]
        if not self.config.precision.gradient_checkpointing:
            return Part(sum(whole))
        inputs = sum(self.each * (pixels // 4**b.level) * b.inner for b in self.blocks if b.kind != "rest")
        frames = sum(kept for b, kept in zip(self.blocks, whole, strict=True) if b.kind == "frame")
        return Part(inputs + frames, max(whole, default=0))

    def _learning_blocks(self) -> Iterator[Block]:
        """The blocks from the first that learns on: what comes before it keeps nothing."""
        begun = self.trains_text and self.config.learning.learning_rate == 0
        for block in self.sizes.blocks:
            begun = begun or forecast_network.learns(block, self.config)
            if begun:
                yield block

    def _of_block(self, block: Block, pixels: int, tokens: int) -> float:
        """Bytes kept of one block."""
        where = "ram" if not self.gpu else "gpu_half" if self.half else "gpu_full"
        if block.kind == "resnet":
            return self.each * pixels * RESNET[where] * (block.inner + block.outer)
        if block.kind == "frame":
            return self.each * pixels * FRAME[where] * block.outer + self._inner(block, pixels, tokens)
        if block.kind == "transformer":
            return self._of_transformer(block, pixels, tokens)
        return self.each * pixels * block.outer

    def _of_transformer(self, block: Block, pixels: int, tokens: int) -> float:
        kind = OF_KIND[self.config.network.network_type]
        kept = kind.half if self.half else kind.full
        kept += NORMS if self.gpu and self.half else 0
        dense = self._share() * sum(layer.inner * layer.outer for layer in block.layers)
        scores = 2 * pixels * block.heads * 4  # logsumexp
        return (
            self.each * (pixels * kept * block.outer + 2 * tokens * block.outer + dense)
            + scores
            + self._inner(block, pixels, tokens)
        )

    def _inner(self, block: Block, pixels: int, tokens: int) -> float:
        """The R numbers between the two halves of each layer's update."""
        ranks = forecast_network.ranks(block, self.config)
        return self.each * sum(
            rank * (tokens if layer.reads_text else pixels)
            for layer, rank in zip(block.layers, ranks, strict=True)
        )

    def _of_texts(self, tokens: int) -> Part:
        layers = [(_layers_of(model), _width_of(model)) for model in self.sizes.texts]
        inputs = self.each * tokens * sum(count * width for count, width in layers)
        learning = forecast_network.layers_of_texts(self.config, self.sizes)
        dense = self.each * self._share() * sum(layer.inner * layer.outer for layer in learning)
        whole = TEXT_LAYER * inputs + dense
        if not self.config.precision.gradient_checkpointing:
            return Part(whole)
        return Part(inputs, whole / sum(count for count, _ in layers))

    def _share(self) -> float:
        """How much of the weights that learn a change is kept, computed anew."""
        kind = OF_KIND[self.config.network.network_type]
        return kind.weights_half if self.half else kind.weights_full


def _channels(block: Block) -> int:
    return WIDEST * block.outer if block.kind == "transformer" else block.inner + block.outer


def _layers_of(model: Model) -> int:
    return int(model.config.get("num_hidden_layers", 12))


def _width_of(model: Model) -> int:
    return int(model.config.get("hidden_size", 768))
