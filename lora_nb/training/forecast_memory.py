"""How much memory a run will take, by what takes it, from its plan and the headers of its base.

Nothing is loaded; imports no torch. Units: bytes, or elements where a name says so. AdamW keeps two numbers a weight
and its foreach implementation, the default on CUDA, one more for the length of a step ("uses ~ sizeof(params) more peak
memory", torch.optim); 8-bit optimizers one byte each (Dettmers et al. 2021, arXiv:2110.02861). What a step keeps for
its backward pass is counted in forecast_activations.py, what the heap of a process without a GPU holds besides here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lora_nb.bases import model_sizes
from lora_nb.bases.model_sizes import ModelSizes
from lora_nb.config.training import TrainConfig
from lora_nb.training import forecast_network
from lora_nb.training.forecast_activations import Activations
from lora_nb.training.forecast_latents import latent_bytes
from lora_nb.training.run_plan import RunPlan

Place = Literal["gpu", "ram"]
GIGA = 1e9
DTYPES = {"fp16": "F16", "bf16": "BF16"}  # of the base's weights, as safetensors calls them

# Measured: a training process before it has a model; what the driver and cuBLAS and cuDNN take of a GPU.
LIBRARIES = 1_030_000_000
WITH_CUDA = 1_500_000_000  # more of it where torch talks to a GPU
CONTEXT = 600_000_000
# Live at once of the widest feature map of the VAE, without gradients; how much of its weights encodes.
VAE_MAPS, ENCODER = 5, 0.41
# Measured: bytes that a weight of the update takes in a file that is read back; what half precision costs a CPU beside
# the tensors themselves, the same with three bases.
PROVING, HALF_ON_CPU = 2, 170_000_000
SLACK = 1.03  # what torch's allocator holds of a GPU beyond what is asked for
# glibc's heap keeps the holes between what a step asks for and lets go of: measured with mallinfo2 in 19 runs, so many
# of the widest feature maps of its blocks, and so much of what is kept for the backward pass. What is wider than 32 MiB
# (DEFAULT_MMAP_THRESHOLD_MAX) it takes from the system and gives back.
HOLES, OF_KEPT, WIDEST_IN_HEAP = 1.9, 0.16, 32 * 2**20
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


def state_bytes(config: TrainConfig) -> int:
    """Bytes that a state holds of each weight of the update: itself, the optimizer's numbers, an average."""
    return 4 + OPTIMIZER.get(config.learning.optimizer, 8) + (4 if config.learning.ema_decay else 0)


class _Run:
    """The parts of a run's memory."""

    def __init__(self, plan: RunPlan, sizes: ModelSizes, precision: str, gpu: bool):
        self.plan, self.config, self.sizes, self.gpu = plan, plan.config, sizes, gpu
        self.half, self.dtype = precision in DTYPES, DTYPES.get(precision, "F32")
        self.each = 2 if self.half else 4
        self.lora = forecast_network.parameters(self.config, sizes)
        self.kept = Activations(plan, sizes, self.half, gpu)

    def stages(self) -> tuple[dict[str, int], dict[str, int]]:
        """Of the RAM and of the GPU's memory."""
        if not self.gpu:
            return {name: int(LIBRARIES + each) for name, each in self.in_ram().items()}, {}
        ram = {
            "loading": self.loading(),
            "training": 4 * self.sizes.vae.parameters + self.latents() + self.lora * 8,
            "proving": self.loading() + self.lora * (4 + PROVING),
        }
        on_gpu = {name: CONTEXT + int(SLACK * each) for name, each in self.on_gpu().items()}
        return {name: LIBRARIES + WITH_CUDA + each for name, each in ram.items()}, on_gpu

    def on_gpu(self) -> dict[str, int]:
        weights, vae, moments = self.weights(), 4 * self.sizes.vae.parameters, self.moments()
        return {
            "encoding": vae + self.vae_maps(encodes=True),
            "training": weights + moments + self.activations(),
            "drawing": weights + vae + (moments + self.drawing() if self.config.samples.any else 0),
        }

    def in_ram(self) -> dict[str, float]:
        """Without a GPU, beside the libraries: what a file is read into, or is seen of it through a mapping."""
        draws = self.config.samples.any
        used = ENCODER if self.sizes.vae.dtype == "F32" and not draws else 1
        vae = 4 * self.sizes.vae.parameters * used
        lasting = vae + self.seen() + self.latents() + self.moments() + self.holes()
        return {
            "loading": self.loading(),
            "encoding": vae + self.vae_maps(encodes=True) + (0 if self.is_mapped else self.weights()),
            "training": lasting + self.activations() + (HALF_ON_CPU if self.half else 0),
            "drawing": lasting + self.drawing() if draws else 0,
            "proving": self.loading() + PROVING * self.lora,
        }

    @property
    def is_mapped(self) -> bool:
        """Whether the weights stay in their file, as they are there in the numbers they are used in."""
        return all(model.dtype == self.dtype for model in self.sizes.models[:-1])

    def seen(self) -> int:
        """What is used of the weights: of those that stay in their file not the words that no caption has."""
        words = sum(
            model.config.get("vocab_size", 0) * model.config.get("hidden_size", 0)
            for model in self.sizes.texts
        )
        return self.weights() - (self.each * words if self.is_mapped else 0)

    def holes(self) -> int:
        """Memory that the heap keeps between what a step has let go of."""
        return int(HOLES * self.kept.in_heap(WIDEST_IN_HEAP) + OF_KEPT * self.kept.most())

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
        changed = [model.stored for model in self.sizes.models[:-1] if model.dtype != self.dtype]
        return max(changed, default=0)

    def moments(self) -> int:
        """Of the update: its weights and what the optimizer and an average keep of them."""
        return self.lora * state_bytes(self.config)

    def activations(self) -> int:
        """What the largest batch keeps for its backward pass; at the end of it, the gradients are there instead."""
        gradients = self.lora * (8 if self.gpu else 4)
        return max(self.kept.most() + (self.lora * 2 if self.half else 0), gradients)

    def vae_maps(self, encodes: bool) -> int:
        """The widest feature maps of the VAE, in float32, at the pixels of the largest picture."""
        widths: Sequence[int] = self.sizes.vae.config.get("block_out_channels", (128, 256, 512, 512))
        at_once = self.config.caching.vae_batch_size if encodes else 1
        pixels = max(width * height for _, width, height in self.kept.batches)
        return 4 * at_once * pixels * VAE_MAPS * (widths[0] if encodes else widths[min(1, len(widths) - 1)])

    def drawing(self) -> int:
        """A picture decoded."""
        return self.vae_maps(encodes=False)

    def latents(self) -> int:
        """Mean and deviation of each view of each picture, in float32."""
        if self.config.caching.cache_latents_to_disk:
            return 0
        return sum(latent_bytes(self.plan, self.sizes.vae_factor))
