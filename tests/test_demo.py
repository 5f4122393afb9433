"""The built-in demo: its weights load, draw what is asked and what is recorded, and stay small; no network.

After a new training of the base, `python tests/test_demo.py` records its pictures anew.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lora_nb.bases import stable_files
from lora_nb.bases.models import load_base
from lora_nb.captioning.tagger import tag_images
from lora_nb.config.captioning import TagConfig
from lora_nb.dataset.captions import read_caption, split_tags
from lora_nb.drawing.sample import Prompt, sample_images

DEMO = stable_files.DEMO_FOLDER.parent
ASKED = (
    ("blonde hair", "short hair", "green background"),
    ("purple hair", "long hair", "wavy hair", "aqua background"),
    ("black hair", "bob cut", "pink background"),
    ("green hair", "spiked hair", "yellow background"),
)


RECORDED = Path(__file__).parent / "data" / "demo_pictures.png"
PROMPTS = [
    Prompt(f"1girl, {', '.join(tags)}", seed=seed, steps=16, guidance=5.0)
    for tags in ASKED
    for seed in (1, 2)
]


@pytest.fixture(scope="module")
def demo():
    return load_base("demo")


@pytest.fixture(scope="module")
def pictures(demo):
    return sample_images(demo, PROMPTS)


def test_it_draws_what_is_recorded(pictures):
    """Processors and versions of torch round differently; another model, or another sampler, draws another picture."""
    recorded = np.asarray(Image.open(RECORDED).convert("RGB"), float)
    drawn = np.concatenate([np.asarray(picture, float) for picture in pictures], axis=1)
    difference = np.abs(recorded - drawn).reshape(64, len(PROMPTS), 64, 3).mean((0, 2, 3))
    assert difference.max() < 3, difference.round(1)
    assert np.abs(recorded - np.roll(drawn, 64, axis=1)).mean() > 30


def test_it_draws_what_is_asked(demo, pictures, tmp_path):
    """Eight pictures: at least three quarters of the asked tags are found in them by the tagger."""
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    tag_images(TagConfig(train_data_dir=str(tmp_path), tagger="demo"))
    found = [split_tags(read_caption(tmp_path / f"{number}.png") or "") for number in range(len(pictures))]
    hits = [tag in found[number] for number in range(len(pictures)) for tag in ASKED[number // 2]]
    assert sum(hits) / len(hits) >= 0.75
    assert pictures[0].tobytes() != pictures[1].tobytes()
    assert pictures[0].tobytes() == sample_images(demo, PROMPTS[:1])[0].tobytes()


def test_its_vocabulary_is_clips(demo):
    ids = demo.tokenizer("a photo of a cat").input_ids
    assert ids == [49406, 320, 1125, 539, 320, 2368, 49407]


def test_its_names_are_those_of_sd15(demo):
    assert demo.prediction_type == "epsilon" and demo.vae.config.scaling_factor == 0.18215
    assert demo.unet.get_submodule("down_blocks.0.attentions.0.proj_in").weight.dim() == 4


def test_it_is_small_and_says_whose_work_it_is():
    weights = [path for path in DEMO.rglob("*") if path.suffix in (".safetensors", ".onnx")]
    assert len(weights) == 5 and sum(path.stat().st_size for path in weights) <= 40e6
    assert all(path.stat().st_size <= 2e6 for path in (DEMO / "examples").glob("*.zip"))
    notice = (DEMO / "NOTICE.md").read_text(encoding="utf-8")
    for name in ("Lisa Wischofsky", "Draftbit", "Micah Lanier", "Johan Melin", "Natalia Spivak", "OpenAI"):
        assert name in notice
    assert Path(DEMO / "tagger" / "selected_tags.csv").read_text().splitlines()[1].split(",")[2] == "9"


def record() -> None:
    """Write the pictures that `test_it_draws_what_is_recorded` compares with."""
    drawn = sample_images(load_base("demo"), PROMPTS)
    Image.fromarray(np.concatenate([np.asarray(picture) for picture in drawn], axis=1)).save(RECORDED)


if __name__ == "__main__":
    record()
