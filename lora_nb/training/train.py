"""From a TrainConfig to LoRA files that are proven to work."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import broadcast_object_list

from lora_nb import events, files, project, runs, seeds, settings, upgrade
from lora_nb.bases import lookup
from lora_nb.bases.base import Base
from lora_nb.bases.models import load_base
from lora_nb.bases.process import refuse_unheard
from lora_nb.config.training import Place, TrainConfig
from lora_nb.lora.lora_file import DTYPES
from lora_nb.lora.merge import merge_files
from lora_nb.patience import lasting
from lora_nb.training import checkpoints, claim, kept_settings, memory_end, relaid, state, verdict
from lora_nb.training.letting_go import give_back
from lora_nb.training.optimizers import try_out
from lora_nb.training.plan import RunPlan, plan_run, resolve
from lora_nb.training.prepare import check_network
from lora_nb.training.preview import check_prompts
from lora_nb.training.run import Run
from lora_nb.training.verify import prove
from lora_nb.wording import counted


def no_requests() -> frozenset[str]:
    """Ask for nothing: the default of `train`'s `poll`."""
    return frozenset()


def train(
    config: TrainConfig, tell: events.Tell = events.silent, poll: events.Poll = no_requests
) -> events.Finished:
    """Train, or go on with, the run that `config` describes; the result says which files stand and that they work.

    `poll` is asked after every step for any of "stop", "save" and "sample", each returned once. A stopped run
    leaves a state that the same call goes on from. Raises ValueError for what a person can mend (a loss that is no
    number and memory that runs out among it), OSError when a file cannot be written; both leave every finished file
    and the newest state in place.
    """
    while True:
        try:
            return _attempt(config, tell, poll)
        except (RuntimeError, MemoryError) as error:
            if not (memory := memory_end.kind_of(error)):
                raise
            several = PartialState().num_processes > 1
            config = memory_end.next_plan(resolve(config), memory, alone=not several, tell=tell)
        give_back()  # no sooner: the error holds on to the models


def _attempt(config: TrainConfig, tell: events.Tell, poll: events.Poll) -> events.Finished:
    """`train` with these settings and no others."""
    AcceleratorState._reset_state()  # a run before this one in the same process may have used another precision
    accelerator = Accelerator(
        mixed_precision=choose_precision(config.precision.mixed_precision), cpu=not torch.cuda.is_available()
    )
    tell = tell if accelerator.is_main_process else events.silent
    asked = resolve(config)
    if asked.base.pretrained_model_name_or_path:
        lookup.find_family(asked.base.pretrained_model_name_or_path)  # sizes depend on it
    plan = plan_run(asked, accelerator.num_processes, tell)
    with alone(asked.place, accelerator, tell):
        return _train(asked, plan, accelerator, tell, poll)


@contextmanager
def alone(place: Place, accelerator: Accelerator, tell: events.Tell) -> Iterator[None]:
    """Hold the run's folder, in the main process; where another training has it, each process says so (ValueError)."""
    output = Path(place.output_dir)
    with ExitStack() as held:
        refused = [""]
        if accelerator.is_main_process:
            try:
                held.enter_context(claim.claimed(runs.run_folder(output, place.output_name), tell))
                upgrade.take_over_runs(project.folders_of_output(output), tell)
            except ValueError as error:
                refused = [str(error)]
        if accelerator.num_processes > 1:
            broadcast_object_list(refused)
        if refused[0]:
            raise ValueError(refused[0])
        yield


def _train(
    asked: TrainConfig, plan: RunPlan, accelerator: Accelerator, tell: events.Tell, poll: events.Poll
) -> events.Finished:
    plan = replace(plan, config=settle_seed(plan.config, accelerator, tell))
    check_prompts(plan, tell)  # a mistyped prompt is to be told now, not after the first epoch
    check_folders(plan)
    try_out(plan.config.learning, plan.total_steps)
    if (first := plan.config.resuming.initial_step) >= plan.total_steps:
        raise ValueError(
            f"initial_step = {first} is not before the end of the run, which has {plan.total_steps} steps"
        )
    for text in plan.lines:
        tell(events.Notice(text))
    for text in plan.warnings:
        tell(events.Notice(text, "warning"))
    base = _load(plan.config, accelerator, tell)
    base.process.check(base.name)
    refuse_unheard(base.process, plan.config.loss, base.name)
    base.check_text_layer(plan.config.captions.clip_skip)
    plan.config.learning.rates_of_text(sum(part.reads_text for part in base.parts))
    for text in check_network(plan.config.network, plan.config.learning, base):
        tell(events.Notice(text, "warning"))
    kept = find_state(plan, base, accelerator, tell)
    if kept is not None and (answered := relaid.answer(plan, kept)):
        return answered
    if accelerator.is_main_process:
        kept_settings.keep(asked)
    if kept is not None and kept.finished:
        return _already_done(plan)
    run = Run.begin(plan, base, accelerator, kept, tell)
    run.state.seed_drawn |= seeds.is_open(asked.seed)
    status = run.go_on(poll)
    if status == "stopped":
        return events.Finished(
            "stopped",
            f"Stopped after step {run.state.step} of {plan.total_steps}. Start again to go on from there.",
            run.files(),
        )
    return finish(run)


def choose_precision(wanted: str) -> str:
    """What "auto" means on this machine: bf16 where the GPU is fast at it, fp16 on older ones, none on a CPU."""
    if wanted != "auto":
        return wanted
    if not torch.cuda.is_available():
        return "no"
    return "bf16" if torch.cuda.get_device_capability()[0] >= 8 else "fp16"


def settle_seed(config: TrainConfig, accelerator: Accelerator, tell: events.Tell) -> TrainConfig:
    """The config with a seed: its own; where that is open, the one drawn for the run to go on with, or a new one."""
    if not seeds.is_open(config.seed):
        return config
    kept = (
        None
        if config.resuming.on_existing == "restart"
        else state.load_newest(state.state_path(config.place))
    )
    if kept and (kept.seed_drawn or seeds.is_open(kept.identity.settings["seed"])):
        seed = kept.identity.settings["seed"]
        tell(events.Notice(f"🎲 seed = {seed}, drawn when this run began, is taken up again."))
        return settings.replace(config, seed=seed)
    drawn = [seeds.draw("seed", tell) if accelerator.is_main_process else 0]
    if accelerator.num_processes > 1:
        broadcast_object_list(drawn)
    return settings.replace(config, seed=drawn[0])


def check_folders(plan: RunPlan) -> None:
    """Raises ValueError when a folder that the run will write to does not take its files."""
    config = plan.config
    own = runs.run_folder(Path(config.place.output_dir), config.place.output_name)
    longest = project.step_file_name(config.place.output_name, plan.total_steps)
    places = [Path(config.place.output_dir), own.base, own.tensorboard]
    if config.samples.any:
        places.append(own.samples)
    for place in places:
        files.check_writable(place, longest)


def _load(config: TrainConfig, accelerator: Accelerator, tell: events.Tell) -> Base:
    base = load_base(
        config.base.pretrained_model_name_or_path,
        DTYPES.get(accelerator.mixed_precision, torch.float32),
        tell,
        config.base.prediction_type,
        config.base.zero_terminal_snr,
        config.base.vae,
    )
    for text in base.notes:
        tell(events.Notice(text, "warning"))
    merge_files(base, config.base)
    return base


def find_state(
    plan: RunPlan, base: Base, accelerator: Accelerator, tell: events.Tell
) -> state.RunState | None:
    """The state to go on from. Sets an earlier run's files aside if asked, else raises ValueError for them."""
    config, place = plan.config, plan.config.place
    path = state.state_path(place)
    if accelerator.is_main_process:
        checkpoints.sweep(config.place)
    if config.resuming.on_existing == "restart":
        if accelerator.is_main_process and (place := checkpoints.set_earlier_aside(plan)):
            tell(events.Notice(f"The earlier run's files now lie in {place}."))
        accelerator.wait_for_everyone()
        return None
    kept = state.load_newest(path, tell)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        state.set_damaged_aside(path)
    mend = 'choose another output_name, or on_existing = "restart" to set them aside and begin anew'
    if kept is None:
        if old := project.run_files(Path(config.place.output_dir), config.place.output_name):
            raise ValueError(f"{config.place.output_dir} already holds {old[0].name} of another run: {mend}")
        return None
    new = state.identity_of(plan, base.fingerprint, accelerator.num_processes)
    if changed := state.differences(kept.identity, new):
        raise ValueError(
            f'{place.output_dir} holds a run "{place.output_name}" with other settings ({"; ".join(changed)}): {mend}'
        )
    if kept.step <= plan.total_steps:
        relaid.go_on(plan, kept, new, tell)
    if not kept.finished:
        text = f"⏩ Going on with the run that stopped after step {kept.step} of {plan.total_steps}."
        tell(events.Notice(text))
    return kept


def _already_done(plan: RunPlan) -> events.Finished:
    found = tuple(
        str(path)
        for path in project.lora_files(Path(plan.config.place.output_dir), plan.config.place.output_name)
    )
    if not found:
        raise ValueError(
            f"this run was finished before, but its files are no longer in {plan.config.place.output_dir}: "
            'choose on_existing = "restart" to train again'
        )
    return events.Finished("done", "This very run is already finished; its files are here.", found)


def finish(run: Run) -> events.Finished:
    """Prove that the last file works, in a base loaded anew, before saying done."""
    plan, clip_skip = run.plan, run.plan.config.captions.clip_skip
    main = run.accelerator.is_main_process
    prompt = plan.config.captions.trigger_word or plan.captions[0]
    run.forget_models()
    if main:
        fresh = _load(plan.config, run.accelerator, events.silent)
        for part in fresh.parts:
            part.model.to(run.accelerator.device)
        newest = lasting(lambda: _newest(plan), Path(plan.config.place.output_dir), run.tell)
        run.tell(events.Notice(prove(newest, fresh, prompt, clip_skip)))
    run.writer.finish()
    if main:
        checkpoints.sweep(plan.config.place)  # of writes that a disk cut short, which were made again
    run.accelerator.wait_for_everyone()
    left_out = f" ({run.state.skipped} of them left out as too large for fp16)" if run.state.skipped else ""
    text = f"Done: {counted(plan.total_steps, 'step')}{left_out}, {counted(len(run.files()), 'LoRA file')}."
    return events.Finished("done", f"{text}{_checked(plan)}", run.files())


def _newest(plan: RunPlan) -> Path:
    """The last LoRA file, which can be opened now: safetensors calls a file on a disk that is away missing."""
    path = project.lora_files(Path(plan.config.place.output_dir), plan.config.place.output_name)[-1]
    path.open("rb").close()
    return path


def _checked(plan: RunPlan) -> str:
    """What the checks of a run say, after a space; nothing where there were none."""
    own = runs.run_folder(Path(plan.config.place.output_dir), plan.config.place.output_name)
    curves = verdict.read(own.metrics)
    return f" {verdict.verdict_of(curves).sentence}" if curves else ""
