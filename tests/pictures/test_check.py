"""The checks of a dataset's pictures: each finds its own kind, none finds anything in good pictures, nothing is moved."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageFilter
from test_curate import photo

from lora_nb.__main__ import main
from lora_nb.config.pictures import CheckConfig
from lora_nb.pictures import checks, findings
from lora_nb.pictures.check import check
from lora_nb.pictures.checks import Seen, run_checks
from lora_nb.pictures.measures import measure
from lora_nb.project import folders_of_dataset


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(16):
        photo(seed, 512).save(folder / f"{seed:02}.png", compress_level=1)
    return folder


@pytest.fixture
def dataset(pictures, tmp_path):
    return shutil.copytree(pictures, tmp_path / "cat" / "dataset")


def kinds(found):
    return {(one.kind, *(path.name for path in one.pictures)) for one in found.all}


def asked(dataset, **settings):
    return CheckConfig(str(dataset), **{"max_oddness": 0, "min_variety": 0, "max_text": 0, **settings})


BAD = {
    "blur": lambda picture: picture.filter(ImageFilter.GaussianBlur(12)),
    "small": lambda picture: picture.resize((200, 200)),
    "shape": lambda picture: picture.resize((1800, 512)),
    "empty": lambda picture: Image.new("RGB", (600, 600), (200, 30, 30)),
    "exposure": lambda picture: picture.point(lambda value: max(0, value - 170) * 2),
}


def test_good_pictures_have_no_findings(dataset):
    assert check(asked(dataset)).all == ()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_found_by_its_check(dataset, kind):
    BAD[kind](photo(50, 512)).save(dataset / "bad.png")
    before = {path.name: path.read_bytes() for path in dataset.iterdir()}
    found = check(asked(dataset))
    assert (kind, "bad.png") in kinds(found)
    assert {name for _, *names in kinds(found) for name in names} == {"bad.png"}
    assert {path.name: path.read_bytes() for path in dataset.iterdir()} == before
    assert findings.read(folders_of_dataset(dataset)).all == found.all


def test_a_check_whose_threshold_is_0_does_not_look(dataset):
    BAD["blur"](photo(50, 512)).save(dataset / "bad.png")
    assert "blur" not in {one.kind for one in check(asked(dataset, min_sharpness=0)).all}


def test_copies_and_broken_files_are_found_and_left_where_they_are(dataset):
    photo(3, 150).save(dataset / "copy.png")
    (dataset / "cut.png").write_bytes((dataset / "00.png").read_bytes()[:500])
    found = check(asked(dataset, training_side=64))
    assert kinds(found) == {("broken", "cut.png"), ("copies", "03.png", "copy.png")}
    assert [one.kind for one in found.all] == ["broken", "copies"], "the worst first"
    assert found.moved == 0 and sum(found.distances.counts) >= 1
    assert findings.read(folders_of_dataset(dataset)) == found
    (dataset / "copy.png").unlink()
    assert [one.kind for one in findings.read(folders_of_dataset(dataset)).all] == ["broken"]


def test_few_pictures_are_said_of_the_set(dataset):
    for path in sorted(dataset.iterdir())[5:]:
        path.unlink()
    (few,) = check(asked(dataset)).all
    assert (few.kind, few.pictures, few.action) == ("few", (), "show") and few.sentence.startswith(
        "5 pictures"
    )


def of_vectors(dataset, vectors, **settings):
    measured = tuple(measure(path, 64) for path in sorted(dataset.iterdir())[: len(vectors)])
    config = CheckConfig(str(dataset), min_sharpness=0, min_pictures=0, **settings)
    return [
        (one.kind, [path.name for path in one.pictures])
        for one in run_checks(Seen(measured, np.array(vectors), "a test"), config)
        if one.kind in ("odd", "alike")
    ]


def test_how_far_pictures_lie_apart():
    assert checks.apart(np.eye(2)) == pytest.approx([2**0.5 / 2] * 2)
    assert checks.apart(np.ones((3, 2))) == pytest.approx([0, 0, 0], abs=1e-3)


def test_odd_and_alike_by_vectors(dataset):
    angles = np.arange(8) * 2 * np.pi / 8
    around = np.stack([np.cos(angles), np.sin(angles), np.full(8, 0.5)], axis=1)
    assert of_vectors(dataset, around) == []
    odd = np.concatenate([around, [[0, 0, -1]]])
    assert of_vectors(dataset, odd, max_oddness=1.5) == [("odd", ["08.png"])]
    near = np.stack([np.cos(angles), np.sin(angles), np.full(8, 20)], axis=1)
    assert of_vectors(dataset, near, max_oddness=0) == [("alike", [])]


def test_text_is_found_where_a_detector_says_so(dataset):
    measured = tuple(measure(path, 64) for path in sorted(dataset.iterdir()))
    seen = Seen(measured, np.eye(16), "a test", text=(0.2, *[0.0] * 15))
    found = run_checks(seen, CheckConfig(str(dataset), min_sharpness=0, max_oddness=0))
    assert [(one.kind, one.pictures[0].name) for one in found if one.kind == "text"] == [("text", "00.png")]


def test_the_verbs_check_and_keep_other(dataset, capsys):
    photo(3, 150).save(dataset / "copy.png")
    place = ["--train_data_dir", str(dataset)]
    assert (
        main(
            [
                "check",
                *place,
                "--training_side",
                "64",
                "--max_oddness",
                "0",
                "--min_variety",
                "0",
                "--max_text",
                "0",
            ]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert (
        "Nearly the same: 03.png, copy.png (2 pictures show the same; 03.png is the largest, 512x512)" in said
    )
    assert "1 thing found" in said and "nothing was moved" in said
    assert main(["keep_other", *place, "--picture", "copy.png"]) == 0
    assert "copy.png is kept, and 03.png is set aside" in capsys.readouterr().out
    assert not (dataset / "03.png").exists() and (dataset / "copy.png").exists()
    assert main(["keep_other", *place, "--picture", "no.png"]) == 2
    assert 'picture = "no.png" is no copy that was found: known are 03.png' in capsys.readouterr().err
    assert main(["undo", *place]) == 0
    assert (dataset / "03.png").exists()
