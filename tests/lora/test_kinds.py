"""The kinds of network: what each does to a layer, in the model and in the file, and that the two are one."""

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from lora_nb.bases.sd15_parts import load_in_diffusers, parts_of
from lora_nb.config.network import Network
from lora_nb.lora import inject
from lora_nb.lora.kind import ADAPTER, LoraSpec, Shape
from lora_nb.lora.kinds import KINDS
from lora_nb.lora.lora_file import LoraFile, read_lora, write_lora
from lora_nb.lora.shapes import shapes_of

DATA = Path(__file__).parents[1] / "data"
# Each kind with what it is asked for, and by which names a file holds it.
WAYS = {
    "lora": ("lora", {}, "lora_down.weight lora_up.weight"),
    "dora": ("dora", {}, "lora_down.weight lora_up.weight dora_scale"),
    "loha": ("loha", {}, "hada_w1_a hada_w1_b hada_w2_a hada_w2_b"),
    "loha tucker": ("loha", {"use_tucker": True}, "hada_w1_a hada_w1_b hada_w2_a hada_w2_b hada_t1 hada_t2"),
    "lokr": ("lokr", {"factor": 4}, "lokr_w1 lokr_w2_a lokr_w2_b"),
    "lokr both": ("lokr", {"rank": 1, "decompose_both": True}, "lokr_w1_a lokr_w1_b lokr_w2_a lokr_w2_b"),
    "lokr tucker": ("lokr", {"use_tucker": True, "factor": 4}, "lokr_w1 lokr_w2_a lokr_w2_b lokr_t2"),
    "lokr whole": ("lokr", {"rank": 64, "alpha": 3.0}, "lokr_w1 lokr_w2"),
}


class Layers(nn.Module):
    """One of each sort of layer an update goes into."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.linear, self.kernel = nn.Linear(24, 48), nn.Conv2d(24, 32, 3, stride=2, padding=1)
            self.point = nn.Conv2d(32, 24, 1)
        self.requires_grad_(False)

    def inputs(self):
        generator = torch.Generator().manual_seed(4)
        return {
            "linear": torch.randn(2, 5, 24, generator=generator),
            "kernel": torch.randn(2, 24, 8, 8, generator=generator),
            "point": torch.randn(2, 32, 6, 6, generator=generator),
        }

    def answers(self):
        with torch.no_grad():
            return {name: self.get_submodule(name)(x) for name, x in self.inputs().items()}


class OnePart:
    """Layers as the part of a base."""

    name, reads_text, blocks = "layers", False, None

    def __init__(self, model=None):
        self.model = model or Layers()

    def layer_name(self, path):
        return f"lora_unet_{path}"


PATHS = ("linear", "kernel", "point")


def injected(way, **more):
    kind, options, _ = WAYS[way]
    part = OnePart()
    spec = LoraSpec(**({"rank": 2, "alpha": 1.0} | options | more))
    parameters = inject.inject(part.model, PATHS, spec, 1, KINDS[kind])
    return part, parameters


def learnt(parameters, by=0.3):
    """The parameters moved, as a training would, from wherever they stand."""
    generator = torch.Generator().manual_seed(8)
    for parameter in parameters:
        parameter.data += by * torch.randn(parameter.shape, generator=generator)
    return parameters


def close(one, other, atol=1e-5):
    return all(torch.allclose(one[name], other[name], atol=atol, rtol=1e-5) for name in one)


@pytest.mark.parametrize("way", WAYS)
def test_a_fresh_update_changes_nothing_and_is_drawn_from_the_seed(way):
    base, (part, parameters) = Layers().answers(), injected(way)
    answers = part.model.answers()
    assert all(torch.equal(answers[name], base[name]) for name in base)
    assert all(p.requires_grad and p.dtype == torch.float32 for p in parameters)
    torch.manual_seed(77)
    assert all(torch.equal(a, b) for a, b in zip(parameters, injected(way)[1], strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_saved_is_what_is_loaded(way, tmp_path):
    """Same tensors, same answers, in another model that is given the file alone, and in one that held another update."""
    part, parameters = injected(way)
    learnt(parameters)
    path = tmp_path / "x.safetensors"
    write_lora(path, LoraFile(inject.modules([part]), {}), torch.float32)
    names = {key.partition(".")[0]: set() for key in load_file(path)}
    for key in load_file(path):
        names[key.partition(".")[0]].add(key.partition(".")[2])
    wanted = set(WAYS[way][2].split())
    assert set(names) == {f"lora_unet_{name}" for name in PATHS}
    assert names["lora_unet_kernel"] == wanted | {"alpha"}
    assert all(found - {"alpha"} <= wanted for found in names.values())
    fresh = OnePart()
    inject.apply([fresh], read_lora(path))
    assert close(fresh.model.answers(), part.model.answers())
    held = injected(way)[0]
    inject.load([held], read_lora(path))
    assert close(held.model.answers(), part.model.answers())
    again = inject.modules([fresh])
    for name, module in inject.modules([part]).items():
        assert again[name].alpha == module.alpha
        assert all(torch.equal(again[name].tensors[key], values) for key, values in module.tensors.items())


@pytest.mark.parametrize("way", WAYS)
def test_strength_is_a_share_of_the_whole_change(way):
    """Half of it at 0.5, nothing at 0: a DoRA's too, whose product within the norms would not be."""
    base, (part, parameters) = Layers().answers(), injected(way)
    learnt(parameters)
    whole = part.model.answers()
    for strength in (0.5, -1.0, 1.0):
        inject.set_strength([part], strength)
        now = part.model.answers()
        for name in base:
            wanted = base[name] + strength * (whole[name] - base[name])
            assert torch.allclose(now[name], wanted, atol=1e-5)
            assert (now[name] - base[name]).abs().max() > 1e-3
    inject.set_strength([part], 0.0)
    assert all(torch.equal(part.model.answers()[name], base[name]) for name in base)


def by_the_layout(parts, weight):
    """The dense change that ComfyUI and A1111 compute of a layer's tensors (data.md B1), written from their rules."""
    alpha, w1, w2 = parts["alpha"].item(), None, None
    if "lora_down.weight" in parts:
        down, up = parts["lora_down.weight"], parts["lora_up.weight"]
        change = (up.flatten(1) @ down.flatten(1)).reshape(weight.shape) * alpha / down.shape[0]
        if "dora_scale" not in parts:
            return change
        merged = weight + change
        lengths = merged.transpose(0, 1).reshape(merged.shape[1], -1).norm(dim=1, keepdim=True)
        lengths = lengths.reshape(merged.shape[1], *[1] * (merged.dim() - 1)).transpose(0, 1)
        return merged * (parts["dora_scale"] / lengths) - weight
    tucker = "i j k l, j r, i p -> p r k l"
    if "hada_w1_a" in parts:
        halves = []
        for n in (1, 2):
            a, b = parts[f"hada_w{n}_a"], parts[f"hada_w{n}_b"]
            t = parts.get(f"hada_t{n}")
            halves.append(a @ b if t is None else torch.einsum(tucker, t, b, a))
        return (halves[0] * halves[1]).reshape(weight.shape) * alpha / parts["hada_w1_b"].shape[0]
    rank = None
    w1, w2 = parts.get("lokr_w1"), parts.get("lokr_w2")
    if w1 is None:
        w1, rank = parts["lokr_w1_a"] @ parts["lokr_w1_b"], parts["lokr_w1_b"].shape[0]
    if w2 is None:
        a, b, rank = parts["lokr_w2_a"], parts["lokr_w2_b"], parts["lokr_w2_b"].shape[0]
        w2 = torch.einsum(tucker, parts["lokr_t2"], b, a) if "lokr_t2" in parts else a @ b
    if w2.dim() == 4:
        w1 = w1[:, :, None, None]
    return torch.kron(w1, w2.contiguous()).reshape(weight.shape) * (alpha / rank if rank else 1.0)


@pytest.mark.parametrize("way", WAYS)
def test_a_file_means_what_comfyui_and_a1111_make_of_it(way, tmp_path):
    part, parameters = injected(way)
    learnt(parameters)
    path = tmp_path / "x.safetensors"
    write_lora(path, LoraFile(inject.modules([part]), {}), torch.float32)
    found, plain = load_file(path), Layers()
    for name in PATHS:
        own = {
            key.partition(".")[2]: values
            for key, values in found.items()
            if key.startswith(f"lora_unet_{name}.")
        }
        layer = plain.get_submodule(name)
        change = by_the_layout(own, layer.weight)
        assert change.abs().max() > 1e-3
        assert torch.allclose(
            read_lora(path).modules[f"lora_unet_{name}"].change(layer.weight), change, atol=1e-5
        )
        layer.weight += change
    assert close(plain.answers(), part.model.answers(), atol=2e-5)


@pytest.mark.parametrize("way", WAYS)
def test_half_precision_bases_learn_in_full_precision(way):
    """Under autocast: the answer keeps the model's numbers, every weight has a float32 gradient."""
    kind, options, _ = WAYS[way]
    part = OnePart(Layers().to(torch.bfloat16))
    spec = LoraSpec(**({"rank": 2, "alpha": 1.0} | options))
    parameters = learnt(inject.inject(part.model, PATHS, spec, 1, KINDS[kind]))
    part.model.train()
    with torch.autocast("cpu", torch.bfloat16):
        answers = {
            name: part.model.get_submodule(name)(x.bfloat16()) for name, x in part.model.inputs().items()
        }
    sum(answer.float().square().sum() for answer in answers.values()).backward()
    assert {answer.dtype for answer in answers.values()} == {torch.bfloat16}
    assert all(p.grad.dtype == torch.float32 and p.grad.count_nonzero() for p in parameters)


@pytest.mark.parametrize("way", WAYS)
def test_a_file_is_drawn_in_half_precision(way):
    """As the proof and the pictures on a GPU are, without autocast: within what bfloat16 can tell."""
    part, parameters = injected(way)
    learnt(parameters)
    half = OnePart(Layers().to(torch.bfloat16))
    inject.apply([half], LoraFile(inject.modules([part]), {}))
    inject.set_strength([half], 0.7)
    inject.set_strength([part], 0.7)
    wanted, base = part.model.answers(), Layers().answers()
    for name, x in part.model.inputs().items():
        answer = half.model.get_submodule(name)(x.bfloat16())
        assert answer.dtype == torch.bfloat16
        change, error = (
            each.norm().item() for each in (wanted[name] - base[name], answer.float() - wanted[name])
        )
        assert error < 0.02 * (change + base[name].norm())


def test_doras_magnitude_is_the_papers_and_pefts_is_of_the_outputs():
    """The paper's column norms; a file with magnitudes of the outputs (LyCORIS, peft) does what peft's own layer does."""
    part, _ = injected("dora")
    layer = part.model.linear
    columns = layer.get_base_layer().weight.norm(dim=0)
    assert torch.allclose(layer.lora_magnitude_vector[ADAPTER].weight, columns[None])
    theirs = Layers()
    config = LoraConfig(r=2, lora_alpha=1.0, target_modules=list(PATHS), use_dora=True)
    inject_adapter_in_model(config, theirs, ADAPTER)
    modules = {}
    for name in PATHS:
        peft = theirs.get_submodule(name)
        magnitude = peft.lora_magnitude_vector[ADAPTER].weight
        learnt([peft.lora_A[ADAPTER].weight, peft.lora_B[ADAPTER].weight, magnitude])
        own = peft.get_base_layer().weight
        shape = (own.shape[0], *[1] * (own.dim() - 1))
        modules[f"lora_unet_{name}"] = type(inject.modules([part])["lora_unet_linear"])(
            peft.lora_A[ADAPTER].weight, peft.lora_B[ADAPTER].weight, 1.0, magnitude.detach().view(shape)
        )
    ours = OnePart()
    inject.apply([ours], LoraFile(modules, {}))
    assert close(ours.model.answers(), theirs.answers())
    back = inject.modules([ours])
    assert all(torch.equal(back[name].magnitude, module.magnitude) for name, module in modules.items())


def test_a_layers_own_rank_and_alpha_are_its_own():
    shapes = {"kernel": Shape(3, 6.0), "point": Shape(1, 4.0)}
    for way in ("lora", "dora", "loha", "lokr"):
        found = inject.modules([injected(way, shapes=shapes)[0]])
        assert [found[f"lora_unet_{name}"].scale for name in PATHS] == [0.5, 2.0, 4.0]


def full_size():
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768, sample_size=64, attention_head_dim=8)
        config = CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768
        )  # fmt: skip
        return parts_of(unet, CLIPTextModel(config))


def test_locon_in_the_full_size_sd15_has_kohyas_names():
    """Names and shapes of all 350 layers, on the meta device, against the list measured from sd-scripts."""
    parts, network = full_size(), Network(rank=8, alpha=4.0, conv_rank=4, conv_alpha=2.0)
    with torch.device("meta"):
        for part in parts:
            shapes = shapes_of(part, network)
            others = {path: shape for path, shape in shapes.items() if shape.rank != 8}
            inject.inject(part.model, shapes, LoraSpec(8, 4.0, shapes=others), 1)
    ours = {
        f"{name}\tdown{tuple(module.down.shape)}\tup{tuple(module.up.shape)}\talpha={module.alpha}"
        for name, module in inject.modules(parts).items()
    }
    wanted = set((DATA / "keys_sd15_locon_r8c4.tsv").read_text().splitlines())
    assert len(wanted) == 350 and ours == wanted


@torch.no_grad()
def predict(unet, text_encoder):
    hidden = text_encoder(torch.arange(77)[None] % 50).last_hidden_state
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    return unet(latents, 500, hidden).sample


def test_a_locon_file_does_in_diffusers_what_it_does_here(tiny_base, tmp_path):
    ours = StableDiffusionPipeline.from_pretrained(tiny_base, safety_checker=None)
    parts, network = parts_of(ours.unet, ours.text_encoder), Network(rank=4, conv_rank=2)
    for part in parts:
        shapes = shapes_of(part, network)
        others = {path: shape for path, shape in shapes.items() if shape.rank != 4}
        learnt(inject.inject(part.model, shapes, LoraSpec(4, 8.0, shapes=others), 1), 0.1)
    path = tmp_path / "x-01.safetensors"
    write_lora(path, LoraFile(inject.modules(parts), {}), torch.float32)
    theirs = StableDiffusionPipeline.from_pretrained(tiny_base, safety_checker=None)
    base = predict(theirs.unet, theirs.text_encoder)
    load_in_diffusers(theirs, path, "x")
    now = predict(theirs.unet, theirs.text_encoder)
    assert torch.allclose(now, predict(ours.unet, ours.text_encoder), atol=1e-4)
    assert not torch.allclose(now, base, atol=1e-2)
    layers = [name for name, layer in theirs.unet.named_modules() if hasattr(layer, "lora_A")]
    assert any("resnets" in name and name.endswith("conv1") for name in layers)
    assert any("samplers" in name for name in layers)
