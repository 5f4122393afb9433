"""Pictures encoded once, in memory and on disk, one by one and several at once."""

import tempfile

import pytest
import torch
from PIL import Image

from lora_nb import events, settings
from lora_nb.config.training import TrainConfig
from lora_nb.dataset.images import mask_path
from lora_nb.settings import make
from lora_nb.training import latent_store
from lora_nb.training.latent_store import Kept, Store, fingerprint, keys_of
from lora_nb.training.latents import encode_pictures, views_of_run
from lora_nb.training.plan import plan_run


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "cat" / "dataset"
    make_pictures(folder, 5)
    make_pictures(folder / "2_wide", 2, size=(140, 60))
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(folder),
        flip_aug=True,
    )


def encoded(config, base, **options):
    """What is encoded, and how many pictures the VAE saw for it."""
    told = []
    plan = plan_run(settings.replace(config, **options))
    return encode_pictures(plan, base, told.append), sum(isinstance(each, events.Progress) for each in told)


def same(one, other, exactly=True):
    for views, others in zip(one, other, strict=True):
        for view, again in zip(views, others, strict=True):
            for what in ("mean", "std"):
                a, b = getattr(view, what), getattr(again, what)
                if not (torch.equal(a, b) if exactly else torch.allclose(a, b, atol=1e-5)):
                    return False
    return True


@pytest.mark.parametrize("at_once", [2, 3, 64])
def test_pictures_of_one_size_go_through_the_vae_together(config, base, at_once):
    one, count = encoded(config, base)
    many, again = encoded(config, base, vae_batch_size=at_once)
    assert count == again == len(one) == 7
    assert {tuple(views[0].mean.shape) for views in one} != {tuple(one[0][0].mean.shape)}
    assert same(one, many, exactly=False)


def test_what_is_kept_on_disk_is_the_same_to_the_bit_and_is_not_encoded_again(config, base):
    memory, _ = encoded(config, base)
    disk, first = encoded(config, base, cache_latents_to_disk=True)
    later, second = encoded(config, base, cache_latents_to_disk=True)
    assert (first, second) == (7, 0) and same(memory, disk) and same(memory, later)
    assert all(isinstance(view, Kept) for views in later for view in views)


@pytest.mark.parametrize(
    "other",
    [
        {"resolution": 32},
        {"flip_aug": False},
        {"random_crop": True, "resolution": 32},
        {"color_aug": True, "augmented_views": 12},
        {"resize_interpolation": "box", "resolution": 32},
        {"vae_batch_size": 2},
        {"enable_bucket": False, "resolution": "32,64"},
    ],
)
def test_what_is_kept_is_never_served_for_something_else(config, base, other):
    encoded(config, base, cache_latents_to_disk=True)
    if "resolution" in other:
        encoded(config, base, cache_latents_to_disk=True, resolution=32)
    kept, count = encoded(config, base, cache_latents_to_disk=True, **other)
    assert same(kept, encoded(config, base, **other)[0])
    assert count == (0 if other == {"resolution": 32} else 7)


def test_another_picture_under_the_same_name_is_encoded_anew(config, base, tmp_path):
    encoded(config, base, cache_latents_to_disk=True)
    Image.new("RGB", (80, 72), "orange").save(tmp_path / "cat" / "dataset" / "00.png")
    kept, count = encoded(config, base, cache_latents_to_disk=True)
    assert count == 1 and same(kept, encoded(config, base)[0])


def files(tmp_path):
    return sorted(tmp_path.glob("lora_nb-latents/*/*.safetensors"))


def test_what_is_damaged_is_encoded_anew(config, base, tmp_path):
    encoded(config, base, cache_latents_to_disk=True)
    assert len(files(tmp_path)) == 7 and not list(tmp_path.rglob("*.tmp"))
    cut, flipped, empty, swapped, other, *_ = files(tmp_path)
    cut.write_bytes(cut.read_bytes()[:-9])
    content = bytearray(flipped.read_bytes())
    content[-3] ^= 1
    flipped.write_bytes(content)
    empty.write_bytes(b"")
    swapped.write_bytes(other.read_bytes())
    again, count = encoded(config, base, cache_latents_to_disk=True)
    assert count == 4 and same(again, encoded(config, base)[0])


def test_what_is_gone_in_the_middle_of_a_run_is_said(config, base, tmp_path):
    kept, _ = encoded(config, base, cache_latents_to_disk=True)
    kept[0][0].path.unlink()
    with pytest.raises(ValueError, match="cannot be read any more .* start again to go on"):
        _ = kept[0][0].mean


def test_a_vae_is_known_by_its_weights(base):
    one = fingerprint(base.vae)
    assert fingerprint(base.vae) == one
    values = next(base.vae.parameters())
    old = values.data.clone()
    values.data.view(-1)[0] += 1e-3
    try:
        assert fingerprint(base.vae) != one and Store.of(base).vae.startswith(fingerprint(base.vae))
    finally:
        values.data = old


def test_a_key_holds_the_version_of_torch_too(config, monkeypatch):
    plan = plan_run(config)
    one = keys_of(plan, views_of_run(plan))
    assert one == keys_of(plan, views_of_run(plan)) and len(set(one)) == 7
    monkeypatch.setattr(latent_store.torch, "__version__", "0.1")
    assert not set(keys_of(plan, views_of_run(plan))) & set(one)


def test_of_several_at_once_what_is_kept_is_what_they_were_together(config, base, tmp_path, make_pictures):
    """Who comes with whom moves the last bits: one that is missing, or another picture, and all are encoded anew."""
    together = {"vae_batch_size": 2, "cache_latents_to_disk": True}
    assert encoded(config, base, **together)[1] == 7 and encoded(config, base, **together)[1] == 0
    files(tmp_path)[3].unlink()
    kept, count = encoded(config, base, **together)
    assert count == 7 and same(kept, encoded(config, base, vae_batch_size=2)[0])
    make_pictures(tmp_path / "cat" / "dataset" / "1_new", 1, size=(64, 64))
    kept, count = encoded(config, base, **together)
    assert count == 8 and same(kept, encoded(config, base, vae_batch_size=2)[0])


def test_a_mask_lies_beside_the_posterior_and_is_never_kept(config, base, tmp_path):
    plain, _ = encoded(config, base, cache_latents_to_disk=True)
    assert all(view.mask is None for views in plain for view in views)
    picture = tmp_path / "cat" / "dataset" / "00.png"
    Image.open(picture).convert("RGBA").save(picture)
    see_through = Image.open(picture)
    see_through.putalpha(64)
    see_through.save(picture)
    masked, count = encoded(config, base, cache_latents_to_disk=True, alpha_mask=True)
    assert count == 1 and masked[1][0].mask is None
    assert torch.allclose(masked[0][0].mask, torch.tensor(64 / 255)) and masked[0][1].mask is not None
    assert masked[0][0].mask.shape == (1, *masked[0][0].mean.shape[1:])
    assert not mask_path(picture).exists()
