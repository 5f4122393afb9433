"""What a LoRA file says, in words: of this trainer, of others, and of files that are none."""

import pytest
import torch
from finished_run import ABOUT, write_lora
from safetensors.torch import save_file

from lora_nb.results.inspection import inspect


def test_a_file_of_this_trainer_is_told_in_plain_words(tmp_path):
    path = tmp_path / "cat.safetensors"
    write_lora(path, **ABOUT, ss_epoch="2", **{"modelspec.description": "see https://a:geheim@b.c"})
    told = inspect(path).lines
    assert told[0].startswith("cat.safetensors: LoRA of rank 4, 0.0 MB, F16")
    assert "Layers: 1 in the denoiser, 1 in what reads text" in told
    for line in ("Title: My cat", "Author: Anna", "Trigger: ohwx", "Epoch: 2", "Alpha: 2.0"):
        assert line in told
    assert "Tags in its captions: ohwx (6), red (2)" in told and not any("geheim" in line for line in told)
    assert sum("stable-diffusion-v1-5" in line for line in told) == 1


@pytest.mark.parametrize(
    ("names", "kind", "ranks"),
    [
        ({"lora_unet_a.hada_w1_a": (8, 3), "lora_unet_a.hada_w1_b": (3, 8)}, "LoHa", (3,)),
        (
            {"lora_unet_a.lokr_w1": (2, 2), "lora_unet_a.lokr_w2_a": (4, 5), "lora_unet_a.lokr_w2_b": (5, 4)},
            "LoKr",
            (5,),
        ),
        ({"a.lora_down.weight": (2, 4), "a.lora_up.weight": (4, 2), "a.dora_scale": (1, 4)}, "DoRA", (2,)),
        ({"unet.a.lora_A.weight": (2, 4), "unet.a.lora_B.weight": (4, 2)}, "LoRA", (2,)),
        ({"a.lora_down.weight": (2, 4, 3, 3), "a.lora_up.weight": (4, 2, 1, 1)}, "LoCon", (2,)),
    ],
)
def test_every_kind_is_known_and_one_without_metadata_says_so(tmp_path, names, kind, ranks):
    path = tmp_path / "x.safetensors"
    save_file({name: torch.ones(shape) for name, shape in names.items()}, path)
    seen = inspect(path)
    assert (
        seen.kind.startswith(kind) and seen.ranks == ranks and seen.lines[-1] == "It says nothing of itself."
    )


def test_what_is_no_lora_is_one_sentence(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"model.diffusion_model.out.weight": torch.ones(2)}, path)
    with pytest.raises(ValueError, match="holds no LoRA: none of its 1 tensors"):
        inspect(path)
    for content in (b"<html>not found</html>", b"", b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{}"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a readable .safetensors file"):
            inspect(path)
    with pytest.raises(ValueError, match="does not exist"):
        inspect(tmp_path / "none.safetensors")


def test_metadata_that_makes_no_sense_is_passed_over(tmp_path):
    path = tmp_path / "x.safetensors"
    write_lora(path, ss_tag_frequency="[1", **{"modelspec.title": "T"})
    assert inspect(path).lines[-1] == "Title: T"
