"""How much memory a run will take, by what takes it, from its plan and the headers of its base.

Nothing is loaded; imports no torch. Units: bytes, or elements where a name says so; B batch, N tokens or latent pixels,
C channels, T text tokens, R rank.

What a step keeps for its backward pass was counted on the real classes with autograd's saved_tensors_hooks (diffusers
0.42, peft 0.19, torch 2.12), per block, and is linear in N x C: the coefficients are in `Kept`. Attention is torch's
scaled_dot_product_attention, which keeps no N x N scores (Dao 2023, FlashAttention-2, arXiv:2307.08691; Rabe and Staats
2021, arXiv:2112.05682). With gradient checkpointing (Chen et al. 2016, arXiv:1604.06174) diffusers keeps the input of
each resnet and transformer block, and one block at a time whole. Under autocast on CUDA norms are computed in float32
(torch.amp's list "autocast to float32": layer_norm, group_norm), so that their inputs are kept in 4 bytes. AdamW keeps
two numbers a weight and its foreach implementation, the default on CUDA, one more for the length of a step ("uses
~ sizeof(params) more peak memory", torch.optim); 8-bit optimizers one byte each (Dettmers et al. 2021,
arXiv:2110.02861).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from lora_nb.bases import model_sizes
from lora_nb.bases.denoiser_blocks import Block
from lora_nb.bases.model_sizes import Model, ModelSizes
from lora_nb.config.training import TrainConfig
from lora_nb.training import forecast_network
from lora_nb.training.forecast_latents import latent_bytes
from lora_nb.training.run_plan import RunPlan

Place = Literal["gpu", "ram"]
GIGA = 1e9
CHUNK = 77  # tokens a text model reads at once, its two marks among them

# Measured: a training process before it has a model; what the driver and cuBLAS and cuDNN take of a GPU.
LIBRARIES = 1_100_000_000
WITH_CUDA = 1_500_000_000  # more of it where torch talks to a GPU
CONTEXT = 600_000_000
# Live at once of the widest feature map of the VAE, without gradients: input, norm, activation, output.
VAE_MAPS = 4
# Measured: bytes that a weight of the update takes in a file that is read back; how much more of its weights a CPU
# keeps that trains in half precision (0.25 to 0.26, of three bases).
PROVING, HALF_ON_CPU = 2, 0.25
SLACK = 1.03  # what an allocator holds beyond what is asked for


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
# Bytes an optimizer keeps of each weight; those in no row keep two float32 numbers, as AdamW does.
OPTIMIZER = {
    "AdamW8bit": 2, "PagedAdamW8bit": 2, "Lion": 4, "Lion8bit": 1, "PagedLion8bit": 1, "Adafactor": 1, "CAME": 5,
    "SGDNesterov": 4, "SGDScheduleFree": 4, "DAdaptSGD": 8, "DAdaptLion": 8, "Prodigy": 16, "DAdaptAdam": 12,
    "DAdaptAdaGrad": 12, "DAdaptAdan": 20,
}  # fmt: skip


@dataclass(frozen=True)
class Need:
    """What a run takes of the RAM and of the GPU's memory (0 without a GPU): the peak, and what each stage takes.

    `stages` are in the order they come; a peak is that of the largest. `mapped` is what is resident besides of a file
    that is read through a mapping while its numbers become others: the system takes it back where memory is short.
    """

    ram_stages: Mapping[str, int]
    gpu_stages: Mapping[str, int]
    mapped: int = 0

    @property
    def ram(self) -> int:
        return max(self.ram_stages.values())

    @property
    def gpu(self) -> int:
        return max(self.gpu_stages.values(), default=0)

    @property
    def resident(self) -> int:
        """The peak of the process's resident memory (RSS), which counts what is mapped too."""
        return max(self.ram, self.mapped + max(self.ram_stages["loading"], self.ram_stages["proving"]))

    def largest(self, place: Place) -> str:
        """The stage that takes most."""
        stages = self.gpu_stages if place == "gpu" else self.ram_stages
        return max(stages, key=stages.__getitem__)


def forecast(plan: RunPlan, precision: str, gpu: bool) -> Need:
    """What a planned run takes. `precision` is what mixed_precision comes to on the machine: no, fp16, bf16.

    Raises ValueError for a base whose models cannot be measured from outside.
    """
    sizes = model_sizes.sizes_of(plan.config.base.pretrained_model_name_or_path)
    run = _Run(plan, sizes, precision, gpu)
    return Need(*run.stages(), run.mapped())


def batches_of(plan: RunPlan) -> set[tuple[int, int, int]]:
    """The batch sizes and picture sizes (width, height) that come in the run."""
    own, size = plan.config.pictures.dataset_config, plan.config.length.train_batch_size
    return {(each.source.batch_size if own else size, *each.placement.bucket) for each in plan.examples}


def state_bytes(config: TrainConfig) -> int:
    """Bytes that a state holds of each weight of the update: itself, the optimizer's numbers, an average."""
    return 4 + OPTIMIZER.get(config.learning.optimizer, 8) + (4 if config.learning.ema_decay else 0)


class _Run:
    """The parts of a run's memory."""

    def __init__(self, plan: RunPlan, sizes: ModelSizes, precision: str, gpu: bool):
        self.plan, self.config, self.sizes, self.gpu = plan, plan.config, sizes, gpu
        self.half = precision in ("fp16", "bf16")
        self.each = 2 if self.half else 4
        self.factor = 2 ** (len(sizes.vae.config.get("block_out_channels", (0,) * 4)) - 1)
        self.lora = forecast_network.parameters(self.config, sizes)

    def stages(self) -> tuple[dict[str, int], dict[str, int]]:
        weights, vae, moments = self.weights(), 4 * self.sizes.vae.parameters, self.moments()
        work = {
            "encoding": self.vae_maps(encodes=True),
            "training": moments + self.activations(),
            "drawing": moments + self.drawing() if self.config.samples.any else 0,
        }
        latents = self.latents()
        if not self.gpu:
            own = {"loading": self.loading()} | {name: int(SLACK * each) for name, each in work.items()}
            kept = {"loading": 0, "encoding": weights + vae}
            own["training"] += int(HALF_ON_CPU * weights) if self.half else 0
            rest = weights + vae + latents
            own["proving"], kept["proving"] = self.loading() + PROVING * self.lora, 0
            return {name: LIBRARIES + kept.get(name, rest) + own[name] for name in own}, {}
        on_gpu = {
            "encoding": vae + work["encoding"],
            "training": weights + work["training"],
            "drawing": weights + vae + work["drawing"],
        }
        ram = {
            "loading": LIBRARIES + WITH_CUDA + self.loading(),
            "training": LIBRARIES + WITH_CUDA + vae + latents + self.lora * 8,
            "proving": LIBRARIES + WITH_CUDA + self.loading() + self.lora * (4 + PROVING),
        }
        return ram, {name: CONTEXT + int(SLACK * each) for name, each in on_gpu.items()}

    def weights(self) -> int:
        """Of the denoiser and what reads text."""
        return self.each * (
            self.sizes.denoiser.parameters + sum(model.parameters for model in self.sizes.texts)
        )

    def loading(self) -> int:
        """All models as they are loaded; those of a run are forgotten before the proof loads them anew."""
        return self.weights() + 4 * self.sizes.vae.parameters

    def mapped(self) -> int:
        """Bytes of the largest model that is loaded in other numbers than its file holds."""
        changed = [model.stored for model in self.sizes.models[:-1] if model.bytes_each != self.each]
        return max(changed, default=0)

    def moments(self) -> int:
        """Of the update: its weights and what the optimizer and an average keep of them."""
        return self.lora * state_bytes(self.config)

    def activations(self) -> int:
        """What the largest batch keeps for its backward pass; at the end of it, the gradients are there instead."""
        found = [self.of_batch(*batch) for batch in batches_of(self.plan)]
        gradients = self.lora * (8 if self.gpu else 4)
        copies = self.lora * 2 if self.half else 0
        return max([kept + copies for kept in found] + [gradients])

    def of_batch(self, batch: int, width: int, height: int) -> int:
        rows = batch + self.compared(batch)
        pixels = rows * (width // self.factor) * (height // self.factor)
        tokens = rows * CHUNK * self.chunks()
        denoiser = (
            self._of_denoiser(pixels, tokens) if self.config.learning.learning_rate or self.trains_text else 0
        )
        return denoiser + (self._of_texts(tokens) if self.trains_text else 0)

    def compared(self, batch: int) -> int:
        """Rows that are asked again, so that they stay what the untrained base answers."""
        loss = self.config.loss
        again = ceil(batch * loss.diff_output_preservation_share) if loss.diff_output_preservation else 0
        return again + (batch if loss.blank_prompt_preservation else 0)

    @property
    def trains_text(self) -> bool:
        return self.config.learning.trains_text

    def chunks(self) -> int:
        return max(1, self.config.captions.max_token_length // 75) if self.long_captions() else 1

    def long_captions(self) -> bool:
        """Whether a caption may need more than one piece of 75 tokens: some 4 letters a token."""
        return any(len(caption) > 75 * 4 for caption in self.plan.captions)

    def _of_denoiser(self, pixels: int, tokens: int) -> int:
        blocks = list(self._learning_blocks())
        whole = [self._of_block(block, pixels // 4**block.level, tokens) for block in blocks]
        if not self.config.precision.gradient_checkpointing:
            return int(sum(whole))
        inputs = sum(self.each * (pixels // 4**b.level) * b.inner for b in blocks if b.kind != "rest")
        frames = sum(kept for b, kept in zip(blocks, whole, strict=True) if b.kind == "frame")
        return int(inputs + frames + max(whole))

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

    def _of_texts(self, tokens: int) -> int:
        each = [_layers_of(model) * _width_of(model) for model in self.sizes.texts]
        learning = forecast_network.layers_of_texts(self.config, self.sizes)
        dense = sum(layer.inner * layer.outer for layer in learning)
        return int(self.each * (tokens * TEXT_LAYER * sum(each) + self._share() * dense))

    def _share(self) -> float:
        """How much of the weights that learn a change is kept, computed anew."""
        kind = OF_KIND[self.config.network.network_type]
        return kind.weights_half if self.half else kind.weights_full

    def vae_maps(self, encodes: bool) -> int:
        """The widest feature maps of the VAE, in float32, at the pixels of the largest picture."""
        widths: Sequence[int] = self.sizes.vae.config.get("block_out_channels", (128, 256, 512, 512))
        at_once = self.config.caching.vae_batch_size if encodes else 1
        pixels = max(width * height for _, width, height in batches_of(self.plan))
        return 4 * at_once * pixels * VAE_MAPS * (widths[0] if encodes else widths[min(1, len(widths) - 1)])

    def drawing(self) -> int:
        """A picture decoded."""
        return self.vae_maps(encodes=False)

    def latents(self) -> int:
        """Mean and deviation of each view of each picture, in float32."""
        if self.config.caching.cache_latents_to_disk:
            return 0
        return sum(latent_bytes(self.plan, self.factor))


def _layers_of(model: Model) -> int:
    return int(model.config.get("num_hidden_layers", 12))


def _width_of(model: Model) -> int:
    return int(model.config.get("hidden_size", 768))
