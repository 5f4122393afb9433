"""The plan of a run: the sentences, the exact steps, the captions, and what makes a run impossible."""

import os
import shutil

import pytest

from lora_nb.bases import suggested
from lora_nb.bases.lookup import check_base
from lora_nb.config.intake import ImportConfig
from lora_nb.config.training import TrainConfig
from lora_nb.dataset import example
from lora_nb.intake.importer import import_dataset
from lora_nb.settings import make, replace
from lora_nb.training.plan import plan_run, resolve


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    folder = tmp_path / "Loras" / "cat" / "dataset"
    make_pictures(folder, 6)
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(folder),
        trigger_word="ohwx",
    )


def test_the_sentences_people_know(config):
    plan = plan_run(replace(config, num_repeats=21, train_batch_size=2, max_train_epochs=10))
    assert plan.lines[:3] == (
        "📈 Found 6 images with 21 repeats, equaling 126 steps.",
        "📉 Divide 126 steps by 2 batch size to get 63 steps per epoch.",
        "🔮 There will be 10 epochs, for around 630 total training steps.",
    )
    assert plan.total_steps == 630 and plan.steps_per_epoch == 63 and plan.resolution == 64


def test_steps_are_exact_with_buckets_accumulation_processes_and_folders(config, make_pictures, tmp_path):
    make_pictures(tmp_path / "Loras" / "cat" / "dataset" / "3_wide", 3, size=(200, 80))
    options = {"num_repeats": 1, "min_bucket_reso": 16, "bucket_reso_steps": 16, "train_batch_size": 4}
    plan = plan_run(replace(config, **options))
    assert sorted(set(plan.buckets)) == [(64, 64), (96, 32)]
    assert plan.batches_per_epoch == 2 + 3 and plan.steps_per_epoch == 5
    assert plan_run(replace(config, **options, gradient_accumulation_steps=2)).steps_per_epoch == 3
    assert plan_run(replace(config, **options), processes=2).steps_per_epoch == 3
    assert plan.lines[:2] == (
        "📈 Found 3 images in 3_wide with 3 repeats, equaling 9 steps.",
        "📈 Found 6 images in dataset with 1 repeat, equaling 6 steps.",
    )
    assert plan_run(replace(config, **options, max_train_steps=7)).epochs == 2


def test_buckets_work_on_a_small_base(config, make_pictures, tmp_path):
    """The bounds that were used go into the config, and so into the file and into what makes two runs the same."""
    make_pictures(tmp_path / "Loras" / "cat" / "dataset" / "1_tall", 1, size=(80, 200))
    plan = plan_run(config)
    assert set(plan.buckets) == {(64, 64), (40, 96)} and plan.warnings == ()
    fitted = (
        plan.config.pictures.min_bucket_reso,
        plan.config.pictures.max_bucket_reso,
        plan.config.pictures.bucket_reso_steps,
    )
    assert fitted == (32, 128, 8) and plan_run(plan.config).config == plan.config
    assert plan_run(replace(config, resolution=512)).config == replace(resolve(config), resolution=512)
    off = plan_run(replace(config, min_bucket_reso=100))
    assert set(off.buckets) == {(64, 64)}
    assert off.warnings == (
        "min_bucket_reso = 100 is above the resolution 64: wide and tall pictures are cropped to a square; "
        "half the resolution is usual",
    )


def test_empty_names_are_filled_in_from_the_project(config, tmp_path):
    resolved = resolve(config)
    assert resolved.place.output_name == "cat" and resolved.place.output_dir == str(
        tmp_path / "Loras" / "cat" / "output"
    )
    assert resolve(replace(config, output_dir=str(tmp_path / "elsewhere"))).place.output_name == "elsewhere"
    with pytest.raises(ValueError, match="output_name"):
        resolve(replace(config, output_name="a/b"))


def test_pictures_without_captions(config, tmp_path):
    folder = tmp_path / "Loras" / "cat" / "dataset"
    (folder / "00.txt").unlink()
    (folder / "01.txt").write_text("  \n")
    plan = plan_run(config)
    assert plan.captions[:2] == ("ohwx", "ohwx") and "2 of 6 pictures have no caption" in plan.warnings[0]
    for caption in folder.glob("*.txt"):
        caption.unlink()
    assert set(plan_run(config).captions) == {"ohwx"}
    with pytest.raises(ValueError, match="none of the 6 pictures in .* has a caption"):
        plan_run(replace(config, trigger_word=""))
    folder.rename(folder.with_name("4_sks cat"))
    named = replace(config, trigger_word="", train_data_dir=str(folder.with_name("data")))
    folder.with_name("data").mkdir()
    folder.with_name("4_sks cat").rename(folder.with_name("data") / "4_sks cat")
    assert set(plan_run(named).captions) == {"sks cat"} and set(plan_run(named).repeats) == {4}


def test_each_picture_without_a_caption_is_said_to_be_trained_with_what_it_is(
    config, make_pictures, tmp_path
):
    folder = tmp_path / "Loras" / "cat" / "dataset"
    make_pictures(folder / "3_sks cat", 2, captions=False)
    make_pictures(folder / "misc", 1, captions=False)
    (folder / "00.txt").unlink()
    plan = plan_run(replace(config, trigger_word=""))
    assert plan.warnings[:2] == (
        "2 of 9 pictures have no caption and are trained with an empty caption: give a trigger_word, or tag them: 00.png, 00.png",
        '2 of 9 pictures have no caption and are trained with "sks cat", from their folder\'s name: 00.png, 01.png',
    )
    lacking = dict(
        zip([item.path.relative_to(folder).as_posix() for item in plan.items], plan.captions, strict=True)
    )
    assert (lacking["00.png"], lacking["misc/00.png"], lacking["3_sks cat/01.png"]) == ("", "", "sks cat")
    (words,) = plan_run(config).warnings
    assert words.startswith('4 of 9 pictures have no caption and are trained with "ohwx": 00.png')


def test_what_makes_a_run_impossible(config, tmp_path):
    for wrong, words in (
        (replace(config, train_data_dir=""), "train_data_dir is empty"),
        (replace(config, train_data_dir=str(tmp_path / "gone")), "does not exist"),
        (replace(config, train_data_dir=str(tmp_path / "Loras")), "holds no pictures"),
    ):
        with pytest.raises(ValueError, match=words):
            plan_run(wrong)


def test_warnings_say_what_has_no_effect(config, tmp_path):
    (tmp_path / "Loras" / "cat" / "dataset" / "broken.jpg").write_bytes(b"no picture")
    plan = plan_run(
        replace(
            config,
            lr_scheduler="linear",
            lr_scheduler_num_cycles=5,
            shuffle_caption=False,
            keep_tokens=2,
            num_repeats=900,
        )
    )
    text = " ".join(plan.warnings)
    assert (
        "broken.jpg" in text
        and "lr_scheduler_num_cycles has no effect with lr_scheduler = linear; it has one with cosine_with_restarts"
        in text
        and "keep_tokens has no effect" in text
    )
    assert "is a great deal" in text
    assert plan_run(replace(config, lr_scheduler="constant")).warnings[1:] == ()


def test_a_comment_has_no_place_without_metadata(config):
    plan = plan_run(replace(config, no_metadata=True, training_comment="x"))
    assert plan.warnings == ("training_comment has no effect with no_metadata",)


def test_preservation_without_a_trigger_word_has_no_effect(config):
    keeps = replace(config, diff_output_preservation=1.0)
    assert plan_run(keeps).warnings == ()
    assert "no effect: there is no trigger_word" in plan_run(replace(keeps, trigger_word="")).warnings[0]
    strange = plan_run(replace(keeps, trigger_word="sks"))
    assert strange.warnings == ("diff_output_preservation has no effect: no caption holds the trigger_word",)


def test_a_base_that_is_not_there_is_said(tiny_base, tmp_path):
    check_base("demo")
    check_base(str(tiny_base))
    (tmp_path / "page.safetensors").write_bytes(b"<html>")
    for name, says in {
        "no_such_base": 'base model "no_such_base" was not found',
        "nobody/never-seen": '"nobody/never-seen" is not on this machine and Hugging Face cannot be reached',
        str(tmp_path / "page.safetensors"): "page.safetensors is a web page, not a model",
    }.items():
        with pytest.raises(ValueError, match=says):
            check_base(name)


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
def test_a_folder_without_its_weights_is_no_base(tiny_base, tmp_path, part):
    folder = tmp_path / "base"
    shutil.copytree(tiny_base, folder)
    path = next((folder / part).glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="cut off"):
        check_base(str(folder))
    path.unlink()
    with pytest.raises(ValueError, match=f"{part} holds no weights"):
        check_base(str(folder))


def test_a_layer_that_the_text_encoder_lacks_is_told(config):
    assert plan_run(replace(config, clip_skip=3)).total_steps
    with pytest.raises(ValueError, match=r"clip_skip = 4 .* text encoder has 3 layers, so at most 3"):
        plan_run(replace(config, clip_skip=4))
    with pytest.raises(ValueError, match="has 4 layers"):
        plan_run(replace(config, pretrained_model_name_or_path="demo", clip_skip=12))


@pytest.mark.skipif(os.name == "nt", reason="Windows' names are Unicode")
@pytest.mark.parametrize("where", ["dataset", "subset", "output"])
def test_a_folder_name_that_is_not_utf8_is_told(config, make_pictures, tmp_path, where):
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/4_caf\xe9")
    if where == "output":
        config = replace(config, output_dir=strange, output_name="cat")
    else:
        make_pictures(tmp_path.__class__(strange), 1)
        config = replace(config, train_data_dir=strange if where == "dataset" else str(tmp_path))
    with pytest.raises(ValueError, match=r"4_caf\\xe9.* not UTF-8") as caught:
        plan_run(config)
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize("name", ["cat", "my cat-2 (new)", "ねこ", "c.a.t", "nullify", "a" * 217])
def test_usable_output_names(config, name):
    assert resolve(replace(config, output_name=name)).place.output_name == name


@pytest.mark.parametrize(
    "name",
    ["a/b", "a\\b", "a:b", "<a>", 'a"b', "a|b", "a?", "a*", "a\nb", "a\x7f", ".a", "a.", "a ", "con", "NUL.x", "Com1", "a" * 218, "ね" * 73, "\udce9"],
)  # fmt: skip
def test_unusable_output_names(config, name):
    with pytest.raises(ValueError, match="^output_name = .* is not usable: ") as caught:
        resolve(replace(config, output_name=name))
    str(caught.value).encode("utf-8")
    assert "\n" not in str(caught.value)


def test_preservation_is_told_with_its_class_word_and_its_text_encoder(config):
    keeps = replace(config, diff_output_preservation=1.0)
    assert plan_run(config).lines[-1].startswith("🎯")
    assert plan_run(keeps).lines[-1] == (
        "🧷 Preservation: without the trigger word, U-Net and text encoder, both trained, together answer "
        "as the untrained base does."
    )
    named = replace(keeps, diff_output_preservation_class="1girl", text_encoder_lr=0.0)
    assert plan_run(named).lines[-1] == (
        '🧷 Preservation: with "1girl" in the place of the trigger word, the U-Net answers as the untrained base does.'
    )
    options = {"diff_output_preservation_class": "1girl", "diff_output_preservation_share": 0.5}
    idle = " ".join(plan_run(replace(config, **options)).warnings)
    assert "_class has no effect without" in idle and "_share has no effect without" in idle
    same = plan_run(replace(keeps, diff_output_preservation_class="ohwx"))
    assert same.warnings == (
        "diff_output_preservation has no effect: it puts the trigger_word in its own place",
    )


def test_the_demo_base_under_other_pictures_needs_a_yes(config, tmp_path):
    demo = replace(config, pretrained_model_name_or_path="demo")
    with pytest.raises(
        ValueError, match=f"give a real base such as {suggested.USUAL}, or allow_demo_base = true"
    ):
        plan_run(demo)
    assert plan_run(replace(demo, allow_demo_base=True)).total_steps
    with pytest.raises(ValueError, match="pretrained_model_name_or_path is empty"):
        plan_run(replace(config, pretrained_model_name_or_path=" "))


@pytest.mark.parametrize("name", ["character", "style"])
def test_the_demo_base_is_for_the_example_pictures_by_whatever_name(name, config, make_pictures, tmp_path):
    own = tmp_path / "Loras" / "example" / "dataset"
    source = str(example.FOLDER / f"{name}.zip")
    import_dataset(ImportConfig(source=source, train_data_dir=str(own), subset="1_any"))
    for path in own.glob("1_any/*.png"):
        path.rename(path.with_name(f"mine {path.name}"))
    demo = replace(config, pretrained_model_name_or_path="demo", train_data_dir=str(own))
    assert plan_run(demo).total_steps
    make_pictures(own, 1)
    with pytest.raises(ValueError, match="not all of these are among them"):
        plan_run(demo)
