"""How near the forecast of memory is: real runs in processes of their own, their peak beside what was forecast.

python benchmarks/bench_memory.py FOLDER [plan ...]     (some GB of random bases in FOLDER, which are left there)

On a machine with a CUDA device the peak is what torch reserved there and the driver's context; else the process's
resident memory (ru_maxrss).
"""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = Path(__file__).parents[1]
PACKAGE = HOME / "lora_nb"
RUN = """
import json, os, resource, sys, threading
from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.events import Progress
peak, now, over = {}, ["begin"], threading.Event()
def watch():
    while not over.wait(0.02):
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        peak[now[0]] = max(peak.get(now[0], 0), used)
threading.Thread(target=watch, daemon=True).start()
def tell(event):
    now[0] = event.stage if isinstance(event, Progress) else type(event).__name__
    if now[0] == "Encoding pictures" and event.done == event.total:
        now[0] = "first step"
from lora_nb.training.train import train
import torch
print(train(settings.from_dict(TrainConfig, json.loads(sys.argv[1])), tell).text, file=sys.stderr)
over.set()
peak["all"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
if torch.cuda.is_available():
    free, total = torch.cuda.mem_get_info()
    peak["cuda"] = torch.cuda.max_memory_reserved() + (total - free - torch.cuda.memory_reserved())
    peak["cuda allocated"] = torch.cuda.max_memory_allocated()
print(json.dumps(peak))
"""


@dataclass(frozen=True)
class Case:
    """A plan to be measured: the base it is of, and its settings."""

    base: str
    settings: dict[str, Any]


BASES = {
    "half": ("sd15", {"block_out_channels": [160, 320, 640, 640]}),
    "sd15": ("sd15", {}),
    "xl": ("sdxl", {"block_out_channels": [160, 320, 640], "attention_head_dim": [5, 10, 20]}),
    "sdxl": ("sdxl", {}),
}
ON_CPU = {
    "demo": Case("demo", {"resolution": 64, "train_batch_size": 4}),
    "half-256-b2": Case("half", {"resolution": 256, "train_batch_size": 2}),
    "half-512-checkpointing": Case(
        "half", {"resolution": 512, "train_batch_size": 1, "gradient_checkpointing": True}
    ),
    "half-384-bf16-r128": Case(
        "half", {"resolution": 384, "mixed_precision": "bf16", "rank": 128, "alpha": 64.0}
    ),
    "sd15-256-b1-no-text": Case("sd15", {"resolution": 256, "train_batch_size": 1, "text_encoder_lr": 0.0}),
    "xl-512-b1-ema": Case("xl", {"resolution": 512, "train_batch_size": 1, "ema_decay": 0.99}),
    "half-320-b3-locon-prodigy": Case(
        "half",
        {
            "resolution": 320,
            "train_batch_size": 3,
            "conv_rank": 16,
            "optimizer": "Prodigy",
            "learning_rate": 1.0,
            "text_encoder_lr": 1.0,
        },
    ),
    "sd15-320-b2-bf16-text": Case(
        "sd15", {"resolution": 320, "train_batch_size": 2, "mixed_precision": "bf16"}
    ),
    "half-512-b2-loha-checkpointing": Case(
        "half",
        {"resolution": 512, "train_batch_size": 2, "network_type": "loha", "gradient_checkpointing": True},
    ),
    "xl-384-b2-bf16-no-text": Case(
        "xl", {"resolution": 384, "train_batch_size": 2, "mixed_precision": "bf16", "text_encoder_lr": 0.0}
    ),
    "half-448-b1-preserved-8bit": Case(
        "half",
        {"resolution": 448, "train_batch_size": 1, "diff_output_preservation": 1.0, "optimizer": "AdamW8bit"},
    ),
    "half-384-b1-lokr-blank": Case(
        "half",
        {"resolution": 384, "train_batch_size": 1, "network_type": "lokr", "blank_prompt_preservation": 1.0},
    ),
    "half-320-b4-lion-checkpointing": Case(
        "half",
        {"resolution": 320, "train_batch_size": 4, "optimizer": "Lion", "gradient_checkpointing": True},
    ),
    "half-384-b2-dora-bf16": Case(
        "half",
        {"resolution": 384, "train_batch_size": 2, "network_type": "dora", "mixed_precision": "bf16"},
    ),
    "half-256-b4-samples": Case(
        "half",
        {
            "resolution": 256,
            "train_batch_size": 4,
            "optimizer": "Adafactor",
            "sample_prompts": ["ohwx cat --s 2"],
            "sample_every_n_epochs": 1,
        },
    ),
    "half-512-b1-locon-ema": Case(
        "half", {"resolution": 512, "train_batch_size": 1, "conv_rank": 8, "ema_decay": 0.99}
    ),
    "sd15-384-b1-checkpointing": Case(
        "sd15", {"resolution": 384, "train_batch_size": 1, "gradient_checkpointing": True}
    ),
    # The forecast's constants were measured on all those above; the next were written down before their first run.
    "xl-512-b2-checkpointing-no-text": Case(
        "xl",
        {"resolution": 512, "train_batch_size": 2, "gradient_checkpointing": True, "text_encoder_lr": 0.0},
    ),
    "half-320-b2-lokr-bf16": Case(
        "half",
        {"resolution": 320, "train_batch_size": 2, "network_type": "lokr", "mixed_precision": "bf16"},
    ),
    "half-448-b2-checkpointing-prodigy": Case(
        "half",
        {
            "resolution": 448,
            "train_batch_size": 2,
            "gradient_checkpointing": True,
            "optimizer": "Prodigy",
            "learning_rate": 1.0,
            "text_encoder_lr": 1.0,
        },
    ),
    "half-256-b6-locon-no-text": Case(
        "half", {"resolution": 256, "train_batch_size": 6, "conv_rank": 8, "text_encoder_lr": 0.0}
    ),
    "sd15-256-b2-loha": Case("sd15", {"resolution": 256, "train_batch_size": 2, "network_type": "loha"}),
}
ON_GPU = {
    "sd15-512-b2": Case("sd15", {"resolution": 512, "train_batch_size": 2}),
    "sd15-512-b4-fp16": Case("sd15", {"resolution": 512, "train_batch_size": 4, "mixed_precision": "fp16"}),
    "sd15-768-b1-no": Case("sd15", {"resolution": 768, "train_batch_size": 1, "mixed_precision": "no"}),
    "sd15-512-b2-checkpointing": Case("sd15", {"resolution": 512, "gradient_checkpointing": True}),
    "sdxl-1024-b1": Case("sdxl", {"resolution": 1024, "train_batch_size": 1, "text_encoder_lr": 0.0}),
    "sdxl-1024-b1-checkpointing": Case(
        "sdxl", {"resolution": 1024, "train_batch_size": 1, "text_encoder_lr": 0.0, "gradient_checkpointing": True}
    ),
}  # fmt: skip


def build(name: str, folder: Path) -> Path:
    """A diffusers folder of random weights, in the numbers such bases come in: float32, or float16 for XL."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    kind, other = BASES[name]
    if (folder / "model_index.json").is_file():
        return folder
    dtype = torch.float16 if kind == "sdxl" else torch.float32
    source = PACKAGE / kind
    shutil.copytree(source / "scheduler", folder / "scheduler", dirs_exist_ok=True)
    for part, cls in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
        said = json.loads((source / part / "config.json").read_text()) | (other if part == "unet" else {})
        _filled(cls.from_config, said, dtype).save_pretrained(folder / part)
    texts = ["text_encoder"] + ["text_encoder_2"] * (kind == "sdxl")
    for part in texts:
        cls = CLIPTextModelWithProjection if part == "text_encoder_2" else CLIPTextModel
        _filled(cls, CLIPTextConfig.from_pretrained(source / part), dtype).save_pretrained(folder / part)
    for part in ["tokenizer"] + ["tokenizer_2"] * (kind == "sdxl"):
        shutil.copytree(PACKAGE / "sd15" / "tokenizer", folder / part, dirs_exist_ok=True)
    _index(folder, kind, texts)
    return folder


def _filled(make: Any, config: Any, dtype: Any) -> Any:
    import torch

    with torch.device("meta"):
        model = make(config)
    model = model.to(dtype).to_empty(device="cpu")
    for value in model.state_dict().values():
        value.normal_(0, 0.02) if value.is_floating_point() else value.zero_()
    return model


def _index(folder: Path, kind: str, texts: list[str]) -> None:
    pipeline = "StableDiffusionXLPipeline" if kind == "sdxl" else "StableDiffusionPipeline"
    found = {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    found |= {
        part: ["transformers", "CLIPTextModelWithProjection" if part[-1] == "2" else "CLIPTextModel"]
        for part in texts
    }
    found |= {part.replace("text_encoder", "tokenizer"): ["transformers", "CLIPTokenizer"] for part in texts}
    found["scheduler"] = ["diffusers", "PNDMScheduler"]
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline, **found}))


def pictures(folder: Path, side: int = 512) -> Path:
    """Six drawn pictures with captions."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(6):
        chance = np.random.default_rng(number)
        Image.fromarray(chance.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(
            folder / f"{number}.png"
        )
        (folder / f"{number}.txt").write_text("ohwx cat, a photo, outdoors")
    return folder


def measure(name: str, case: Case, work: Path) -> tuple[dict[str, int], dict[str, Any]]:
    """The peaks of a run of three steps, by stage, and its settings."""
    base = "demo" if case.base == "demo" else str(build(case.base, work / case.base))
    values = {
        "pretrained_model_name_or_path": base, "allow_demo_base": True, "max_train_steps": 3, "num_repeats": 1,
        "train_data_dir": str(pictures(work / "Loras" / "bench" / "dataset")), "output_name": name,
        "output_dir": str(work / "Loras" / "bench" / "output"), "grid": False, "sample_every_n_epochs": 0,
        "trigger_word": "ohwx", "on_existing": "restart", **case.settings,
    }  # fmt: skip
    line = [sys.executable, "-c", RUN, json.dumps(values)]
    said = subprocess.run(line, capture_output=True, text=True, cwd=HOME)
    if said.returncode:
        raise SystemExit(f"{name}: {said.stderr[-1500:]}")
    return json.loads(said.stdout.splitlines()[-1]), values


def main(work: Path, names: list[str]) -> None:
    """Print a row for each plan: forecast, measured, how far off."""
    import torch

    from lora_nb import settings
    from lora_nb.config.training import TrainConfig
    from lora_nb.training import forecast_memory
    from lora_nb.training.plan import plan_run

    gpu = torch.cuda.is_available()
    cases = ON_GPU if gpu else ON_CPU
    device = "gpu" if gpu else "ram"
    for name in names or cases:
        peaks, values = measure(name, cases[name], work)
        precision = values.get("mixed_precision", "bf16" if gpu else "no")
        need = forecast_memory.forecast(plan_run(settings.from_dict(TrainConfig, values)), precision, gpu)
        got, said = (peaks["cuda"], need.gpu) if gpu else (peaks["all"], need.resident)
        print(
            f"{name:28} {said / 1e9:6.2f} {got / 1e9:6.2f} GB {said / got - 1:+.1%}  {need.largest(device)}"
        )
        print("   ", {key: round(value / 1e9, 2) for key, value in peaks.items()}, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
