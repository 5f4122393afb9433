"""The files a run leaves, keeps and sets aside."""

import pytest
import torch

from lora_nb import checkpoints
from lora_nb.lora_file import LoraFile, LoraModule, write_lora


def write(path, up):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_lora(path, LoraFile({"lora_unet_x": LoraModule(torch.ones(2, 3), up, 2.0)}, {}), torch.float32)
    return path


def test_a_file_is_known_to_do_something_or_to_be_broken(tmp_path):
    assert checkpoints.has_changed_anything(write(tmp_path / "a.safetensors", torch.ones(3, 2)))
    assert not checkpoints.has_changed_anything(write(tmp_path / "b.safetensors", torch.zeros(3, 2)))
    with pytest.raises(ValueError, match="c.safetensors holds NaN .* lora_unet_x"):
        checkpoints.has_changed_anything(write(tmp_path / "c.safetensors", torch.full((3, 2), float("nan"))))


def test_only_numbered_files_of_this_name_are_dropped(tmp_path):
    for name in ("cat-01", "cat-02", "cat-03", "cat-step000005", "cat2-01", "my-cat-01"):
        for ending in ("safetensors", "json", "png"):
            (tmp_path / f"{name}.{ending}").write_bytes(b"x")
    checkpoints.drop_old(tmp_path, "cat", 0)
    assert len(list(tmp_path.iterdir())) == 18
    checkpoints.drop_old(tmp_path, "cat", 2)
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "cat-02.safetensors",
        "cat-03.safetensors",
        "cat-step000005.safetensors",
        "cat2-01.safetensors",
        "my-cat-01.safetensors",
    ]
    assert not (tmp_path / "cat-01.json").exists() and not (tmp_path / "cat-01.png").exists()
