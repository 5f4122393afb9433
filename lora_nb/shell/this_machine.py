"""What this machine has for a training: memory, cores, the GPU, how long a session on it lasts."""

import json
import netrc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from lora_nb.config.training import TrainConfig
from lora_nb.shell import colab, jobs, memory
from lora_nb.training.machine import Machine
from lora_nb.training.ready_row import Places

WANDB, WANDB_HOST, WANDB_KEY = "wandb", "api.wandb.ai", "WANDB_API_KEY"
SECONDS = 60  # for torch to answer
ASK = """
import json, torch
if torch.cuda.is_available():
    free, total = torch.cuda.mem_get_info()
    more = torch.cuda.get_device_capability()
    name = torch.cuda.get_device_name()
    print(json.dumps({"gpu": name, "gpu_memory": total, "gpu_free": free, "half": "bf16" if more[0] >= 8 else "fp16"}))
"""
# What such cards do a second in a training of this kind, in half precision: a quarter to a third of what NVIDIA says of
# their tensor cores (T4 65, L4 121, A10 125, RTX 3090 71, RTX 4090 165, V100 125, A100 312, H100 990 TFLOPS). Of two
# that begin alike the longer name comes first.
TERA = 1e12
CARDS = (
    ("T4", 16), ("A100", 95), ("A10", 32), ("L40", 90), ("L4", 30), ("V100", 32), ("H100", 260), ("H200", 260),
    ("P100", 8), ("4090", 60), ("3090", 30), ("3060", 13), ("4060", 16), ("4070", 30), ("2080", 18),
)  # fmt: skip
USUAL_HOURS, MOST_HOURS = 4.0, 12.0  # of a free Colab session
ROUND = 512  # side of the matrices that the CPU is tried with
OF_PEAK = 0.5  # of what a CPU does at multiplying matrices a training gets


def look(known: Machine | None = None) -> Machine:
    """The machine as it is now; of one that is known already only the RAM is looked at again.

    Where it shows a GPU, torch is asked in a process of its own, which takes seconds.
    """
    now = memory.measure()
    if known:
        return replace(known, ram_free=now.available)
    gpu = _gpu() if jobs.gpu_count() else {}
    return Machine(
        ram=now.total,
        ram_free=now.available,
        cores=os.cpu_count() or 1,
        flops=_of_card(gpu["gpu"]) if gpu else _of_cpu(),
        hours=(USUAL_HOURS, MOST_HOURS) if colab.is_colab() else None,
        **gpu,
    )


def places(logins: Collection[str] = ()) -> Places:
    """Where files for a while and downloads lie; `logins` as found."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Places(Path(tempfile.gettempdir()), Path(HF_HUB_CACHE), frozenset(logins))


def logins(config: TrainConfig) -> tuple[str, ...]:
    """Of what a run sends its figures to, what this machine has a key for, or is told to send nothing to."""
    if config.figures.log_with != WANDB:
        return ()
    offline = os.environ.get("WANDB_MODE") in ("offline", "disabled")
    has_key = os.environ.get(WANDB_KEY) or colab.read_secret(WANDB_KEY) or _knows(WANDB_HOST)
    return (WANDB,) if offline or has_key else ()


def _knows(host: str) -> bool:
    """Whether the person's .netrc, where `wandb login` writes, names a host."""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError, RuntimeError):
        return False


def _gpu() -> dict[str, Any]:
    """What torch says of the GPU; nothing where it cannot use it."""
    try:
        said = subprocess.run(
            [sys.executable, "-c", ASK], capture_output=True, text=True, timeout=SECONDS, check=True
        )
        return json.loads(said.stdout.splitlines()[-1]) if said.stdout.strip() else {}
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}


def _of_card(name: str) -> float:
    """FLOPs a second of a card by its name; 0 for one that is not in the list."""
    return next((speed * TERA for part, speed in CARDS if part in name.replace(" ", "")), 0.0)


@cache
def _of_cpu() -> float:
    """FLOPs a second of this CPU, tried out for some hundredths of a second."""
    import numpy as np

    one = np.ones((ROUND, ROUND), np.float32)
    one @ one
    begun = time.perf_counter()
    for _ in range(4):
        one @ one
    return OF_PEAK * 4 * 2 * ROUND**3 / max(time.perf_counter() - begun, 1e-6)
