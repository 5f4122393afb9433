"""A run that is to be longer, shorter or cheaper than it was planned: gone on with, or answered from its files."""

from pathlib import Path

import torch

from lora_nb import project, settings
from lora_nb.config.training import TrainConfig
from lora_nb.events import Finished, Notice, Tell
from lora_nb.training.optimizers import make_scheduler
from lora_nb.training.plan import RunPlan, plan_run
from lora_nb.training.same_run import BATCH, LENGTH, MEMORY, value_of
from lora_nb.training.state import Identity, RunState
from lora_nb.wording import counted

RESTART = 'choose another output_name, or on_existing = "restart" to set the files aside and begin anew'


def answer(plan: RunPlan, kept: RunState) -> Finished | None:
    """What there is of a run that has come further than it is asked to; None where something is left to train.

    Raises ValueError where no file of that moment was kept.
    """
    if kept.step <= plan.total_steps:
        return None
    place, done = plan.config.place, f"{counted(kept.step, 'step')} of this run are done already"
    files = project.lora_files(Path(place.output_dir), place.output_name)
    wanted = _file_of(plan)
    if wanted is None:
        names = ", ".join(path.name for path in files) or "none"
        raise ValueError(
            f"{done}, and no file of step {plan.total_steps} was kept; there are: {names}. Use one of these; for a run "
            f"of that length {RESTART}"
        )
    text = f"{done}; {wanted.name} is what it was after {plan.total_steps}."
    if _differs(plan, planned(plan, kept), plan.total_steps):
        text += (
            f" Its learning rate was that of {planned(plan, kept)} steps: a run of {plan.total_steps} from the "
            f"beginning would end otherwise; for that one {RESTART}."
        )
    upto = [path for path in files if path.name <= wanted.name] if wanted in files else []
    return Finished("done", text, tuple(map(str, upto or [wanted])))


def _file_of(plan: RunPlan) -> Path | None:
    """The file of the last step of a plan."""
    place, steps = plan.config.place, plan.total_steps
    names = [project.step_file_name(place.output_name, steps)]
    if steps % plan.steps_per_epoch == 0:
        names.insert(0, project.lora_file_name(place.output_name, steps // plan.steps_per_epoch))
    return next((path for name in names if (path := Path(place.output_dir) / name).is_file()), None)


def planned(plan: RunPlan, kept: RunState) -> int:
    """The steps that a kept run was planned for."""
    said = kept.identity.settings
    steps, epochs = (said.get(name, getattr(plan.config.length, name)) for name in reversed(LENGTH))
    return steps or epochs * plan.steps_per_epoch


def go_on(plan: RunPlan, kept: RunState, new: Identity, tell: Tell) -> None:
    """Make a kept run one of the plan's length, and say so. Raises ValueError where nothing was kept to go on from."""
    _count_anew(plan, kept, new, tell)
    before, total = planned(plan, kept), plan.total_steps
    if before == total:
        return
    if not kept.parameters and kept.step:
        raise ValueError(
            f"this run was finished after {counted(kept.step, 'step')} by an older version of lora_nb, "
            "which kept nothing that more steps could go on from: choose another output_name, with network_weights = "
            "its last file"
        )
    tell(Notice(f"⏩ This run was planned for {before} steps; it goes on after step {kept.step} to {total}."))
    if _differs(plan, before, kept.step):
        tell(Notice(_in_words(plan, kept.step, before), "warning"))
        kept.lengths = [*kept.lengths, [kept.step, before]]
    kept.finished, kept.identity = False, new
    kept.scheduler = {}  # laid out anew by whoever takes it up


def _count_anew(plan: RunPlan, kept: RunState, new: Identity, tell: Tell) -> None:
    """Let the steps of a kept run be those of the plan, where its batches are other parts of a step."""
    old = {name: value_of(name, kept.identity.settings) for name in (*MEMORY, *BATCH)}
    changed = [name for name in old if old[name] != value_of(name, new.settings)]
    if not changed or kept.finished:
        return
    tell(
        Notice(
            "The run goes on with "
            + ", ".join(f"{name} = {value_of(name, new.settings)}" for name in changed)
            + "."
        )
    )
    kept.identity = new
    if not set(changed) & set(BATCH):
        return
    sizes = {name: old[name] for name in BATCH}
    before = plan_run(settings.replace(plan.config, **sizes), new.processes)
    done, left = divmod(kept.step, before.steps_per_epoch)
    step = done * plan.steps_per_epoch + left * plan.steps_per_epoch // before.steps_per_epoch
    if step != kept.step:
        tell(Notice(f"An epoch now has {plan.steps_per_epoch} steps: step {kept.step} is called {step}."))
        kept.step, kept.scheduler = step, {}


def _differs(plan: RunPlan, before: int, done: int) -> bool:
    """Whether the first `done` steps of a run of `before` steps are others than those of the plan."""
    learning = plan.config.learning
    stops = {min(learning.text_stops_at(steps) or done, done) for steps in (before, plan.total_steps)}
    old, new = (_factor(plan.config, steps) for steps in (before, plan.total_steps))
    return len(stops) > 1 or any(old(step) != new(step) for step in range(done))


def _factor(config: TrainConfig, total: int):
    """The share of the learning rate at each step, counted from 0, of a run of `total` steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    return make_scheduler(config.learning, total, optimizer).lr_lambdas[0]


def _in_words(plan: RunPlan, done: int, before: int) -> str:
    old, new = (_factor(plan.config, steps) for steps in (before, plan.total_steps))
    name = settings.values_of(plan.config)["lr_scheduler"]
    return (
        f"lr_scheduler = {name} depends on the length, and is laid out anew: step {done + 1} has "
        f"{new(done):.0%} of the learning rate, after {old(max(done - 1, 0)):.0%} in step {done}. A run of "
        f"{plan.total_steps} steps from the beginning would end otherwise; for that one {RESTART}."
    )
