"""Copies by the vectors of a network: the real classes, at tiny size or with weights that were never trained."""

import pytest
import torch
import torchvision
from PIL import ImageOps
from test_curate import names, photo
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from lora_nb.config.pictures import CurateConfig
from lora_nb.pictures import curate, embeddings


@pytest.fixture
def dataset(tmp_path):
    dataset = tmp_path / "cat" / "dataset"
    dataset.mkdir(parents=True)
    for seed in range(3):
        photo(seed).save(dataset / f"{seed}.png")
    photo(1).resize((200, 200)).save(dataset / "copy.jpg", quality=90)
    (dataset / "cut.png").write_bytes(b"\x89PNG nothing more")
    return dataset


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A vision model that was never trained: pictures that are nearly the same are nearly the same to it."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32,
        patch_size=8, projection_dim=16,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    return folder


def test_a_vision_model_finds_copies_and_names_broken_files(dataset, tiny):
    paths = sorted(dataset.iterdir())
    looks, vectors, broken = embeddings.embed(paths, "clip", str(tiny))
    assert vectors.shape == (4, 16) and [one.path.name for one in broken] == ["cut.png"]
    assert (vectors**2).sum(axis=1) == pytest.approx([1] * 4, abs=1e-4)
    likeness = vectors @ vectors.T
    by_name = {look.path.name: number for number, look in enumerate(looks)}
    copy = likeness[by_name["1.png"], by_name["copy.jpg"]]
    others = [likeness[by_name["copy.jpg"], by_name[name]] for name in ("0.png", "2.png")]
    least = float((copy + max(others)) / 2)
    config = CurateConfig(str(dataset), method="clip", embedder=str(tiny), min_similarity_threshold=least)
    (cluster,) = curate.find_duplicates(config)
    assert names([cluster]) == [("1.png", ["copy.jpg"])]
    assert cluster.copies[0].how == f"{copy:.2f} alike to a network"
    found = embeddings.find(vectors, least).distances
    assert sum(found.counts) == 6 and found.threshold == least


def test_imagededups_own_network_is_asked(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = torchvision.models.MobileNet_V3_Small_Weights.IMAGENET1K_V1
    place = tmp_path / "hub" / "checkpoints"
    place.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(torchvision.models.mobilenet_v3_small().state_dict(), place / weights.url.rpartition("/")[2])
    ImageOps.mirror(photo(0)).save(dataset / "m.png")
    looks, vectors, _ = embeddings.embed(sorted(dataset.glob("*.png")), "cnn", "")
    assert vectors.shape == (4, 576) and len(looks) == 4


def test_a_network_that_cannot_be_had_is_one_sentence(dataset, tmp_path):
    config = CurateConfig(str(dataset), method="clip", embedder=str(tmp_path / "none"))
    with pytest.raises(ValueError, match=r'embedder ".*none" cannot be loaded .*: choose method = aligned'):
        curate.find_duplicates(config)
