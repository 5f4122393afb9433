"""The graphics card of this machine, and the preset that suits it: asked of nvidia-smi, which answers at once."""

import shutil
import subprocess
from dataclasses import dataclass

ASK = ("--query-gpu=name,memory.total", "--format=csv,noheader,nounits")  # memory in MiB
SECONDS = 10
SMALL, MIDDLE = 11_000, 20_000  # MiB: below the first a card of 8 GB, from the second one of 24 GB


@dataclass(frozen=True)
class GraphicsCard:
    """What it is called, and the preset that suits it; `memory` in MiB, 0 without one."""

    title: str
    preset: str
    memory: int = 0


NO_GPU = GraphicsCard("no NVIDIA graphics card", "cpu")


def find() -> GraphicsCard:
    """The card this process can use; of several the first."""
    if not shutil.which("nvidia-smi"):
        return NO_GPU
    try:
        asked = subprocess.run(
            ["nvidia-smi", *ASK], capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return NO_GPU
    lines = asked.stdout.splitlines() if asked.returncode == 0 else []
    return read(lines[0]) if lines else NO_GPU


def read(line: str) -> GraphicsCard:
    """The card that a line of nvidia-smi tells of: `Tesla T4, 15360`."""
    name, _, number = line.partition(",")
    memory = int(number) if number.strip().isdigit() else 0
    shown = f"{name.strip()}, {memory / 1024:.0f} GB" if memory else name.strip()
    return GraphicsCard(shown, _preset(name, memory), memory)


def _preset(name: str, memory: int) -> str:
    if "T4" in name.split():
        return "t4"
    if not memory:
        return "12gb"
    return "8gb" if memory < SMALL else "12gb" if memory < MIDDLE else "24gb"
