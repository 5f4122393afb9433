"""Settings of what shows the figures of runs."""

from dataclasses import dataclass

from lora_nb.declare import setting


@dataclass(frozen=True)
class TensorboardConfig:
    """TensorBoard with all runs of a project."""

    runs_dir: str = setting("", "the folder with the runs: Loras/<project>/runs", internal=True, bare=True)
    port: int = setting(0, "port of TensorBoard on this machine; 0 takes a free one", min=0, max=65535, advanced=True)
    minutes: int = setting(240, "how long it stays open", min=1, max=10_000, advanced=True)
