"""What a run may use of a machine: memory, cores, the GPU. The shell finds it out; here it is a value.

Imports no torch.
"""

from dataclasses import dataclass

USABLE = 0.95  # of what is free: an allocator's pieces do not all fit side by side


@dataclass(frozen=True)
class Machine:
    """Bytes of RAM and GPU memory, in all and free; `gpu` is its name, "" without one.

    `half` is the half precision it is fast at ("bf16", "fp16"; "no" on a CPU), `flops` what it does a second in a
    training, roughly; 0 where nobody knows. `hours` is how long a session lasts on it: usually, and at most.
    """

    ram: int
    ram_free: int
    cores: int = 1
    gpu: str = ""
    gpu_memory: int = 0
    gpu_free: int = 0
    half: str = "no"
    flops: float = 0.0
    hours: tuple[float, float] | None = None

    def precision(self, wanted: str) -> str:
        """What mixed_precision = `wanted` comes to here, as in `train.choose_precision`."""
        return wanted if wanted != "auto" else self.half

    @property
    def called(self) -> str:
        """Its name in a sentence."""
        return f"the {self.gpu}" if self.gpu else "this machine's CPU"

    @property
    def gpu_usable(self) -> int:
        return int(USABLE * self.gpu_free)

    @property
    def ram_usable(self) -> int:
        return int(USABLE * self.ram_free)
