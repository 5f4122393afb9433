"""Two pictures that show the same, how that was found, and how sure it is."""

from dataclasses import dataclass

WHOLE = 0.93  # of a picture's area: so much of it is all of it


@dataclass(frozen=True)
class Pairing:
    """Pictures number `first` and `second` show the same.

    `words` say it; where `share` is not 0, the second is so large a part of the first, perhaps `mirrored`.
    """

    first: int
    second: int
    words: str = ""
    share: float = 0.0
    mirrored: bool = False

    def told(self, copy: int) -> str:
        """In words what picture `copy` is to the other."""
        if not self.share:
            return self.words
        turned = "mirrored" if self.mirrored else ""
        if self.share >= WHOLE:
            return turned or "the same picture"
        part = (
            f"a part, {self.share:.0%} of it"
            if copy == self.second
            else f"shows more, of which it is {self.share:.0%}"
        )
        return f"{turned}, {part}" if turned else part


@dataclass(frozen=True)
class Distances:
    """How many pairs lie where between `low` and `high`, with the threshold: what is on its good side is a copy.

    Copies lie below the threshold where `near_is_low`.
    """

    label: str
    low: float
    high: float
    counts: tuple[int, ...]
    threshold: float
    near_is_low: bool


@dataclass(frozen=True)
class Paired:
    """The pairs of pictures that show the same, and where all pairs lay that were compared."""

    pairings: tuple[Pairing, ...]
    distances: Distances
