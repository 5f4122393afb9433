"""The files a run leaves, keeps and sets aside."""

import pytest
import torch

from lora_nb.lora.lora_file import LoraFile, write_lora
from lora_nb.lora.updates import LoraModule
from lora_nb.training import checkpoints


def write(path, up):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_lora(path, LoraFile({"lora_unet_x": LoraModule(torch.ones(2, 3), up, 2.0)}, {}), torch.float32)
    return path


def test_a_file_is_known_to_do_something_or_to_be_broken(tmp_path):
    assert checkpoints.has_changed_anything(write(tmp_path / "a.safetensors", torch.ones(3, 2)))
    assert not checkpoints.has_changed_anything(write(tmp_path / "b.safetensors", torch.zeros(3, 2)))
    with pytest.raises(ValueError, match="c.safetensors holds NaN .* lora_unet_x"):
        checkpoints.has_changed_anything(write(tmp_path / "c.safetensors", torch.full((3, 2), float("nan"))))


def some_files(folder, *names):
    for name in names:
        write(folder / f"{name}.safetensors", torch.ones(3, 2))
        for ending in ("json", "png"):
            (folder / f"{name}.{ending}").write_bytes(b"x")


def names_in(folder):
    return sorted(path.stem for path in folder.glob("*.safetensors"))


def test_only_numbered_files_of_this_name_are_dropped(tmp_path):
    some_files(tmp_path, "cat-01", "cat-02", "cat-03", "cat-step000005", "cat2-01", "my-cat-01")
    assert checkpoints.drop_old(tmp_path, "cat", 0) == "" and len(list(tmp_path.iterdir())) == 18
    assert checkpoints.drop_old(tmp_path, "cat", 2) == ""
    assert names_in(tmp_path) == ["cat-02", "cat-03", "cat-step000005", "cat2-01", "my-cat-01"]
    assert not (tmp_path / "cat-01.json").exists() and not (tmp_path / "cat-01.png").exists()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:50]), "not a readable .safetensors"),
        (lambda path: path.write_bytes(b""), "not a readable .safetensors"),
        (lambda path: write(path, torch.full((3, 2), float("nan"))), "NaN"),
        (lambda path: write(path, torch.zeros(3, 2)), "changes nothing"),
    ],
    ids=["cut", "empty", "nan", "zero"],
)
def test_none_is_dropped_before_the_newest_is_sound(tmp_path, damage, says):
    some_files(tmp_path, "cat-01", "cat-02", "cat-03")
    damage(tmp_path / "cat-03.safetensors")
    said = checkpoints.drop_old(tmp_path, "cat", 1)
    assert says in said and "so the older files stay, although save_last_n_epochs = 1" in said
    assert names_in(tmp_path) == ["cat-01", "cat-02", "cat-03"] and len(list(tmp_path.iterdir())) == 9


def test_a_file_stands_when_it_is_sound_and_of_this_run(tmp_path):
    path = tmp_path / "a.safetensors"
    assert not checkpoints.stands(path, {})
    modules = {"lora_unet_x": LoraModule(torch.ones(2, 3), torch.ones(3, 2), 2.0)}
    write_lora(path, LoraFile(modules, {"ss_steps": "3"}), torch.float32)
    assert not checkpoints.stands(path, {"ss_steps": "3"}), "its sidecar is missing"
    path.with_suffix(".json").write_text("{}")
    assert checkpoints.stands(path, {"ss_steps": "3"}) and not checkpoints.stands(path, {"ss_steps": "4"})
    path.write_bytes(path.read_bytes()[:-1])
    assert not checkpoints.stands(path, {"ss_steps": "3"})
