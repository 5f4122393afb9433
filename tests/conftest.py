"""What several test modules share: a tiny Stable Diffusion of the real classes, and drawn pictures."""

import json
import os
import random
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

os.environ["HF_HUB_OFFLINE"] = "1"

WORDS = ("photo", "of", "a", "cat", "dog", "house", "red", "blue", "green", "circle", "square", "ohwx")
COLOURS = ("red", "blue", "green")


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder of a random Stable Diffusion 1.5, tiny: VAE factor 4, 64 px, text width 32."""
    folder = tmp_path_factory.mktemp("tiny_base")
    build_tiny_base(folder)
    return folder


@pytest.fixture(scope="session")
def base(tiny_base: Path) -> Any:
    """`tiny_base`, loaded once for tests that leave it as it is."""
    from lora_nb.bases.models import load_base

    return load_base(str(tiny_base))


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder of a random Stable Diffusion XL, tiny: VAE factor 4, 64 px, text widths 32 and 48."""
    from tiny_sdxl import build_tiny_sdxl

    folder = tmp_path_factory.mktemp("tiny_sdxl")
    build_tiny_sdxl(folder)
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Where the dataset of a project lies; nothing is there yet."""
    return tmp_path / "Loras" / "cat" / "dataset"


@pytest.fixture
def small_dataset(dataset: Path) -> Path:
    """A dataset of three pictures, one of them with a caption."""
    dataset.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (64, 48 + number), (90 * number, 20, 20)).save(dataset / f"{number}.png")
    (dataset / "0.txt").write_text("red, square", encoding="utf-8")
    return dataset


@pytest.fixture(scope="session")
def make_pictures() -> Callable[..., list[Path]]:
    """`make_pictures(folder, n, captions=True)` draws n small PNGs and returns their paths."""
    return draw_pictures


@pytest.fixture
def demo_run(dataset: Path) -> Callable[..., Any]:
    """`demo_run(pictures, **settings)`: a run on the demo base, of so many drawn pictures, not begun."""
    from lora_nb.config.training import TrainConfig
    from lora_nb.settings import make

    def planned(pictures: int, size: tuple[int, int] = (80, 72), **values: Any) -> TrainConfig:
        draw_pictures(dataset, pictures, size=size)
        usual = {"trigger_word": "ohwx", "resolution": 64, "output_name": "cat", "allow_demo_base": True}
        usual |= {"pretrained_model_name_or_path": "demo", "train_data_dir": str(dataset)}
        return make(TrainConfig, output_dir=str(dataset.parent / "output"), **usual | values)

    return planned


@pytest.fixture
def old_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that 27f487a left, now the current one, which its relative paths lead from.

    In `Loras/cat`: a dataset with a copy set aside, a finished run "dark" with its grid, and a run "cat" whose job was
    killed at step 9 of 18, with a state of step 8. `base` is the base, `expected` what "cat" would have ended in;
    recipe.py made it.
    """
    folder = tmp_path / "old"
    with zipfile.ZipFile(Path(__file__).parent / "data" / "made_by_27f487a.zip") as archive:
        archive.extractall(folder)
        for each in archive.infolist():
            at = datetime(*each.date_time).timestamp()
            os.utime(folder / each.filename, (at, at))
    monkeypatch.chdir(folder)
    return folder


def draw_pictures(
    folder: Path, n: int, captions: bool = True, size: tuple[int, int] = (80, 72)
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(n):
        chance = random.Random(index)
        colour, shape = chance.choice(COLOURS), chance.choice(("circle", "square"))
        image = Image.new("RGB", size, (chance.randrange(256), chance.randrange(256), chance.randrange(256)))
        left, top = chance.randrange(size[0] // 2), chance.randrange(size[1] // 2)
        side = chance.randrange(16, 40)
        draw = ImageDraw.Draw(image)
        (draw.ellipse if shape == "circle" else draw.rectangle)(
            (left, top, left + side, top + side), fill=colour
        )
        paths.append(folder / f"{index:02d}.png")
        image.save(paths[-1])
        if captions:
            paths[-1].with_suffix(".txt").write_text(f"ohwx, {colour} {shape}, photo", encoding="utf-8")
    return paths


def build_tiny_base(
    folder: Path, prediction_type: str = "epsilon", seed: int = 0, text_layers: int = 3
) -> None:
    """Write the folder of `tiny_base` with weights of `seed`."""
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.set_num_threads(1)
    vocabulary = write_tokenizer(folder / "tokenizer")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        text_config = CLIPTextConfig(
            vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=text_layers,
            num_attention_heads=4, max_position_embeddings=77, hidden_act="quick_gelu", projection_dim=32,
            pad_token_id=1,
            bos_token_id=vocabulary["<|startoftext|>"], eos_token_id=vocabulary["<|endoftext|>"],
        )  # fmt: skip
        CLIPTextModel(text_config).save_pretrained(folder / "text_encoder")
        UNet2DConditionModel(
            sample_size=16, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=32, attention_head_dim=4,
        ).save_pretrained(folder / "unet")  # fmt: skip
        AutoencoderKL(
            block_out_channels=(8, 16, 16), layers_per_block=1, norm_num_groups=8, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 3, sample_size=64,
            up_block_types=("UpDecoderBlock2D",) * 3,
        ).save_pretrained(folder / "vae")  # fmt: skip
    PNDMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1, prediction_type=prediction_type,
    ).save_pretrained(folder / "scheduler")  # fmt: skip
    write_model_index(folder)


def write_model_index(folder: Path) -> None:
    """Say which classes the parts of a Stable Diffusion 1.5 folder are of."""
    classes = {
        "scheduler": ["diffusers", "PNDMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "safety_checker": [None, None], "feature_extractor": [None, None],
    }  # fmt: skip
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.39.0", **classes}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))


def write_tokenizer(folder: Path) -> dict[str, int]:
    """A CLIP tokenizer that knows every byte and the WORDS; returns its vocabulary."""
    letters = list(_byte_letters())
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts[:2] = [parts[0] + parts[1]]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *dict.fromkeys(a + b for a, b in merges)]
    vocabulary = {
        token: i for i, token in enumerate(dict.fromkeys([*tokens, "<|startoftext|>", "<|endoftext|>"]))
    }
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in dict.fromkeys(merges))]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        **special,
        "pad_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return vocabulary


def _byte_letters() -> list[str]:
    """The printable stand-ins of the 256 bytes, as GPT-2 and CLIP write them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
