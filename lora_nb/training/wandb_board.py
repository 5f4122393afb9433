"""A run's figures on their way to wandb, by a process of their own."""

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TextIO

from lora_nb import files, presets, project, settings
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.events import Drawn, Notice, Tell
from lora_nb.runs import RunFolder
from lora_nb.training.board import Figures
from lora_nb.training.run_plan import RunPlan

SECONDS_TO_BEGIN, SECONDS_TO_END = 120.0, 30.0  # more than the process takes for itself
INSTALL = "pip install wandb"
REFUSED = re.compile(r"[/\\#?%:]")  # in a project's name, by wandb
LAUNCHED = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "ACCELERATE_",
    "TORCHELASTIC_",
)
ELSEWHERE = "TensorBoard has them all"


@dataclass(frozen=True)
class Account:
    """Which of wandb's runs a run is; `folder` is where wandb writes, `config` what it is told of the settings."""

    project: str
    name: str
    id: str
    folder: str
    config: dict[str, Any] = field(default_factory=dict)


def account(plan: RunPlan, own: RunFolder) -> Account:
    """The account of a run, the same one whenever it goes on."""
    place, asked = plan.config.place, plan.config.figures
    home = project.folders_of_output(Path(place.output_dir)).base.name
    found = Account(
        project=asked.log_tracker_name or REFUSED.sub("-", home),
        name=asked.wandb_run_name or place.output_name,
        id=_id(own),
        folder=str(own.base),
        config=_told(plan.config) if asked.log_config else {},
    )
    with suppress(OSError):
        own.wandb.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in asdict(found).items() if name != "folder"}
        files.write_text(own.wandb / "run.json", json.dumps({"version": 1, **kept}, indent=1))
    return found


def _id(own: RunFolder) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(files.from_json((own.wandb / "run.json").read_bytes())["id"])
    return uuid.uuid4().hex[:12]


def _told(config: TrainConfig) -> dict[str, Any]:
    """The settings that say how it is trained: no names, prompts and captions of the project, no folders."""
    values = settings.values_of(config)
    names = [
        each.name
        for each in settings_of(TrainConfig)
        if not each.said.internal and each.name not in presets.NOT_KEPT
    ]
    return {name: _short(values[name]) for name in names}


def _short(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_short(each) for each in value]
    return Path(value).name if isinstance(value, str) and os.path.isabs(value) else value


class WandbBoard:
    """What is noted goes through a queue to the process; what it answers is told in the training's own thread."""

    def __init__(self, account: Account, tell: Tell, to_begin: float = SECONDS_TO_BEGIN) -> None:
        self.tell, self.begins_until = tell, time.monotonic() + to_begin
        self.lines: SimpleQueue[str | None] = SimpleQueue()
        self.answers: SimpleQueue[str] = SimpleQueue()
        self.process: subprocess.Popen | None = None
        self.kept, self.told = "", False
        if not find_spec("wandb"):
            self._warn(f"wandb is not installed ({INSTALL}): it gets no figures; {ELSEWHERE}.")
            return
        try:
            self.process = _begin()
        except OSError as error:
            self._warn(f"wandb's process does not start ({error.strerror}): it gets no figures; {ELSEWHERE}.")
            return
        Thread(target=self._feed, args=(self.process.stdin,), daemon=True).start()
        Thread(target=self._hear, args=(self.process.stdout,), daemon=True).start()
        self._send(asdict(account))

    def add(self, figures: Figures) -> None:
        """Note figures."""
        self._send({**figures.values, "global_step": figures.step, "epoch": figures.epoch})

    def show(self, drawn: Drawn, prompts: Sequence[str]) -> None:
        """Note samples, each with its prompt; their names are sd-scripts'."""
        told = zip(drawn.paths, prompts, strict=False)
        pictures = {f"sample_{number}": each for number, each in enumerate(told)}
        self._send({"pictures": pictures, "global_step": drawn.step, "epoch": drawn.epoch})

    def flush(self) -> None:
        """Tell what was answered: what was noted is on its way."""
        while True:
            try:
                self._tell_answer(json.loads(self.answers.get_nowait()))
            except ValueError:
                continue
            except Empty:
                return

    def close(self) -> None:
        """Give the process its time to send the rest, and no more; after a short run, also that to begin."""
        if self.process is None:
            return
        self.lines.put(None)
        until = max(self.begins_until, time.monotonic() + SECONDS_TO_END)
        try:
            self.process.wait(until - time.monotonic())
        except subprocess.TimeoutExpired:
            self.process.kill()  # wandb's own server ends with it
            self.process.wait()
        self.flush()
        if self.process.returncode and not self.told:
            mend = f"`wandb sync {self.kept}` sends the rest" if self.kept else ELSEWHERE
            self._warn(f"wandb did not take everything in time: {mend}.")
        self.process = None

    def _tell_answer(self, answer: dict[str, str]) -> None:
        self.kept = answer.get("kept", "")
        if "why" not in answer:
            where = f"at {answer['at']}" if answer["at"] else f"in {self.kept}; `wandb sync` sends it"
            self.tell(Notice(f"wandb has this run {where}."))
        elif self.kept:
            mend = f"its figures are kept, and `wandb sync {self.kept}` sends them"
            self._warn(f"wandb does not take this run ({answer['why']}): {mend}.")
        else:
            self._warn(f"wandb does not take this run ({answer['why']}); {ELSEWHERE}.")

    def _warn(self, text: str) -> None:
        self.told = True
        self.tell(Notice(f"{text} The training goes on.", "warning"))

    def _send(self, row: dict[str, Any]) -> None:
        if self.process is not None and self.process.poll() is None:
            self.lines.put(json.dumps(row))
        if not self.answers.empty():
            self.flush()

    def _feed(self, given: TextIO) -> None:
        """Write line after line, however long the process takes for one."""
        with suppress(OSError, ValueError), given:
            for line in iter(self.lines.get, None):
                given.write(line + "\n")
                given.flush()

    def _hear(self, said: TextIO) -> None:
        with suppress(OSError, ValueError), said:
            for line in said:
                self.answers.put(line)


def _begin() -> subprocess.Popen:
    """The process: it sees no GPU, is none of several that train, and outlives Ctrl-C by what it has to send."""
    own = {"CUDA_VISIBLE_DEVICES": "", "WANDB_ERROR_REPORTING": "false", "PYTHONIOENCODING": "utf-8"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHED)}
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "lora_nb.training.wandb_process"], env={**inherited, **own, "PYTHONPATH": path},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
        start_new_session=True,
    )  # fmt: skip
