"""WD14 tagging: with real onnxruntime sessions of a small model whose answers are known."""

import csv
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from lora_nb.captioning import pace, tagger, tagger_model, taggers
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


KINDS = {0: "General", 4: "Character", 9: "Rating"}


def build(folder, channels_first=False, batch="N", rows=ROWS, mapping=False, pixai=False):
    """A tagger that reports the means of B, G and R: `blue_sky`, `green_hair`, `red_dress`, the rest is fixed.

    Output = mean over the pixels @ W + b, so a tagger that mixes up layout, channels or range answers otherwise. With
    `mapping` it is of cl_tagger's kind: it takes -1 to 1, answers with logits, and its tags stand in tag_mapping.json.
    With `pixai` it takes RGB from -1 to 1 and has logits and what they say as outputs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weight = np.zeros((3, len(rows)), dtype=np.float32)
    bias = np.full(len(rows), 0.9, dtype=np.float32)
    bias[2:5] = 0
    bias[-1] = 0.5
    weight[[0, 1, 2], [2, 3, 4]] = 1 / 255
    if mapping:  # logits of 0.9 and 0.1 where the others say 1 and 0
        weight, bias = weight * 255 * 2.2, np.where(bias == 0, 0, bias * 3).astype(np.float32)
    if pixai:
        weight, bias = (
            weight[::-1].copy() * 255 / 2,
            bias / 2 + np.where(bias == 0, 0.5, bias / 2).astype(np.float32),
        )
    shape = [batch, 3, 448, 448] if channels_first else [batch, 448, 448, 3]
    axes = [2, 3] if channels_first else [1, 2]
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("Gemm", ["means", "weight", "bias"], ["tags"]),
    ]
    outputs = ["tags"]
    if pixai:
        nodes.append(helper.make_node("Mul", ["tags", "ten"], ["logits"]))
        nodes[1].output[0] = "prediction"
        nodes[2].input[0] = "prediction"
        outputs = ["logits", "prediction"]
    weights = {"axes": np.array(axes, dtype=np.int64), "weight": weight, "bias": bias} | (
        {"ten": np.array(10, np.float32)} if pixai else {}
    )
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, len(rows)]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    if mapping:
        tags = {number: {"tag": name, "category": KINDS[kind]} for number, (name, kind) in enumerate(rows)}
        (folder / "tag_mapping.json").write_text(json.dumps(tags))
        return folder
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


@pytest.mark.parametrize("channels_first", [False, True])
def test_a_tagger_with_a_mapping_is_given_other_numbers_and_answers_with_logits(
    tmp_path, dataset, channels_first
):
    folder = build(tmp_path / "model", channels_first, mapping=True)
    run(dataset, folder, general_threshold=0.85)
    assert written(dataset)["a"] == "blue sky, ^_^, hatsune miku"
    (folder / "tag_mapping.json").write_text('{"1": {}}')
    with pytest.raises(ValueError, match="tag_mapping.json holds no tags by number"):
        run(dataset, folder, existing="overwrite")


def test_a_tagger_of_pixais_kind_is_given_what_it_was_trained_with(tmp_path, dataset):
    Image.new("RGB", (400, 60), "red").save(dataset / "wide.png")  # no white above and below
    run(dataset, build(tmp_path / "model", True, pixai=True), general_threshold=0.8)
    assert written(dataset)["a"] == "blue sky, ^_^, hatsune miku"
    assert written(dataset)["wide"] == "red dress, ^_^, hatsune miku"


OPTIONS = [
    ({"replace_tags": ("blue_sky -> sky, clouds", "^_^ -> smile")}, "sky, clouds, smile, hatsune miku"),
    ({"replace_tags": ("Blue Sky -> ",)}, "^_^, hatsune miku"),
    (
        {"replace_tags": ("1girl -> woman",)},
        "blue sky, ^_^, hatsune miku",
    ),  # sd-scripts: every tag is the last target
    ({"replace_tags": ("blue_sky -> hat",), "undesired_tags": ("hat", "always there")}, "^_^, hatsune miku"),
    ({"character_tags_first": True}, "hatsune miku, blue sky, ^_^"),
    ({"always_first_tags": ("hat", "hatsune miku", "^_^")}, "hatsune miku, ^_^, blue sky"),
    ({"rating": "first"}, "general, blue sky, ^_^, hatsune miku"),
    ({"rating": "last"}, "blue sky, ^_^, hatsune miku, general"),
    ({"rating": "last", "undesired_tags": ("general", "always there")}, "blue sky, ^_^, hatsune miku"),
    ({"character_threshold": 0.5}, "blue sky, ^_^, hatsune miku, someone (else)"),
    (
        {"character_threshold": 0.5, "character_tag_expand": True},
        "blue sky, ^_^, hatsune miku, someone, else",
    ),
    ({"caption_separator": ";"}, "blue sky; ^_^; hatsune miku"),
    ({"mcut": True, "undesired_tags": ()}, "blue sky, ^_^, always there, hatsune miku, someone (else)"),
    ({"mcut": True, "character_threshold": 0}, "blue sky, ^_^, hatsune miku, someone (else)"),
]


@pytest.mark.parametrize(("settings", "expected"), OPTIONS)
def test_every_option_does_what_it_says(tmp_path, dataset, settings, expected):
    run(dataset, build(tmp_path / "model"), **settings)
    assert written(dataset)["a"] == expected


def test_other_kinds_of_tags_are_written_where_they_are_asked_for(tmp_path, dataset):
    rows = [*ROWS[:7], ("miku", 4), ("vocaloid", 3)]
    build(tmp_path / "model", rows=rows)
    run(dataset, tmp_path / "model")
    assert written(dataset)["a"] == "blue sky, ^_^, miku"
    run(dataset, tmp_path / "model", existing="overwrite", other_kinds=("copyright",))
    assert written(dataset)["a"] == "blue sky, ^_^, miku, vocaloid"
    with pytest.raises(
        ValueError, match="other_kinds = copyrigth is not usable: the kinds are copyright, artist"
    ):
        TagConfig(other_kinds=("copyrigth",))


def test_several_taggers_are_joined_and_each_tag_stands_once(tmp_path, dataset):
    build(tmp_path / "one")
    build(
        tmp_path / "two", True, rows=[*ROWS[:5], ("smile", 0), ("hat", 0), ("Hatsune_Miku", 4), ("other", 4)]
    )
    seen = []
    run(dataset, f"{tmp_path / 'one'} + {tmp_path / 'two'}", seen.append)
    assert written(dataset)["a"] == "blue sky, ^_^, smile, hat, hatsune miku"
    assert [event for event in seen if isinstance(event, Progress)][-1] == Progress("Tagging with two", 2, 2)


def test_an_empty_threshold_is_each_taggers_own(tmp_path, dataset):
    rows = [("general", 9), ("explicit", 9), ("sky", 0), ("hair", 0), ("dress", 0), ("x", 4), ("half", 0)]
    for name in ("wd-eva02-large-tagger-v3", "wd-vit-tagger-v3"):  # 0.5296 and 0.2614; the last tag has 0.5
        run(dataset, build(tmp_path / name, rows=rows), existing="overwrite")
        assert ("half" in written(dataset)["a"]) == (name == "wd-vit-tagger-v3")
    names = taggers.names_of(f"{tmp_path} + demo")
    assert [taggers.threshold_of(name) for name in names] == [0.35, 0.35]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("old first", "A cat sits on a red mat in the sun, blue sky, ^_^, hatsune miku"),
        ("tags first", "blue sky, ^_^, hatsune miku, A cat sits on a red mat in the sun"),
    ],
)
def test_tags_join_a_sentence_in_the_order_asked_for(tmp_path, dataset, order, expected):
    captions.write_caption(dataset / "a.png", "A cat sits on a red mat in the sun")
    run(dataset, build(tmp_path / "model"), existing="append", order=order)
    assert written(dataset)["a"] == expected


@pytest.fixture
def sessions(monkeypatch):
    """How many models were loaded, and how many batches they looked at."""
    counted = {"loaded": 0, "run": 0}

    class Counted(onnxruntime.InferenceSession):
        def __init__(self, *given, **named):
            counted["loaded"] += 1
            super().__init__(*given, **named)

        def run(self, *given, **named):
            counted["run"] += 1
            return super().run(*given, **named)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Counted)
    return counted


def test_another_threshold_needs_no_second_look_and_chooses_as_a_first_look_would(
    tmp_path, dataset, sessions
):
    build(tmp_path / "model")
    run(dataset, tmp_path / "model", existing="overwrite", batch_size=2)
    assert sessions == {"loaded": 1, "run": 2}
    for settings in (
        {"general_threshold": 0.95},
        {"character_threshold": 0.5},
        {"mcut": True, "rating": "last"},
    ):
        run(dataset, tmp_path / "model", existing="overwrite", **settings)
        noted = written(dataset)
        assert sessions["run"] == 2 and sessions["loaded"] == 1
        run(dataset, tmp_path / "model", existing="overwrite", keep_scores=False, **settings)
        assert written(dataset) == noted
        sessions.update(loaded=1, run=2)


def test_noted_scores_are_of_these_bytes_and_this_model(tmp_path, dataset, sessions):
    folder = build(tmp_path / "model")
    run(dataset, folder, existing="overwrite")
    Image.new("RGB", (60, 60), "red").save(dataset / "a.png")
    run(dataset, folder, existing="overwrite")
    assert sessions == {"loaded": 2, "run": 2} and "red dress" in written(dataset)["a"]
    build(folder, rows=[*ROWS[:5], ("smile", 0), *ROWS[6:]])
    run(dataset, folder, existing="overwrite")
    assert sessions == {"loaded": 3, "run": 3} and "smile" in written(dataset)["a"]


def test_scores_below_what_is_noted_are_looked_for_anew(tmp_path, dataset, sessions):
    folder = build(tmp_path / "model")
    run(dataset, folder, existing="overwrite")
    run(dataset, folder, existing="overwrite", general_threshold=0.01)
    assert sessions["run"] == 2
    run(dataset, folder, existing="overwrite", general_threshold=0.05)
    assert sessions["run"] == 2


def test_a_damaged_note_is_passed_over_and_written_anew(tmp_path, dataset, sessions):
    folder = build(tmp_path / "model")
    run(dataset, folder, existing="overwrite")
    first = written(dataset)
    (noted,) = (tmp_path / "scores").iterdir()
    noted.write_bytes(noted.read_bytes()[:-20] + b"\n[1]\nnull\n")
    run(dataset, folder, existing="overwrite")
    assert written(dataset) == first and sessions["run"] == 2
    run(dataset, folder, existing="overwrite")
    assert sessions["run"] == 2


def test_progress_says_how_fast_it_goes_and_what_is_left():
    told = []
    clock = iter([10.0, 14.0, 18.0])
    tell = pace.paced("Tagging", 20, told.append, lambda: next(clock))
    tell(10)
    tell(20)
    assert [event.text for event in told] == [
        "Tagging: 10 of 20, 2.5 a second, 0:04 to go",
        "Tagging: 20 of 20, 2.5 a second",
    ]
    assert Progress("Captioning", 1, 3, per_second=0.25).text == "Captioning: 1 of 3, 4.0 s each, 0:08 to go"


def test_an_unknown_tagger_is_one_clear_sentence(dataset):
    with pytest.raises(ValueError, match=r"nobody/no-tagger"):
        run(dataset, "nobody/no-tagger")
