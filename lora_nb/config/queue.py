"""Settings of what is done with the queue of runs, and with runs beside each other."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.declare import setting

ROOT = "the folder that holds Loras/, or a project; empty: the current folder"
BY_LINE = ("\n",)


@dataclass(frozen=True)
class QueueConfig:
    """The runs of the queue that are meant."""

    number: int = setting(0, "the run's number in the list; 0: all that it makes sense for", min=0)
    root: str = setting("", ROOT)


@dataclass(frozen=True)
class QueueListConfig:
    """The list of what is in the queue."""

    root: str = setting("", ROOT)
    json: bool = setting(False, "as JSON, for other programs")


@dataclass(frozen=True)
class QueueMoveConfig:
    """A run's place in the queue."""

    number: int = setting(0, "the run's number in the list", min=0)
    to: Literal["up", "down", "first"] = setting("first", "where to")
    root: str = setting("", ROOT)


@dataclass(frozen=True)
class QueueAgainConfig:
    """A run of the queue once more, with other settings."""

    number: int = setting(0, "the run's number in the list", min=0)
    changes: tuple[str, ...] = setting((), "what is to be other, a line each: name = value. On the command line simply --name value", separators=BY_LINE)
    root: str = setting("", ROOT)


@dataclass(frozen=True)
class SweepConfig:
    """Several runs that differ in one or two settings, put into the queue."""

    run: str = setting("", "the .toml file with the settings of the run, or a run's folder")
    over: tuple[str, ...] = setting((), "one or two settings with their values, a line each: name = value, value, ... On the command line simply --name value value", separators=BY_LINE)


@dataclass(frozen=True)
class QueueStartConfig:
    """The queue that is set to work."""

    root: str = setting("", ROOT)
    gpus: Literal["each", "all"] = setting("each", "where there are several GPUs: a run on each of them, or all of them for one run after the other", label="several GPUs")


@dataclass(frozen=True)
class QueueWorkConfig:
    """A worker of the queue."""

    root: str = setting("", ROOT)
    device: str = setting("", 'the number of the GPU to train on, "all" for one run over all of them, "cpu" for none; empty: the first that has no worker')


@dataclass(frozen=True)
class CompareConfig:
    """Runs beside each other."""

    runs: tuple[str, ...] = setting((), "the folders of the runs (Loras/<project>/runs/<name>), two or more", separators=(";\n", ","), bare=True)
    output: str = setting("", "the .html file to write; empty: compared.html in the project's runs folder")
