"""Memory that runs out at a step of a training: the kernel's OOM kill, a limit of the process, a full GPU."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/memory/lora_nb_check")  # cgroup 1
CGROUP2 = Path("/sys/fs/cgroup/lora_nb_check")
LIMIT, TOO_MUCH = 600_000_000, 4_000_000_000
FULL_GPU = "CUDA out of memory. Tried to allocate 2.00 GiB."


@contextmanager
def limited_group() -> Iterator[Path | None]:
    """A control group of little memory; None where this system lets nobody make one."""
    two = Path("/sys/fs/cgroup/cgroup.controllers").is_file()
    group, limit = (CGROUP2, "memory.max") if two else (CGROUP, "memory.limit_in_bytes")
    try:
        group.mkdir(exist_ok=True)
        (group / limit).write_text(str(LIMIT))
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


def at_step(number: int, act: Callable[[], None]) -> None:
    """Let `act` happen within the U-Net of the step `number`, counted in this process."""
    import torch
    from diffusers import UNet2DConditionModel

    seen = []

    def count(module: torch.nn.Module, given: tuple) -> None:
        if isinstance(module, UNet2DConditionModel) and module.training:
            seen.append(1)
            if len(seen) == number:
                act()

    torch.nn.modules.module.register_module_forward_pre_hook(count)


def fill_memory() -> None:
    """Use memory until the kernel ends the process."""
    kept = [bytearray(b"\1" * 10_000_000) for _ in range(TOO_MUCH // 10_000_000)]
    raise RuntimeError(f"nobody ended it at {sum(map(len, kept))} bytes")


def ended_by_kernel(group: Path, number: int) -> Callable[[], None]:
    """What a process does to be ended by the kernel's OOM killer at a step."""

    def prepare() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        at_step(number, fill_memory)

    return prepare


def refused_by_system(number: int) -> Callable[[], None]:
    """What a process does to be refused memory at a step by a limit of its own (prlimit --as)."""

    def act() -> None:
        import torch

        resource.setrlimit(resource.RLIMIT_AS, (1 << 33, resource.RLIM_INFINITY))
        torch.empty(1 << 40, dtype=torch.uint8)

    return lambda: at_step(number, act)


def full_gpu(number: int) -> Callable[[], None]:
    """What a process does to be told by torch at a step that the GPU is full."""

    def act() -> None:
        import torch

        raise torch.OutOfMemoryError(FULL_GPU)

    return lambda: at_step(number, act)
