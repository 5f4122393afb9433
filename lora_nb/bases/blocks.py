"""The blocks of a U-Net as sd-scripts numbers them, for settings that have a value for each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

PLACE = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.")
MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.")
LAYERS = 3  # numbers a level takes: two with a resnet, and perhaps an attention, then the sampler


@dataclass(frozen=True)
class Blocks:
    """How many there are: in all, and on the way down, in the middle and on the way up, which have a weight each.

    `first` is the number of the first with a layer on the way down, `middle` that of each module in the middle.
    """

    total: int
    down: int
    mid: int
    up: int
    first: int
    middle: Mapping[tuple[str, int], int]

    def number(self, path: str) -> int | None:
        """The number of the block that the layer at a diffusers path is in; None where it is in none."""
        if found := MIDDLE.match(path):
            return self.middle[found[1], int(found[2])]
        if not (found := PLACE.match(path)):
            return None
        way, level, module, number = found[1], int(found[2]), found[3], int(found[4])
        start = self.first if way == "down" else self.lead + self.down + self.mid
        return start + LAYERS * level + (LAYERS - 1 if module.endswith("samplers") else number)

    @property
    def lead(self) -> int:
        """How many blocks come before those with a weight, and as many after: SDXL's embeddings, and its output."""
        return (self.total - self.down - self.mid - self.up) // 2


SD_BLOCKS = Blocks(25, 12, 1, 12, 1, {("resnets", 0): 12, ("attentions", 0): 12, ("resnets", 1): 12})
SDXL_BLOCKS = Blocks(23, 9, 3, 9, 2, {("resnets", 0): 10, ("attentions", 0): 11, ("resnets", 1): 12})
