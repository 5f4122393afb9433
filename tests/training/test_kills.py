"""Kill -9 at random steps, over bases, optimizers, kept latents, accumulation and what else a run may carry along.

What comes out in the end is byte for byte what a run that nobody killed leaves.
"""

import dataclasses
import json
import multiprocessing
import random
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lora_nb.config.optimizers import OPTIMIZERS
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make

KILLS = 20
CARRIED = ("ema", "masks", "regularisation")
RATES = {"SGDNesterov": 1.0, "SGDScheduleFree": 1.0}


@dataclasses.dataclass(frozen=True)
class Case:
    """One run that is killed after `step` of its steps and `wait` seconds more."""

    base: str
    optimizer: str
    on_disk: bool
    accumulation: int
    carried: tuple[str, ...]
    step: int
    wait: float

    def __str__(self) -> str:
        kept = "disk" if self.on_disk else "memory"
        return "-".join([self.base, self.optimizer, kept, str(self.accumulation), *self.carried])


def cases() -> list[Case]:
    """Every optimizer once, the rest by chance, the same each time."""
    chance = random.Random(10)
    names = [list(OPTIMIZERS)[number % len(OPTIMIZERS)] for number in range(KILLS)]
    return [
        Case(
            chance.choice(("SD 1.5", "SDXL")),
            name,
            chance.random() < 0.5,
            chance.choice((1, 3)),
            tuple(each for each in CARRIED if chance.random() < 0.5),
            chance.randrange(1, 7),
            chance.random() * 0.2,
        )
        for name in names
    ]


def settings_of(case: Case, base: Path, folder: Path) -> dict[str, Any]:
    adapts = OPTIMIZERS[case.optimizer].adapts
    rate = 1.0 if adapts else RATES.get(case.optimizer, 3e-3)
    averages = OPTIMIZERS[case.optimizer].averages
    return {
        "pretrained_model_name_or_path": str(base),
        "train_data_dir": str(folder.parent / "dataset"),
        "output_dir": str(folder / "output"),
        "output_name": "cat",
        "trigger_word": "ohwx",
        "num_repeats": 1 if case.accumulation == 1 else 3,
        "max_train_epochs": 2,
        "train_batch_size": 1,
        "gradient_accumulation_steps": case.accumulation,
        "rank": 4,
        "alpha": 2.0,
        "dropout": 0.1,
        "flip_aug": True,
        "caption_dropout_rate": 0.2,
        "optimizer": case.optimizer,
        "lr_scheduler": "constant" if averages else "cosine",
        "learning_rate": rate,
        "text_encoder_lr": rate,
        "cache_latents_to_disk": case.on_disk,
        "ema_decay": 0.9 if "ema" in case.carried and not averages else 0.0,
        "masked_loss": "masks" in case.carried,
        "reg_data_dir": str(folder.parent / "class") if "regularisation" in case.carried else "",
        "save_state_every_n_steps": 1,
        "save_precision": "fp32",
        "source_date_epoch": 1_700_000_000,
        "sample_every_n_epochs": 0,
        "grid": False,
    }


def trained(values: dict[str, Any]) -> None:
    """What the process does that is killed: one thread, as the run that nobody kills."""
    import torch

    from lora_nb.training.train import train

    torch.set_num_threads(1)
    train(make(TrainConfig, **values))


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that begin with everything imported, so that it is training that is killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lora_nb.training.train", "pytorch_optimizer"])
    return context


def killed(context: ForkServerContext, values: dict[str, Any], case: Case) -> int:
    """Kill the run; the steps that it had written."""
    process = context.Process(target=trained, args=(values,))
    process.start()
    while process.is_alive() and steps_of(values) < case.step:
        time.sleep(0.001)
    process.join(case.wait * 0.2)
    process.kill()
    process.join()
    return steps_of(values)


def steps_of(values: dict[str, Any]) -> int:
    """The last step that a run's log tells of."""
    found = list(Path(values["output_dir"]).parent.rglob("metrics.jsonl"))
    lines = found[0].read_text().splitlines() if found else []
    return max((json.loads(line).get("step", 0) for line in lines if line.endswith("}")), default=0)


def left(values: dict[str, Any]) -> dict[str, bytes]:
    files = sorted(Path(values["output_dir"]).glob("*.safetensors"))
    return {path.name: path.read_bytes() for path in files}


def write_masks(folder: Path) -> None:
    for number, path in enumerate(sorted(folder.glob("*.png"))):
        with Image.open(path) as picture:
            mask = Image.new("L", picture.size, 40)
        mask.paste(255, (0, 0, 40 + 5 * number, 60))
        mask.save(folder / f"{path.stem}-masklabel.png")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Paged optimizers")
@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_killed_run_ends_in_equal_bytes(case, tiny_base, tiny_sdxl, processes, make_pictures, tmp_path):
    make_pictures(tmp_path / "cat" / "dataset", 4)
    make_pictures(tmp_path / "cat" / "class", 3, captions=False)
    if "masks" in case.carried:
        write_masks(tmp_path / "cat" / "dataset")
    base = {"SD 1.5": tiny_base, "SDXL": tiny_sdxl}[case.base]
    whole, cut = (settings_of(case, base, tmp_path / "cat" / name) for name in ("whole", "cut"))
    unhurt = processes.Process(target=trained, args=(whole,))
    unhurt.start()
    unhurt.join()
    assert unhurt.exitcode == 0
    reached = killed(processes, cut, case)
    assert case.step <= reached < steps_of(whole), "the kill came too late to tell anything"
    assert reached < 2 or list((tmp_path / "cat").rglob("cut/**/*.state")), "nothing to go on from"
    again = processes.Process(target=trained, args=(cut,))
    again.start()
    again.join()
    assert again.exitcode == 0
    assert list(left(whole)) == ["cat-01.safetensors", "cat-02.safetensors"]
    assert left(cut) == left(whole)
