"""The process that passes a run's figures on to wandb: no training waits for its net, or falls with it.

Reads JSON lines: first the account, then rows of figures and samples, to the end of its input. It answers one line,
where the run is to be seen or why not. The key is wandb's own business: WANDB_API_KEY, or what `wandb login` kept.
"""

import json
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psutil
from accelerate import PartialState
from accelerate.tracking import WandBTracker

from lora_nb.redact import HIDDEN, redact
from lora_nb.wording import first_line

SECONDS_TO_BEGIN, SECONDS_TO_END = 60.0, 25.0
KEY, MODE, SERVICE = "WANDB_API_KEY", "WANDB_MODE", "WANDB_SERVICE"
BY_EPOCH = ("loss/epoch_average", "loss/plain_epoch_average")


def main(lines: Iterable[bytes], refused: str = "") -> None:
    """Pass on line after line; what is not sent in time at the end stays in the run's folder.

    `refused` is the account as JSON, with the reason under "why", where wandb let nobody in: nobody is asked then.
    """
    rows = map(json.loads, lines)
    account = json.loads(refused) if refused else next(rows, None)
    if account is None:
        return
    PartialState(cpu=True)  # what accelerate's trackers log with
    why = account.pop("why", "")
    said = {"why": why} if why else {}
    try:
        tracker = _open(account)
    except Exception as error:  # wandb's own, of many kinds: a bad key, no net, a bad name of a project
        if not why and os.environ.get(MODE) != "offline":
            _begin_offline({**account, "why": _said(error)})
        _answer({"why": why or _said(error)})
        return _leave()
    _answer({**said, "at": tracker.tracker.url or "", "kept": os.path.dirname(tracker.tracker.dir)})
    for row in rows:
        tracker.log(_with_pictures(row))
    _leave_in(SECONDS_TO_END)
    tracker.finish()


def _open(account: dict[str, Any]) -> WandBTracker:
    import wandb

    quiet = wandb.Settings(
        console="off", disable_code=True, disable_git=True, silent=True, x_save_requirements=False,
        init_timeout=SECONDS_TO_BEGIN,
    )  # fmt: skip
    tracker = WandBTracker(
        account["project"], id=account["id"], name=account["name"], dir=account["folder"], resume="allow",
        settings=quiet,
    )  # fmt: skip
    tracker.start()
    tracker.tracker.define_metric("*", step_metric="global_step")
    for name in BY_EPOCH:
        tracker.tracker.define_metric(name, step_metric="epoch")
    if account["config"]:
        tracker.store_init_configuration(account["config"])
    return tracker


def _begin_offline(account: dict[str, Any]) -> None:
    """Become a new process, which asks nobody; the one that tries still to begin the run ends, and lets go of it."""
    _end_children()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SERVICE)}
    line = [sys.executable, "-m", "lora_nb.training.wandb_process", json.dumps(account)]
    os.execve(sys.executable, line, {**kept, MODE: "offline"})


def _answer(said: dict[str, str]) -> None:
    print(json.dumps(said), flush=True)


def _with_pictures(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its pictures, which come as [path, prompt] each."""
    import wandb

    pictures = row.pop("pictures", {})
    shown = {name: wandb.Image(path, caption=prompt) for name, (path, prompt) in pictures.items()}
    return {**row, **shown}


def _said(error: Exception) -> str:
    key = os.environ.get(KEY)
    text = first_line(error).partition(". ")[0]  # the rest is advice on wandb's own calls
    return redact(text.replace(key, HIDDEN) if key else text)


def _leave_in(seconds: float) -> None:
    """End this process then, whatever wandb waits for: what it wrote is in the run's folder."""
    watch = threading.Timer(seconds, _leave)
    watch.daemon = True
    watch.start()


def _leave() -> None:
    _end_children()
    os._exit(1)


def _end_children() -> None:
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()


if __name__ == "__main__":
    with open(0, "rb", buffering=0) as given:  # unbuffered: a process that follows this one reads the rest
        main(given, *sys.argv[1:])
