"""WD14 tagging: with real onnxruntime sessions of a small model whose answers are known."""

import csv

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from lora_nb.captioning import tagger, tagger_model
from lora_nb.config.captioning import TagConfig
from lora_nb.dataset import captions
from lora_nb.events import Progress

ROWS = [
    ("general", 9),
    ("explicit", 9),
    ("blue_sky", 0),
    ("green_hair", 0),
    ("red_dress", 0),
    ("^_^", 0),
    ("always_there", 0),
    ("hatsune_miku", 4),
    ("someone_(else)", 4),
]


def build(folder, channels_first=False, batch="N", rows=ROWS):
    """A tagger that reports the means of B, G and R: `blue_sky`, `green_hair`, `red_dress`, the rest is fixed.

    Output = mean over the pixels @ W + b, so a tagger that mixes up layout, channels or range answers otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weight = np.zeros((3, len(rows)), dtype=np.float32)
    bias = np.full(len(rows), 0.9, dtype=np.float32)
    bias[2:5] = 0
    bias[-1] = 0.5
    weight[[0, 1, 2], [2, 3, 4]] = 1 / 255
    shape = [batch, 3, 448, 448] if channels_first else [batch, 448, 448, 3]
    axes = [2, 3] if channels_first else [1, 2]
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("Gemm", ["means", "weight", "bias"], ["tags"]),
    ]
    weights = {"axes": np.array(axes, dtype=np.int64), "weight": weight, "bias": bias}
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("tags", TensorProto.FLOAT, [batch, len(rows)])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    with open(folder / "selected_tags.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["tag_id", "name", "category", "count"])
        table.writerows([number, name, category, 1] for number, (name, category) in enumerate(rows))
    return folder


@pytest.fixture
def dataset(tmp_path):
    """A blue and a red picture, and a green one in a sub-folder with a caption."""
    dataset = tmp_path / "dataset"
    (dataset / "5_x").mkdir(parents=True)
    Image.new("RGB", (60, 60), "blue").save(dataset / "a.png")
    Image.new("RGB", (60, 60), "red").save(dataset / "b.jpg", quality=95)
    Image.new("RGB", (60, 60), (0, 255, 0)).save(dataset / "5_x" / "c.png")
    captions.write_caption(dataset / "5_x" / "c.png", "ohwx, hat")
    return dataset


def run(dataset, folder, tell=lambda event: None, **settings):
    settings = {"undesired_tags": ("always there",), **settings}
    return tagger.tag_images(TagConfig(str(dataset), str(folder), **settings), tell)


def written(dataset):
    return {
        path.stem: captions.read_caption(path) for path in sorted(dataset.rglob("*")) if path.suffix != ".txt"
    }


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("batch", ["N", 1, 4])
def test_tags_are_right_in_every_layout_and_batch(tmp_path, dataset, channels_first, batch):
    report = run(dataset, build(tmp_path / "model", channels_first, batch), batch_size=2)
    assert (report.tagged, report.skipped, report.failed) == (2, 1, ())
    texts = written(dataset)
    assert texts["a"] == "blue sky, ^_^, hatsune miku"
    assert texts["b"] == "red dress, ^_^, hatsune miku"
    assert texts["c"] == "ohwx, hat"


def test_appending_leaves_what_is_there_in_front(tmp_path, dataset):
    assert run(dataset, build(tmp_path / "model"), existing="append").tagged == 3
    assert written(dataset)["c"] == "ohwx, hat, green hair, ^_^, hatsune miku"
    run(dataset, tmp_path / "model", existing="append")
    assert written(dataset)["c"] == "ohwx, hat, green hair, ^_^, hatsune miku"


def test_overwriting_writes_anew_and_an_empty_caption_counts_as_missing(tmp_path, dataset):
    captions.write_caption(dataset / "a.png", "")
    captions.write_caption(dataset / "b.jpg", "mine")
    assert run(dataset, build(tmp_path / "model")).tagged == 1
    assert written(dataset)["a"].startswith("blue sky")
    run(dataset, tmp_path / "model", existing="overwrite")
    assert written(dataset)["c"] == "green hair, ^_^, hatsune miku"


def test_thresholds_work_by_category_and_ratings_are_never_tags(tmp_path, dataset):
    build(tmp_path / "model")
    run(dataset, tmp_path / "model", existing="overwrite", general_threshold=0.95, character_threshold=0.5)
    assert written(dataset)["a"] == "blue sky, hatsune miku, someone (else)"
    run(dataset, tmp_path / "model", existing="overwrite", general_threshold=0, character_threshold=1)
    assert written(dataset)["a"] == "blue sky, green hair, red dress, ^_^"


@pytest.mark.parametrize("undesired", [("blue_sky",), ("Blue Sky",), ("x, blue sky",)])
def test_undesired_tags_are_left_out_however_they_are_written(tmp_path, dataset, undesired):
    build(tmp_path / "model")
    run(dataset, tmp_path / "model", undesired_tags=undesired, remove_underscore=False)
    assert written(dataset)["a"] == "^_^, always_there, hatsune_miku"


def test_a_damaged_picture_is_named_and_the_others_are_tagged(tmp_path, dataset):
    (dataset / "5_x" / "broken.png").write_bytes((dataset / "a.png").read_bytes()[:-30])
    (dataset / "page.jpg").write_bytes(b"<html>")
    seen = []
    report = run(dataset, build(tmp_path / "model"), seen.append, batch_size=1)
    assert report.tagged == 2
    assert sorted(name for name, _ in report.failed) == ["5_x/broken.png", "page.jpg"]
    assert all(str(dataset) not in reason for _, reason in report.failed)
    assert seen[-1] == Progress("Tagging", 3, 3)


def test_a_wide_picture_is_padded_with_white_and_turned_to_bgr():
    pixels = tagger_model.prepare(Image.new("RGB", (100, 50), "red"))
    assert pixels.shape == (448, 448, 3)
    assert pixels[224, 224].tolist() == [0, 0, 255]
    assert pixels[50, 224].tolist() == pixels[400, 224].tolist() == [255, 255, 255]
    red = np.nonzero((pixels[:, 0] == (0, 0, 255)).all(axis=1))[0]
    assert abs(red[0] - 112) <= 2 and abs(red[-1] - 335) <= 2


def test_nothing_to_do_needs_no_model(dataset):
    for name in ("a.png", "b.jpg"):
        captions.write_caption(dataset / name, "mine")
    assert run(dataset, "/no/such/model").skipped == 3


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda folder: (folder / "selected_tags.csv").unlink(),
            "lacks selected_tags.csv: give a folder with",
        ),
        (
            lambda folder: (folder / "model.onnx").write_bytes(b"<html>"),
            "cannot be loaded .*: download it again",
        ),
        (
            lambda folder: (folder / "selected_tags.csv").write_text("name,category\nx,0\n"),
            "has 1 tags, and model",
        ),
        (
            lambda folder: (folder / "selected_tags.csv").write_text("a,b\n"),
            "lacks the columns name and category",
        ),
    ],
)
def test_an_unusable_tagger_is_one_clear_sentence(tmp_path, dataset, spoil, sentence):
    folder = build(tmp_path / "model")
    spoil(folder)
    with pytest.raises(ValueError, match=sentence):
        run(dataset, folder)
    assert written(dataset)["a"] is None


def test_an_unknown_tagger_is_one_clear_sentence(dataset):
    with pytest.raises(ValueError, match=r"nobody/no-tagger"):
        run(dataset, "nobody/no-tagger")
