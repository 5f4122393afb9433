"""What a subcommand is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lora_nb.events import Finished, Poll, Tell


@dataclass(frozen=True)
class Verb:
    """A subcommand. `run` takes the config, the listener and what asks for "stop", "save" and "sample".

    Where it `loads` torch and the like, that takes some seconds; `takes_presets` where it has the settings of a run.
    """

    config: type
    run: Callable[[Any, Tell, Poll], Finished]
    loads: bool = False
    takes_presets: bool = False
