"""The proof that a finished file works, and what fails it."""

import pytest
import torch

from lora_nb.bases.models import load_base
from lora_nb.bases.sd15_parts import parts_of, unet_targets
from lora_nb.lora import inject
from lora_nb.lora.lora_file import LoraFile, write_lora
from lora_nb.lora.updates import LoraModule
from lora_nb.training.verify import prove


@pytest.fixture
def save(tiny_base, tmp_path):
    def write(up):
        base = load_base(str(tiny_base))
        inject.inject(base.unet, unet_targets(base.unet), inject.LoraSpec(2, 2.0), seed=0)
        modules = {
            name: LoraModule(m.down, up(m.up), m.alpha)
            for name, m in inject.modules(parts_of(base.unet, base.text_encoder)).items()
        }
        path = tmp_path / "x-01.safetensors"
        write_lora(path, LoraFile(modules, {}), torch.float32)
        return path

    return write


def test_a_working_file_is_said_to_work(save, tiny_base):
    sentence = prove(save(lambda up: torch.ones_like(up) * 0.1), load_base(str(tiny_base)), "a cat", 1)
    assert sentence.startswith(
        "x-01.safetensors was read back by diffusers and changes the model's answer by "
    )


@pytest.mark.parametrize(
    ("up", "words"),
    [
        (torch.zeros_like, "changes nothing"),
        (lambda up: up * float("nan"), "NaN"),
        (lambda up: torch.full_like(up, 1e30), "NaN|diverged"),
    ],
)
def test_a_file_that_does_not_work_is_never_called_done(save, tiny_base, up, words):
    with pytest.raises(ValueError, match=words):
        prove(save(up), load_base(str(tiny_base)), "a cat", 1)
