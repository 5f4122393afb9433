"""Pictures brought to a size, a format, a background: what is written, what is left, what comes back."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image, ImageDraw

from lora_nb.__main__ import main
from lora_nb.config.pictures import PrepareConfig
from lora_nb.dataset import aside, captions, history, images
from lora_nb.pictures import faces, onnx_model
from lora_nb.pictures.prepare import ASKS_NOTHING, Prepared, prepare
from lora_nb.project import folders_of_dataset


def scene(at, size=(400, 300), colour="red"):
    """A grey picture with a disc of a colour around a point."""
    picture = Image.new("RGB", size, (120, 120, 120))
    ImageDraw.Draw(picture).ellipse((at[0] - 30, at[1] - 30, at[0] + 30, at[1] + 30), fill=colour)
    return picture


@pytest.fixture
def dataset(tmp_path):
    dataset = tmp_path / "cat" / "dataset"
    dataset.mkdir(parents=True)
    scene((60, 150)).save(dataset / "left.png")
    scene((340, 150)).save(dataset / "right.jpg", quality=95)
    captions.write_caption(dataset / "right.jpg", "a disc")
    return dataset


def contents(dataset):
    return {
        path.relative_to(dataset).as_posix(): path.read_bytes()
        for path in dataset.rglob("*")
        if path.is_file()
    }


def asked(dataset, **settings):
    return PrepareConfig(str(dataset), **settings)


def size(path):
    with Image.open(path) as picture:
        return picture.size


def redness(path):
    """The share of a picture that is red."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return float(((pixels[..., 0] > 200) & (pixels[..., 1] < 80)).mean())


def test_a_crop_keeps_what_stands_out_and_undo_brings_every_byte_back(dataset):
    before = contents(dataset)
    assert prepare(asked(dataset, size="150x200")) == Prepared(changed=2)
    for name in ("left.png", "right.jpg"):
        assert size(dataset / name) == (150, 200)
        assert redness(dataset / name) > 0.04, "the disc is whole"
    assert captions.read_caption(dataset / "right.jpg") == "a disc"
    page = (folders_of_dataset(dataset).report / "prepare.html").read_text()
    assert "400x300 to 150x200" in page and page.count("<img") == 4
    undone = history.undo(dataset)
    assert (undone.verb, undone.pictures, undone.restored, undone.left) == ("prepare", 2, 2, ())
    assert contents(dataset) == before


def test_a_centred_crop_loses_what_lies_at_the_side(dataset):
    prepare(asked(dataset, size="150x200", focus="centre"))
    assert redness(dataset / "left.png") < 0.01


def test_nothing_is_enlarged_unless_asked(dataset):
    assert prepare(asked(dataset, size="800x600")) == Prepared(same=2)
    assert size(dataset / "left.png") == (400, 300)
    prepare(asked(dataset, size="800x800", upscale=True))
    assert size(dataset / "left.png") == (800, 800)
    prepare(asked(dataset, size="100", cut="fit"))
    assert size(dataset / "left.png") == (100, 100)


def test_a_picture_that_is_right_already_is_not_touched(dataset):
    before = contents(dataset)
    assert prepare(asked(dataset, size="400x300")) == Prepared(same=2)
    assert contents(dataset) == before and history.undo(dataset) is None


def test_another_format_takes_the_old_ones_place_with_the_caption(dataset):
    before = contents(dataset)
    assert prepare(asked(dataset, format="webp", quality=80)) == Prepared(changed=2)
    assert sorted(contents(dataset)) == ["left.webp", "right.txt", "right.webp"]
    with Image.open(dataset / "right.webp") as picture:
        assert picture.format == "WEBP"
    undone = history.undo(dataset)
    assert (undone.pictures, undone.restored, undone.left) == (2, 2, ())
    assert contents(dataset) == before


def test_a_name_that_is_taken_is_left_and_said(dataset):
    scene((10, 10)).save(dataset / "left.jpg")
    done = prepare(asked(dataset, format="jpg"))
    assert done.failed == (("left.png", "left.jpg stands there already"),) and done.same == 2


def clear_picture(path):
    picture = scene((200, 150)).convert("RGBA")
    alpha = Image.new("L", picture.size, 0)
    ImageDraw.Draw(alpha).rectangle((150, 100, 250, 200), fill=255)
    picture.putalpha(alpha)
    picture.save(path)


def test_transparency_is_kept_filled_or_kept_as_a_mask_that_follows_the_crop(dataset):
    clear_picture(dataset / "clear.png")
    first = (dataset / "clear.png").read_bytes()
    only = {"names": ("clear.png",)}
    prepare(asked(dataset, size="200x150", **only))
    assert Image.open(dataset / "clear.png").mode == "RGBA"
    history.undo(dataset)
    assert (dataset / "clear.png").read_bytes() == first
    prepare(asked(dataset, transparent="colour", background="#00ff00", **only))
    assert Image.open(dataset / "clear.png").convert("RGB").getpixel((0, 0)) == (0, 255, 0)
    history.undo(dataset)
    assert prepare(asked(dataset, transparent="mask", **only)) == Prepared(changed=1, masks=1)
    mask = images.mask_path(dataset / "clear.png")
    assert mask.name == "clear-masklabel.png" and Image.open(mask).getpixel((200, 150)) == 255
    assert Image.open(mask).getpixel((0, 0)) == 0
    assert Image.open(dataset / "clear.png").convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert "clear-masklabel.png" not in {path.name for path in images.list_images(dataset)}
    prepare(asked(dataset, size="100x100", focus="centre", **only))
    assert size(mask) == (100, 100) and Image.open(mask).getpixel((50, 50)) == 255
    history.undo(dataset)
    assert size(mask) == (400, 300)


def test_a_drawn_mask_is_taken_for_the_one_picture(dataset, tmp_path):
    Image.new("L", (40, 30), 255).save(tmp_path / "mine.png")
    drawn = {"mask_file": str(tmp_path / "mine.png")}
    with pytest.raises(ValueError, match="say in names which"):
        prepare(asked(dataset, **drawn))
    assert prepare(asked(dataset, names=("left.png",), **drawn)) == Prepared(masks=1)
    assert size(dataset / "left-masklabel.png") == (400, 300)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"size": "big"}, 'size = "big" is not usable'),
        ({"size": "4"}, "each 16 to 8192"),
        ({"size": "64", "names": ("no.png",)}, '"no.png" is no picture'),
        (
            {"format": "png", "transparent": "colour", "background": "teal-ish"},
            'background = "teal-ish" is no colour',
        ),
        (
            {"size": "64", "focus": "face", "face_detector": "/no/model.onnx"},
            "face_detector /no/model.onnx does not exist",
        ),
        ({"make_masks": True, "mask_model": "/no/model.onnx"}, "mask_model /no/model.onnx does not exist"),
        ({}, ASKS_NOTHING[:20]),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_changed(dataset, settings, says):
    before = contents(dataset)
    with pytest.raises(ValueError) as wrong:
        prepare(asked(dataset, **settings))
    assert says in str(wrong.value)
    assert contents(dataset) == before


def test_a_broken_picture_is_named_and_the_others_are_prepared(dataset, capsys):
    (dataset / "cut.jpg").write_bytes((dataset / "right.jpg").read_bytes()[:900])
    assert main(["prepare", "--train_data_dir", str(dataset), "--size", "64"]) == 0
    said = capsys.readouterr().out
    assert "Left as it is: cut.jpg (damaged" in said
    assert "2 pictures prepared; 1 could not be; `undo` brings the originals back." in said
    assert main(["prepare", "--train_data_dir", str(dataset)]) == 0
    assert "Nothing is asked for" in capsys.readouterr().out


def save_model(path, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def floats(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def constant(name, values, shape):
    return helper.make_tensor(name, TensorProto.FLOAT, shape, values)


def redness_model(path):
    """A segmentation model of one convolution: red stands out, as logits."""
    weight = constant("w", [8.0, -4.0, -4.0], (1, 3, 1, 1))
    node = helper.make_node("Conv", ["x", "w"], ["mask"])
    return save_model(path, [node], [floats("x", (1, 3, 64, 64))], [floats("mask", (1, 1, 64, 64))], [weight])


def test_masks_are_made_by_a_model(dataset, tmp_path):
    model = redness_model(tmp_path / "seg.onnx")
    assert prepare(asked(dataset, make_masks=True, mask_model=str(model))) == Prepared(masks=2)
    mask = Image.open(dataset / "left-masklabel.png")
    assert mask.size == (400, 300) and mask.getpixel((60, 150)) > 200 and mask.getpixel((300, 150)) < 80
    history.undo(dataset)
    assert not (dataset / "left-masklabel.png").exists()


def face_model(path, side=64):
    """A detector with YuNet's outputs that takes what is blue for a face."""
    nodes, outputs = [], []
    constants = [constant("w", [1 / 135, -1 / 255, -1 / 255], (1, 3, 1, 1)), constant("zero", [0.0], (1,))]
    nodes.append(helper.make_node("Conv", ["x", "w"], ["blue"]))
    nodes.append(helper.make_node("Relu", ["blue"], ["there"]))
    for stride in faces.STRIDES:
        cells = (side // stride) ** 2
        nodes.append(
            helper.make_node(
                "AveragePool", ["there"], [f"p{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2
            )
        )
        constants.append(helper.make_tensor(f"flat{stride}", TensorProto.INT64, (3,), [1, cells, 1]))
        constants.append(constant(f"box{stride}", [0.5, 0.5, 0.0, 0.0] * cells, (1, cells, 4)))
        for name in ("cls", "obj"):
            nodes.append(helper.make_node("Reshape", [f"p{stride}", f"flat{stride}"], [f"{name}_{stride}"]))
            outputs.append(floats(f"{name}_{stride}", (1, cells, 1)))
        nodes.append(helper.make_node("Add", [f"box{stride}", "zero"], [f"bbox_{stride}"]))
        outputs.append(floats(f"bbox_{stride}", (1, cells, 4)))
    return save_model(path, nodes, [floats("x", (1, 3, side, side))], outputs, constants)


def test_a_crop_around_a_face(dataset, tmp_path):
    model = face_model(tmp_path / "face.onnx")
    picture = scene((60, 150))  # red at the left, and a blue "face" at the right
    ImageDraw.Draw(picture).ellipse((290, 100, 390, 200), fill=(0, 0, 255))
    picture.save(dataset / "both.png")
    found = faces.largest_face(onnx_model.load(str(model), "", "face_detector"), picture)
    assert found == pytest.approx((0.85, 0.5), abs=0.06)
    assert faces.largest_face(onnx_model.load(str(model), "", "face_detector"), scene((60, 150))) is None
    prepare(asked(dataset, names=("both.png",), size="120x200", focus="face", face_detector=str(model)))
    pixels = np.asarray(Image.open(dataset / "both.png").convert("RGB")).astype(int)
    assert ((pixels[..., 2] > 200) & (pixels[..., 0] < 60)).mean() > 0.14


def test_a_mask_goes_aside_with_its_picture_and_comes_back(dataset, tmp_path):
    Image.new("L", (40, 30), 255).save(tmp_path / "mine.png")
    prepare(asked(dataset, names=("left.png",), mask_file=str(tmp_path / "mine.png")))
    folders, before = folders_of_dataset(dataset), contents(dataset)
    aside.set_aside(folders, [(dataset / "left.png", "a test")])
    assert sorted(contents(dataset)) == ["right.jpg", "right.txt"]
    assert [one.name for one in aside.list_aside(folders)] == ["left.png"]
    aside.bring_back(folders)
    assert contents(dataset) == before
    history.undo(dataset)
    history.undo(dataset)
    assert contents(dataset) == before
