"""How long a run is to be for the number of its pictures: the rule, and who gave it."""

from dataclasses import dataclass

SHORTEST = 3  # epochs: fewer leave no choice between their files
SOURCE = "after hollowstrawberry's 200 to 400 and Keyframe's 100 looks at a picture"


@dataclass(frozen=True)
class Rule:
    """`epochs` with `repeats` of each picture, as long as pictures x repeats lies from `fewest` to `most`."""

    repeats: int = 10
    fewest: int = 200
    most: int = 400
    epochs: int = 10

    def repeats_of(self, pictures: int) -> int:
        """How often each of that many pictures is seen in an epoch."""
        aim = min(max(self.repeats * pictures, self.fewest), self.most)
        rounded_up = -(-aim // max(1, pictures))
        return rounded_up if rounded_up * pictures <= self.most else max(1, self.most // pictures)

    def epochs_of(self, pictures: int, usual: int = 0) -> int:
        """How many epochs: `usual`, or fewer where one look at every picture is more than an epoch should be."""
        usual = usual or self.epochs
        return usual if pictures <= self.most else max(SHORTEST, round(usual * self.most / pictures))

    def looks(self, pictures: int) -> int:
        """How many pictures are looked at in the whole run, those seen again among them."""
        return self.repeats_of(pictures) * pictures * self.epochs_of(pictures)

    def words(self, pictures: int, usual: int = 0) -> str:
        """What comes of the rule for that many pictures, and the rule."""
        repeats, epochs = self.repeats_of(pictures), self.epochs_of(pictures, usual)
        return (
            f"{pictures} pictures x {repeats} = {pictures * repeats} looks an epoch, {pictures * repeats * epochs} in "
            f"{epochs} epochs. The rule: each picture {self.repeats} times, but {self.fewest} to {self.most} in all "
            f"({SOURCE})"
        )


USUAL = Rule()
