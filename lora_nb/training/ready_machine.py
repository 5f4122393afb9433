"""The checks of whether a run fits the machine: its memory, its disks, its time.

Imports no torch.
"""

from collections.abc import Iterator

from lora_nb.training import fitting, forecast_disk, forecast_time
from lora_nb.training.cheaper import LAST, Memory
from lora_nb.training.fitting import Fit
from lora_nb.training.forecast_time import Duration
from lora_nb.training.ready_row import Asked, Harm, Row, size
from lora_nb.wording import counted

FULL = 0.8  # of what is free: a run that takes more is worth a word
STATE_MINUTES = 10.0
SURE: dict[Memory, float] = {
    "GPU": 1.25,
    "RAM": 1.1,
}  # no CUDA device has measured the one yet; five plans the other
STAGES = {
    "encoding": "while pictures are encoded", "drawing": "while samples are drawn",
    "loading": "while the base is loaded",
}  # fmt: skip


def memory(asked: Asked) -> Iterator[Row]:
    """The run fits into the memory, or which plan would."""
    if not asked.plan or not asked.sizes:
        return
    fit = fitting.fit(asked.plan, asked.machine)
    if not fit.short:
        yield Row("memory", "grey", f"Memory: about {_of(fit, asked)}.")
        return
    harm: Harm = "red" if any(_is_sure(fit, memory, asked) for memory in fit.short) else "yellow"
    too_much = " and ".join(_too_little(fit, memory, asked) for memory in fit.short)
    if fit.values:
        yield Row("memory", harm, f"{too_much}. It fits with {fit.words}.", "Make it fit", fit.values)
    else:
        yield Row("memory", harm, f"{too_much}; {LAST}.")


def _is_sure(fit: Fit, memory: Memory, asked: Asked) -> bool:
    """Whether so much more is needed than is free that the forecast's own error cannot explain it."""
    needed, free = _figures(fit, memory, asked)
    return needed > SURE[memory] * free


def _figures(fit: Fit, memory: Memory, asked: Asked) -> tuple[int, int]:
    """Bytes needed, and free."""
    machine = asked.machine
    return (fit.need.gpu, machine.gpu_free) if memory == "GPU" else (fit.need.ram, machine.ram_free)


def _of(fit: Fit, asked: Asked) -> str:
    ram = f"{size(fit.need.ram)} of {size(asked.machine.ram_free)} free RAM"
    gpu = f"{size(fit.need.gpu)} of {size(asked.machine.gpu_free)} on {asked.machine.called}, "
    return f"{gpu if asked.machine.gpu else ''}{ram}"


def _too_little(fit: Fit, memory: Memory, asked: Asked) -> str:
    """The run takes x, and y is free."""
    need, free = _figures(fit, memory, asked)
    where = f"of {asked.machine.called}'s memory" if memory == "GPU" else "of RAM"
    stage = STAGES.get(fit.need.largest("gpu" if memory == "GPU" else "ram"), "")
    return f"It takes about {size(need)} {where}{f' {stage}' if stage else ''}, and {size(free)} are free"


def disk(asked: Asked) -> Iterator[Row]:
    """Each place has room for what is written to it."""
    if not asked.plan or not asked.sizes:
        return
    for writes in forecast_disk.forecast(asked.plan, asked.sizes, asked.places.scratch, asked.places.cache):
        told = ", ".join(f"{name} {size(count)}" for name, count in writes.what)
        text = (
            f"{size(writes.total)} are written to {writes.place} ({told}), where {size(writes.free)} are free"
        )
        if writes.total > writes.free:
            yield Row("disk", "red", f"{text}: make room; {forecast_disk.asked_of(asked.config)}.")
        elif writes.total > FULL * writes.free:
            yield Row("disk", "yellow", f"{text}: that is nearly all.")
        else:
            yield Row("disk", "grey", f"Disk: about {text}.")


def time(asked: Asked) -> Iterator[Row]:
    """How long it takes, against what a session lasts."""
    found = (
        forecast_time.forecast(asked.plan, asked.sizes, asked.machine) if asked.plan and asked.sizes else None
    )
    if not found:
        return
    source = (
        f'as fast as the run "{found.known_from}" was'
        if found.known_from
        else f"a rough figure for {asked.machine.called}"
    )
    text = f"Time: about {_hours(found.total)} for {counted(asked.plan.total_steps, 'step')} ({source})."
    yield _against_session(text, found, asked)


def _against_session(text: str, found: Duration, asked: Asked) -> Row:
    hours, every = asked.machine.hours, asked.config.resuming.save_state_every_n_minutes
    if not hours or found.total < hours[0] * 3600 * FULL:
        return Row("time", "grey", text)
    said = f"{text} A free session lasts some {hours[0]:.0f} hours, {hours[1]:.0f} at most"
    if every:
        return Row(
            "time",
            "yellow",
            f"{said}: start the same run again to go on; a state is kept every {every:g} minutes.",
        )
    mend = (("save_state_every_n_minutes", STATE_MINUTES),)
    return Row(
        "time",
        "yellow",
        f"{said}: keep a state every {STATE_MINUTES:g} minutes, so that it can be gone on with.",
        f"State every {STATE_MINUTES:g} minutes",
        mend,
    )


def _hours(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 90 * 60 else f"{seconds / 3600:.1f} hours"
