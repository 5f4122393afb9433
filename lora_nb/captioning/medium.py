"""Whether pictures are photographs or drawings, and which captions suit them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lora_nb.dataset.images import FORMATS
from lora_nb.events import Progress, Tell, silent

# numpy is imported where it is used: the forms load this module.

SIDE = 384  # pixels of the longer side that are looked at
MOST = 12  # pictures of a set: each is read from a Drive that is slow
FLAT, SOFT = 1, 12  # of 255: neighbours that differ by no more are one colour, or one shade and the next
DRAWN = 0.45  # by how much more of a drawing is of one colour than shaded; no photograph measured has more than 0.35
CLEAR = 2 / 3  # of the pictures: a set that is less of one kind is not told


@dataclass(frozen=True)
class Judged:
    """How many of the pictures seen look like photographs."""

    seen: int
    photographs: int

    @property
    def captions(self) -> str:
        """The captions that suit the set: "tags", "sentences", or "" where it is not clear."""
        if not self.seen:
            return ""
        share = self.photographs / self.seen
        return "sentences" if share >= CLEAR else "tags" if share <= 1 - CLEAR else ""

    @property
    def medium(self) -> str:
        """What most of them are: "photos", "drawings", or "" where it is not clear."""
        return {"sentences": "photos", "tags": "drawings", "": ""}[self.captions]

    @property
    def sentence(self) -> str:
        """What suits the set, and why."""
        seen = f"{self.photographs} of {self.seen} pictures looked at seem to be photographs"
        why = {
            "sentences": "Sentences suit them: most models learnt photographs with sentences. Choose tags if your "
            "model learnt tags, as those for anime did.",
            "tags": "Tags suit drawings: most models for drawings learnt tags. Choose sentences if yours did not.",
            "": "Choose tags for a model that learnt tags, as those for anime did, else sentences.",
        }
        return f"{seen} (judged by colours and shading). {why[self.captions]}"


def judge(paths: Sequence[Path], tell: Tell = silent) -> Judged:
    """What kind of pictures these are: some of them are looked at, evenly spread; those that cannot be read are not."""
    step = max(1, -(-len(paths) // MOST))
    chosen, found = paths[::step], []
    for done, path in enumerate(chosen, start=1):
        with suppress(Exception):  # decoders meet damaged files with any exception there is
            found.append(drawn(_small(path)) < DRAWN)
        tell(Progress("Looking at the pictures", done, len(chosen)))
    return Judged(len(found), sum(found))


def _small(path: Path) -> Image.Image:
    with Image.open(path, formats=FORMATS) as image:
        image.draft("RGB", (SIDE, SIDE))
        small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    small.thumbnail((SIDE, SIDE))
    return small.convert("RGB")


def drawn(image: Image.Image) -> float:
    """From -1 to 1, how much more of an RGB picture is of one colour than shaded."""
    import numpy as np

    pixels = np.asarray(image).astype(np.int16)
    down = np.abs(np.diff(pixels, axis=0))[:, :-1].max(axis=2)
    right = np.abs(np.diff(pixels, axis=1))[:-1].max(axis=2)
    steps = np.maximum(down, right)
    flat, shaded = (steps <= FLAT).mean(), ((steps > FLAT) & (steps <= SOFT)).mean()
    return float(flat - shaded)
