"""How often a run is checked, and on how many pictures: as often as takes little of its time."""

from dataclasses import dataclass

from lora_nb.training.run_plan import RunPlan

LEVELS = 4  # noise levels at which each picture is checked
LEARNT, HELD_OUT = 6, 16  # pictures, where nobody said how many
SHARE = 0.05  # of a run's time
OF_A_STEP = (
    3  # one picture in a step takes as long as so many that are only looked at: forward, and twice that back
)
DRAWING = 40  # as long takes a picture of 20 steps, each asked with and without the prompt
LEAST = 4  # checks: the one before the first step is among them


@dataclass(frozen=True)
class Checks:
    """Check `pictures` pictures, and `of_base` that the base drew, every so many epochs and steps; 0: never."""

    every_n_epochs: int = 0
    every_n_steps: int = 0
    pictures: int = 0
    of_base: int = 0

    def __bool__(self) -> bool:
        return bool(self.every_n_epochs or self.every_n_steps)

    def due(self, step: int, epoch: int, ends: bool, first: int, last: int) -> bool:
        """Whether it is time after `step`, with which `epoch` `ends` or not; always at the first and the last."""
        by_epoch = bool(self.every_n_epochs) and ends and epoch % self.every_n_epochs == 0
        by_step = bool(self.every_n_steps) and step % self.every_n_steps == 0
        return bool(self) and (by_epoch or by_step or step in (first, last))


def checks_of(plan: RunPlan) -> Checks:
    """The checks of a run: as asked for, else as many as fit into SHARE of its time, those of the base's pictures last.

    The noise of so few pictures is the same each time, so that a run that has enough checks says what it learns.
    """
    asked = plan.config.validation
    few = asked.max_validation_steps or (HELD_OUT if plan.held_out else LEARNT)
    count = min(few, len(plan.held_out or plan.learnt))
    if asked.validate_every_n_epochs is not None:
        return Checks(
            asked.validate_every_n_epochs, asked.validate_every_n_steps, count, asked.validation_base_pictures
        )
    for of_base in dict.fromkeys((asked.validation_base_pictures, 0)):
        affordable = _affordable(plan, count, of_base)
        if affordable >= LEAST:
            return Checks(_every(plan, affordable), asked.validate_every_n_steps, count, of_base)
    if asked.is_asked_for:
        return Checks(
            _every(plan, LEAST), asked.validate_every_n_steps, count, asked.validation_base_pictures
        )
    return Checks()


def _affordable(plan: RunPlan, pictures: int, of_base: int) -> int:
    """How many checks take no more than SHARE of the run, after the base's pictures are drawn."""
    seen = sum(plan.repeats) * plan.total_steps / plan.steps_per_epoch
    room = SHARE * OF_A_STEP * seen - DRAWING * of_base
    return int(room // (LEVELS * (pictures + of_base)))


def _every(plan: RunPlan, times: int) -> int:
    return max(1, -(-plan.epochs // (times - 1)))


def sentences(plan: RunPlan, checks: Checks) -> tuple[str, ...]:
    """What is said of the checks before a run starts; nothing where there are none."""
    if not checks:
        return ()
    every = checks.every_n_epochs
    rhythm = "" if not every else " after each epoch" if every == 1 else f" every {every} epochs"
    steps = f"{rhythm and ' and'} every {checks.every_n_steps} steps" if checks.every_n_steps else ""
    what = (
        f"{checks.pictures} of {len(plan.held_out)} pictures that are held out and never learnt"
        if plan.held_out
        else f"{checks.pictures} of the learnt pictures (a probe: it shows whether the run still learns, not whether "
        "it is over-trained; validation_split holds pictures out for that)"
    )
    base = f", and {checks.of_base} that the base draws itself" if checks.of_base else ""
    return (f"🔎 The loss is checked{rhythm}{steps}, always with the same noise, on {what}{base}.",)
