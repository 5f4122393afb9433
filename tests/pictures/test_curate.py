"""Duplicates and broken pictures: the right ones found, the best one kept, the reason said."""

import numpy as np
import pytest
from imagededup.methods import PHash
from PIL import Image, ImageFilter, ImageOps, features

from lora_nb.config.pictures import CurateConfig
from lora_nb.dataset import aside, captions, history
from lora_nb.dataset.images import ORIENTATION
from lora_nb.pictures import curate, eyes, findings, looking
from lora_nb.project import folders_of_dataset


def photo(seed, side=256):
    """A picture with structure at every scale, the same for the same seed."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize((256, 256)),
            dtype=np.float32,
        )
        for n in (3, 6, 12, 100, 256)
    ]
    mixed = np.average(layers, axis=0, weights=(8, 4, 2, 1, 1))
    return Image.fromarray(mixed.astype(np.uint8)).resize((side, side), Image.Resampling.LANCZOS)


@pytest.fixture
def dataset(tmp_path):
    dataset = tmp_path / "cat" / "dataset"
    dataset.mkdir(parents=True)
    for seed in range(4):
        photo(seed).save(dataset / f"{seed}.png")
    return dataset


def config(dataset, **settings):
    return CurateConfig(str(dataset), **settings)


def names(clusters):
    return [(cluster.kept.name, [copy.path.name for copy in cluster.copies]) for cluster in clusters]


@pytest.mark.parametrize("method", ["aligned", "phash", "dhash", "ahash", "whash"])
def test_resized_copies_are_found_and_the_original_is_kept_not_what_was_enlarged_from_it(dataset, method):
    photo(1).resize((128, 128)).save(dataset / "small.jpg", quality=80)
    photo(1, 384).save(dataset / "large.WEBP", lossless=True)
    clusters = curate.find_duplicates(config(dataset, method=method, max_distance_threshold=3))
    assert names(clusters) == [("1.png", ["small.jpg", "large.WEBP"])]
    assert clusters[0].reason == "the largest, 256x256"


def test_cropped_and_mirrored_copies_are_found_and_said(dataset):
    photo(0).crop((20, 10, 240, 230)).save(dataset / "crop.png")
    ImageOps.mirror(photo(2)).save(dataset / "mirror.jpg", quality=90)
    photo(3).crop((0, 0, 205, 205)).resize((256, 256)).save(dataset / "corner.jpg", quality=90)
    found = curate.find_duplicates(config(dataset))
    said = {(cluster.kept.name, copy.path.name): copy.how for cluster in found for copy in cluster.copies}
    assert said.keys() == {("0.png", "crop.png"), ("2.png", "mirror.jpg"), ("3.png", "corner.jpg")}
    assert "a part, 7" in said["0.png", "crop.png"] and said["2.png", "mirror.jpg"] == "mirrored"


def test_of_equal_size_the_less_compressed_is_kept(dataset):
    soft = photo(0).filter(ImageFilter.GaussianBlur(1.5))
    soft.save(dataset / "a.jpg", quality=85)
    soft.save(dataset / "b.jpg", quality=92)
    (dataset / "0.png").unlink()
    (cluster,) = curate.find_duplicates(config(dataset))
    assert (cluster.kept.name, cluster.reason) == ("b.jpg", "the least compressed of equal size")


def test_the_other_can_be_kept_instead_in_one_step_that_is_undone_as_one(dataset):
    photo(1, 128).save(dataset / "small.png")
    captions.write_caption(dataset / "1.png", "of the large one")
    folders = folders_of_dataset(dataset)
    curate.curate(config(dataset))
    before = {path.name: path.read_bytes() for path in dataset.iterdir()}
    (cluster,) = findings.read(folders).clusters
    swapped = curate.keep_other(folders, cluster, dataset / "small.png")
    left = {path.name for path in dataset.iterdir()}
    assert left == {"0.png", "small.png", "small.txt", "2.png", "3.png"}
    assert captions.read_caption(dataset / "small.png") == "of the large one"
    assert findings.read(folders).clusters == (swapped,) and swapped.reason == curate.CHOSEN
    assert {one.name for one in aside.list_aside(folders)} == {"1.png"}
    history.undo(dataset)
    assert {path.name: path.read_bytes() for path in dataset.iterdir()} == before
    assert findings.read(folders).clusters == (cluster,)
    with pytest.raises(ValueError, match=r"2\.png is no copy of 1\.png"):
        curate.keep_other(folders, cluster, dataset / "2.png")


def test_different_pictures_are_no_duplicates(dataset):
    assert curate.find_duplicates(config(dataset)) == ()


def test_turned_by_exif_and_avif_copies_are_found(dataset):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    photo(2).transpose(Image.Transpose.ROTATE_90).save(dataset / "turned.jpg", exif=exif, quality=95)
    expected = ["turned.jpg"]
    if features.check("avif"):
        photo(2, 200).save(dataset / "a.avif")
        expected.append("a.avif")
    (cluster,) = curate.find_duplicates(config(dataset))
    assert {cluster.kept.name, *(copy.path.name for copy in cluster.copies)} == {"2.png", *expected}


def test_of_equal_size_the_sharpest_is_kept(dataset):
    photo(3).filter(ImageFilter.GaussianBlur(2)).save(dataset / "blurred.png")
    (cluster,) = curate.find_duplicates(config(dataset))
    assert (cluster.kept.name, cluster.reason) == ("3.png", "the sharpest of equal size, 256x256")


def test_then_the_largest_file_then_the_one_with_a_caption_then_the_first(dataset):
    photo(0).save(dataset / "packed.webp", lossless=True)
    photo(1).save(dataset / "1b.png")
    photo(2).save(dataset / "2b.png")
    captions.write_caption(dataset / "1b.png", "a cat")
    clusters = curate.find_duplicates(config(dataset, method="phash", max_distance_threshold=0))
    assert names(clusters) == [("0.png", ["packed.webp"]), ("1b.png", ["1.png"]), ("2.png", ["2b.png"])]
    assert "the largest file of equal size and sharpness" in clusters[0].reason
    assert [cluster.reason for cluster in clusters[1:]] == [
        "the one with a caption",
        "the first of equals by name",
    ]


def test_curating_sets_aside_and_bringing_back_restores(dataset):
    photo(1, 128).save(dataset / "small.png")
    captions.write_caption(dataset / "small.png", "a caption of the copy")
    (dataset / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    captions.write_caption(dataset / "cut.jpg", "of the broken one")
    folders = folders_of_dataset(dataset)
    report = curate.curate(config(dataset))
    assert (len(report.broken), len(report.clusters), report.moved) == (1, 1, 2)
    left = {path.name for path in dataset.iterdir()}
    assert left == {"0.png", "1.png", "1.txt", "2.png", "3.png"}
    assert captions.read_caption(dataset / "1.png") == "a caption of the copy"
    reasons = {item.name: item.reason for item in aside.list_aside(folders)}
    assert reasons["small.png"].startswith("a copy of 1.png (")
    assert reasons["small.png"].endswith("which is the largest, 256x256")
    written = findings.read(folders)
    assert written == report
    assert written.clusters[0].copies[0].set_aside == folders.set_aside / "small.png"
    assert written.broken[0].path == dataset / "cut.jpg"
    assert str(folders.base) not in (folders.report / "curate.json").read_text(encoding="utf-8")
    assert aside.bring_back(folders) == 2
    assert captions.read_caption(dataset / "small.png") == "a caption of the copy"
    assert captions.read_caption(dataset / "cut.jpg") == "of the broken one"


def test_a_caption_of_the_kept_one_is_never_replaced(dataset):
    photo(1, 128).save(dataset / "small.png")
    captions.write_caption(dataset / "small.png", "small")
    captions.write_caption(dataset / "1.png", "mine")
    curate.curate(config(dataset))
    assert captions.read_caption(dataset / "1.png") == "mine"
    assert captions.read_caption(folders_of_dataset(dataset).set_aside / "small.png") == "small"


def test_an_empty_dataset_has_nothing_to_curate(tmp_path):
    (tmp_path / "dataset").mkdir()
    assert curate.curate(config(tmp_path / "dataset")).all == ()


def test_the_hash_is_imagededups_own(dataset):
    looked, _ = looking.look_at_all(sorted(dataset.iterdir()), eyes.eye_for("phash"))
    own = {path: PHash(verbose=False).encode_image(image_file=path) for path in dataset.iterdir()}
    assert {one.path: f"{one.codes[0]:016x}" for one in looked} == own
