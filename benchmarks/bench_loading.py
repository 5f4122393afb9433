"""How much memory it takes to load a full-size Stable Diffusion XL, and to take two steps of training with it.

python benchmarks/bench_loading.py FOLDER [steps]     (7 GB in FOLDER, which are left there for the next time)
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HOME = Path(__file__).parents[1]
CHUNK = 8_000_000  # numbers written at a time
GIGA = 1e9
LOAD = (
    "from lora_nb.bases.models import load_base; kept = load_base(sys.argv[1], getattr(torch, sys.argv[2]))"
)
TRAIN = """
from lora_nb.config.training import TrainConfig; from lora_nb.settings import make
from lora_nb.training.train import train
config = make(TrainConfig, pretrained_model_name_or_path=sys.argv[1], train_data_dir=sys.argv[2], resolution=512,
    mixed_precision="bf16", max_train_steps=2, train_batch_size=1, num_repeats=2, gradient_checkpointing=True,
    sample_every_n_epochs=0, grid=False, on_existing="restart", trigger_word="ohwx", output_name="bench")
kept = train(config, lambda event: print(event, file=sys.stderr))
"""
MEASURED = """
import json, sys, threading, time
import torch
peak, begin, over = {{}}, time.perf_counter(), threading.Event()
def watch():
    while not over.wait(0.05):
        for line in open("/proc/self/status"):
            name, _, value = line.partition(":")
            if name in ("VmRSS", "RssAnon", "RssFile"):
                peak[name] = max(peak.get(name, 0), int(value.split()[0]) * 1024)
threading.Thread(target=watch, daemon=True).start()
{code}
peak["seconds"] = time.perf_counter() - begin
over.set()
print(json.dumps(peak))
"""


def write_file(path: Path) -> Path:
    """A single file in fp16 with every weight of the real architecture, each drawn from a normal of 0.02."""
    shapes = full_size_names()
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape, dtype=np.int64))
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    numbers = (np.random.default_rng(0).standard_normal(CHUNK) * 0.02).astype(np.float16).tobytes()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        while end:
            end -= file.write(numbers[: min(end, len(numbers))])
    return path


def full_size_names() -> dict[str, tuple[int, ...]]:
    """The names and shapes of the tensors in a checkpoint, from models without weights."""
    sys.path.insert(0, str(HOME / "tests"))
    from accelerate import init_empty_weights
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    from ldm_layout import sdxl_as_ldm
    from lora_nb.bases.sdxl import IN_A_FILE

    configs = IN_A_FILE.configs
    with init_empty_weights(include_buffers=True):
        models = [
            cls.from_config(cls.load_config(configs / part))
            for cls, part in ((UNet2DConditionModel, "unet"), (AutoencoderKL, "vae"))
        ] + [
            cls(CLIPTextConfig.from_pretrained(configs / part))
            for cls, part in (
                (CLIPTextModel, "text_encoder"),
                (CLIPTextModelWithProjection, "text_encoder_2"),
            )
        ]
    weights = [{name: value.data for name, value in model.named_parameters()} for model in models]
    return {name: tuple(value.shape) for name, value in sdxl_as_ldm(*weights).items()}


def measured(code: str, *arguments: str) -> dict[str, float]:
    """The peaks in bytes, and the seconds, of a process of its own."""
    line = [sys.executable, "-c", MEASURED.format(code=code), *arguments]
    said = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, cwd=HOME)
    return json.loads(said.stdout.splitlines()[-1])


def told(what: str, peak: dict[str, float]) -> str:
    """A line of the table."""
    sizes = " ".join(f"{name} {peak[name] / GIGA:.1f} GB" for name in ("VmRSS", "RssAnon", "RssFile"))
    return f"{what}: {sizes}, {peak['seconds']:.0f} s"


def draw_pictures(folder: Path) -> Path:
    """One picture of 512 px."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((512, 512), 80).convert("RGB").save(folder / "one.png")
    return folder


def main(folder: Path, steps: bool) -> None:
    """Print a line for each way to load the file, which is made where it is not there yet, and for the steps."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sdxl_random_fp16.safetensors"
    if not path.exists():
        begin = time.perf_counter()
        write_file(path)
        print(f"{path.stat().st_size / GIGA:.2f} GB written, {time.perf_counter() - begin:.0f} s", flush=True)
    for dtype in ("float16", "bfloat16"):
        print(told(f"loaded in {dtype}", measured(LOAD, str(path), dtype)), flush=True)
    if steps:
        pictures = draw_pictures(folder / "Loras" / "one" / "dataset")
        print(told("2 steps at 512 px in bfloat16", measured(TRAIN, str(path), str(pictures))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), len(sys.argv) > 2)
