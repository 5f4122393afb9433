"""Settings of drawing: pictures by a prompt, and the grid."""

from dataclasses import dataclass

from lora_nb.config.base import Base
from lora_nb.config.samplers import ALSO, SAMPLERS, USUAL
from lora_nb.declare import part, setting

VALUES = (";\n", ",")  # with commas between them as in A1111; a piece of a prompt may hold some, then ; is between them


@dataclass(frozen=True)
class DrawSettings:
    """How a picture is drawn."""

    negative_prompt: str = setting("", "what not to draw")
    steps: int = setting(20, "denoising steps", min=1, max=200)
    guidance: float = setting(7.0, "how closely to follow the prompt (CFG scale)", min=1, max=30)
    sampler: str = setting(USUAL, "the way from noise to a picture; by its name here, in A1111 or in sd-scripts", choices=SAMPLERS, also=ALSO, advanced=True)
    width: int | None = setting(None, "empty: the base's own", min=32, max=2048)
    height: int | None = setting(None, "empty: the base's own", min=32, max=2048)
    clip_skip: int = setting(1, "as in training", min=1, max=12)
    seed: int = setting(42, "the same seed draws the same picture; 0 or -1 draws a seed and says which", min=-1, max=2**32 - 1)


@dataclass(frozen=True)
class SampleConfig:
    """Pictures from a base, a prompt and perhaps a LoRA file."""

    base: Base = part(Base)
    lora: str = setting("", "a LoRA file; empty draws with the base alone")
    strength: float = setting(1.0, "of the LoRA", min=-2, max=2)
    prompts: tuple[str, ...] = setting((), "what to draw, with ; between them")
    output_dir: str = setting("", "folder the pictures go to", internal=True)
    draw: DrawSettings = part(DrawSettings)


@dataclass(frozen=True)
class GridConfig:
    """An X/Y grid by Prompt S/R: the first value of a list is looked for in the prompt and replaced by each."""

    base: Base = part(Base)
    lora_dir: str = setting("", "folder with the LoRA files", internal=True)
    output_name: str = setting("", "name of the LoRA files without -NN", internal=True)
    trigger_word: str = setting("", "the word that calls the LoRA", internal=True)
    output_dir: str = setting("", "folder the grid goes to", internal=True)
    prompt: str = setting("", "with <lora:name-NUM:STRENGTH> in it; empty: that and the trigger word")
    x_values: tuple[str, ...] = setting((), "NUM, 01, 02, ... (empty: every checkpoint)", separators=VALUES)
    y_values: tuple[str, ...] = setting(("STRENGTH", "0", "0.5", "0.8", "1"), "STRENGTH, 0, 0.5, 1: a placeholder (capital letters, never drawn), then its values; values with commas inside have ; between them", separators=VALUES)
    draw: DrawSettings = part(DrawSettings)
