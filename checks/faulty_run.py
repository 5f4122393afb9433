"""A short training on a disk that can fail: run under a fault, gone on with, and held against an undisturbed one."""

import json
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import forked
from faulty_disk import Disk, Plan
from PIL import Image

from conftest import build_tiny_base, draw_pictures
from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.shell import jobs

SHORT = {
    "num_repeats": 1, "max_train_epochs": 2, "train_batch_size": 1, "resolution": 64, "rank": 4, "alpha": 2.0,
    "save_precision": "fp32", "source_date_epoch": 1_700_000_000, "save_state_every_n_steps": 2,
    "sample_prompts": ("ohwx --s 2",), "trigger_word": "ohwx", "output_name": "cat", "grid": False,
}  # fmt: skip
SECONDS_AWAY = 30.0


@dataclass(frozen=True)
class Seen:
    """What came of a training under a fault: the call it was met at, its last sentence, and its warnings."""

    hit: str
    ended: bool
    said: str
    warned: tuple[str, ...]
    wrong: tuple[str, ...]


class Check:
    """A disk, an undisturbed run to compare with, and the rows of the table as they come."""

    def __init__(self, folder: Path):
        self.folder, self.rows, self.bad = folder, [], 0
        folder.mkdir(parents=True, exist_ok=True)
        build_tiny_base(folder / "base")
        draw_pictures(folder / "pictures", 4)
        self.disk = Disk(folder / "disk")
        self.only = ""
        self.wholes: dict[bool, dict[str, bytes]] = {}

    def whole(self, grid: bool) -> dict[str, bytes]:
        """The files of a run that nothing disturbs."""
        if grid not in self.wholes:
            self.fresh()
            ended = self.job(self.config(grid=grid))
            said = jobs.finished(ended)
            if said is None:
                raise SystemExit(f"the undisturbed run does not train: {jobs.last_error(ended)}")
            self.wholes[grid] = self.left()
        return self.wholes[grid]

    @property
    def project(self) -> Path:
        return self.disk.mounted / "Loras" / "cat"

    def fresh(self) -> None:
        """An empty project with its pictures."""
        self.disk.heal()
        shutil.rmtree(self.disk.backing / "Loras", ignore_errors=True)
        shutil.copytree(self.folder / "pictures", self.disk.backing / "Loras" / "cat" / "dataset")

    def config(self, **more: Any) -> TrainConfig:
        places = {
            "pretrained_model_name_or_path": str(self.folder / "base"),
            "train_data_dir": str(self.project / "dataset"),
            "output_dir": str(self.project / "output"),
        }
        return settings.make(TrainConfig, **{**SHORT, **places, **more})

    def job(
        self, config: TrainConfig, meanwhile: Callable[[jobs.Job], None] | None = None, **how: Any
    ) -> jobs.Job:
        """A training as `jobs.start` begins it, but in a fork of this process; the job when it has ended."""
        started = forked.begin(config, self.project / "jobs", **how)
        while not forked.reaped(started.pid):
            if meanwhile:
                meanwhile(started)
            time.sleep(0.02)
        return started

    def left(self) -> dict[str, bytes]:
        """Every file of the run that is to be the same each time.

        A grid that was begun and broken off is left, and drawn whole under the next name: those count as one.
        """
        base, kept = self.disk.backing / "Loras" / "cat", {}
        found = [*base.glob("output/*"), *base.glob("runs/cat/samples/*"), *base.glob("runs/cat/grid*/*.png")]
        for path in [each for each in sorted(found) if each.is_file()]:
            name = re.sub(r"/grid-\d+/", "/grid/", str(path.relative_to(base)))
            now = path.read_bytes()
            if kept.setdefault(name, now) != now:
                kept[f"{name}, drawn again,"] = now
        log = base / "runs" / "cat" / "metrics.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
        steps = [(line["step"], line["loss"]) for line in lines if line.get("event") == "StepLog"]
        return {**kept, "losses": json.dumps(steps).encode()}

    def unsound(self) -> list[str]:
        """Files that are cut off under their final names."""
        from lora_nb.lora.lora_file import read_lora
        from lora_nb.training import state

        base, wrong = self.disk.backing / "Loras" / "cat", []
        read: dict[str, Callable[[Path], Any]] = {
            ".safetensors": read_lora,
            ".json": lambda path: json.loads(path.read_bytes()),
            ".png": lambda path: Image.open(path).load(),
            ".state": state.load_state,
            ".old": state.load_state,
            ".toml": lambda path: settings.load_known(TrainConfig, path),
            ".jsonl": lambda path: [json.loads(line) for line in path.read_text().splitlines()],
        }
        for path in [each for each in base.rglob("*") if each.is_file() and not each.name.startswith(".")]:
            if path.name in ("memory.json", "project.toml"):
                continue
            try:
                read.get(path.suffix, lambda path: None)(path)
            except Exception as error:  # anything at all is what is looked for
                wrong.append(f"{path.relative_to(base)} is cut off ({type(error).__name__})")
        return wrong

    def seen(self, job: jobs.Job) -> Seen:
        """What is there after a job has ended and the fault is gone."""
        output = job.folder / jobs.OUTPUT
        text = output.read_text(errors="replace") if output.is_file() else ""
        warned = [line.removeprefix("Warning: ") for line in text.splitlines() if "Warning: " in line]
        end = jobs.finished(job)
        said = end.text if end else jobs.last_error(job)
        return Seen(self.disk.hit, end is not None, said, tuple(warned), tuple(self.unsound()))

    def row(self, fault: str, place: str, seen: Seen, again: bool, wrong: Sequence[str]) -> None:
        """Print one row of the table."""
        self.bad += bool(wrong)
        how = "after the same line again" if again else "by itself"
        print(
            f"{'NO ' if wrong else 'ok '} {fault} | {place} | met at: {seen.hit or '-'} | {how}", flush=True
        )
        for text in seen.warned:
            print(f"      warned: {self._short(text)}")
        print(f"      said: {self._short(seen.said)}")
        for each in wrong:
            print(f"      FAULT: {each}", flush=True)

    def _short(self, text: str) -> str:
        return text.replace(str(self.disk.mounted), "DRIVE").replace(str(self.folder), "FOLDER")

    def meet(self, fault: str, place: str, plan: Plan, to_end: bool = False, **more: Any) -> None:
        """One row: train under the fault, heal the disk, train again where the run had ended, compare."""
        if self.only not in place:
            return
        grid = "grid" in place
        whole = self.whole(grid)
        self.fresh()
        self.disk.break_down(plan)
        back: list[float] = []

        def attach(job: jobs.Job) -> None:
            if plan.fault == "die" and self.disk.hit and not back:
                back.append(time.monotonic())
            if back and back[0] and time.monotonic() - back[0] > SECONDS_AWAY:
                self.disk.attach()
                back[0] = 0.0

        job = self.job(self.config(grid=grid), attach, **more)
        hit, said = self.disk.hit, "" if plan.fault in ("away", "die") else jobs.last_error(job)
        if plan.fault == "die" and not (back and back[0] == 0.0):
            self.disk.attach()
        self.disk.heal()
        seen = self.seen(job)
        seen = replace(seen, said=said or seen.said)  # as the form says it at once, while the disk is full
        wrong = [*seen.wrong, *([] if hit or not plan.fault else ["the fault was never met"])]
        if not seen.said or any(word in seen.said for word in ("Unexpected", "Traceback", "it said nothing")):
            wrong.append("no sentence for a person")
        again = not seen.ended or self.left() != whole
        if again:
            job = self.job(self.config(grid=grid))
            if jobs.finished(job) is None:
                wrong.append(f"does not go on: {jobs.last_error(job)}")
        left = self.left()
        wrong += [
            f"{name} differs" for name in left.keys() | whole.keys() if left.get(name) != whole.get(name)
        ]
        wrong += [f"{path.name} is left" for path in self.disk.backing.rglob("*.tmp")]
        self.row(fault, place, seen, again, wrong)
