"""What trainings of a queue left: how often each was begun, and whether it is what the same run leaves alone."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb.shell import jobs


@dataclass(frozen=True)
class Start:
    """One process that was begun for a run: its steps, and how it ended."""

    steps: tuple[int, ...]
    resumed: bool
    end: str


def _lines(job: Path) -> list[dict[str, Any]]:
    path = job / jobs.EVENTS
    text = path.read_text() if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def steps_of(job: Path) -> tuple[int, ...]:
    """The steps that a job told of."""
    return tuple(line["step"] for line in _lines(job) if line.get("event") == "StepLog")


def starts(base: Path, name: str) -> list[Start]:
    """The processes that were begun for the run `name`, in their order."""
    found = []
    for job in sorted(base.glob("jobs/*-train*")):
        if f'output_name = "{name}"' not in (job / "job.toml").read_text():
            continue
        lines = _lines(job)
        said = [line["text"] for line in lines if line.get("event") == "Finished"]
        error = (job / jobs.ERROR).read_text().strip() if (job / jobs.ERROR).is_file() else ""
        resumed = any("Going on with the run" in line.get("text", "") for line in lines)
        found.append(Start(steps_of(job), resumed, *(said or [error or "killed"])[:1]))
    return found


def faults_of(name: str, found: list[Start], base: Path, alone: Path) -> list[str]:
    """What is not as it should be with a run."""
    wrong, trained = [], [each for each in found if each.steps]
    done = [at for at, each in enumerate(trained) if each.end.startswith("Done")]
    if done and done[0] != len(trained) - 1:
        wrong.append("trained on after it was done")
    for one, next_one in itertools.pairwise(trained):
        if next_one.steps[0] <= one.steps[-1] - 5 - 1:  # its state is at most 5 steps old
            wrong.append(f"begun again at step {next_one.steps[0]} after step {one.steps[-1]}")
    pairs = [
        (base / "output", alone / "output", f"{name}*.*"),
        (base / "runs" / name / "samples", alone / "runs" / name / "samples", "*.png"),
    ]
    for here, there, pattern in pairs:
        left, right = ({path.name: path.read_bytes() for path in at.glob(pattern)} for at in (here, there))
        wrong += [
            f"{each} differs" for each in left.keys() | right.keys() if left.get(each) != right.get(each)
        ]
        if not right:
            wrong.append(f"nothing to compare in {there}")
    logged = (base / "runs" / name / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in logged if '"StepLog"' in line]
    if steps != list(range(1, len(steps) + 1)):
        wrong.append("its log does not have each step once")
    return wrong
