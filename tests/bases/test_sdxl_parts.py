"""Where an update goes in a Stable Diffusion XL, by kohya's names."""

from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from lora_nb.bases import sd15, sd15_parts, sdxl, sdxl_parts
from lora_nb.bases.models import load_base
from lora_nb.lora import inject
from lora_nb.lora.lora_file import LoraFile, read_lora, write_lora
from lora_nb.lora.updates import LoraModule

DATA = Path(__file__).parents[1] / "data"
CONFIGS = {"sd15": sd15.IN_A_FILE.configs, "sdxl": sdxl.IN_A_FILE.configs}


@pytest.fixture(scope="module", params=["sd15", "sdxl"])
def full_size(request):
    """The family, and the parts of the real architecture without any weights."""
    configs = CONFIGS[request.param]
    with init_empty_weights():
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(configs / "unet"))
        first = CLIPTextModel(CLIPTextConfig.from_pretrained(configs / "text_encoder"))
        if request.param == "sd15":
            return "sd15", sd15_parts.parts_of(unet, first)
        second = CLIPTextModelWithProjection(CLIPTextConfig.from_pretrained(configs / "text_encoder_2"))
        return "sdxl", sdxl_parts.parts_of(unet, first, second)


@pytest.mark.parametrize("kind", ["lora", "locon"])
def test_names_and_shapes_of_every_layer_are_kohyas(full_size, kind):
    """986 and 1,052 layers of SDXL, 264 and 350 of SD 1.5, against the lists measured from sd-scripts."""
    family, parts = full_size
    counts = {"sd15": (264, 350), "sdxl": (986, 1052)}
    wanted = set((DATA / f"keys_{family}_{kind}_r8{'c4' * (kind == 'locon')}.tsv").read_text().splitlines())
    assert len(wanted) == counts[family][kind == "locon"]
    assert {line for part in parts for line in lines(part, kind)} == wanted


def lines(part, kind):
    targets = part.targets(part.model) + (part.more_targets(part.model) if kind == "locon" else [])
    assert len(targets) == len(set(targets))
    for path in targets:
        weight = part.model.get_submodule(path).weight
        out, inner, *kernel = weight.shape
        rank = 4 if kernel and kernel != [1, 1] else 8
        flat = [1] * len(kernel)
        down, up = (rank, inner, *kernel), (out, rank, *flat)
        yield f"{part.layer_name(path)}\tdown{down}\tup{up}\talpha={rank / 2}"


@pytest.fixture
def base(tiny_sdxl):
    return load_base(str(tiny_sdxl))


def random_update(base, other_names=False):
    unet = base.parts[0]
    names = {
        unet.layer_name(path): "lora_unet_" + path.replace(".", "_") for path in unet.targets(unet.model)
    }
    for part in base.parts:
        inject.inject(part.model, part.targets(part.model), inject.LoraSpec(4, 2.0), 1)
    chance = torch.Generator().manual_seed(5)
    modules = {
        name: LoraModule(m.down, torch.randn(m.up.shape, generator=chance) * 0.3, m.alpha)
        for name, m in inject.modules(base.parts).items()
    }
    if other_names:
        modules = {names.get(name, name): module for name, module in modules.items()}
    return LoraFile(modules, {})


@torch.no_grad()
def answer(base):
    from test_sdxl import FRAMINGS

    noisy = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    return base.predict(noisy, torch.tensor([500]), base.encode(["a cat"], 1, 75), FRAMINGS[1:])


@pytest.mark.parametrize("other_names", [False, True])
def test_a_file_does_here_what_it_does_in_diffusers(base, tiny_sdxl, tmp_path, other_names):
    """In kohya's names, and with those that diffusers has for the U-Net, which other programs write."""
    path = tmp_path / "x-01.safetensors"
    write_lora(path, random_update(base, other_names), torch.float32)
    ours, theirs = load_base(str(tiny_sdxl)), load_base(str(tiny_sdxl))
    names = {part.layer_name(layer) for part in ours.parts for layer in part.targets(part.model)}
    assert (set(read_lora(path).modules) == names) is not other_names
    before = answer(theirs)
    inject.apply(ours.parts, read_lora(path))
    theirs.load_update(theirs.pipeline(), path, "x")
    found = answer(ours)
    assert (found - before).norm() > 0.05 * before.norm()
    assert torch.allclose(found, answer(theirs), atol=1e-5)
    for text_alone in (ours.text_encoder, ours.text_encoder_2):
        assert any("lora" in name for name, _ in text_alone.named_parameters())
