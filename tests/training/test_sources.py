"""The folders a run learns from, with the settings of each, and what the plan and the batches make of them."""

import json
from collections import Counter
from pathlib import Path

import pytest

from lora_nb import events, settings
from lora_nb.bases.process import Diffusion
from lora_nb.config.training import TrainConfig
from lora_nb.dataset.images import mask_path
from lora_nb.settings import make, replace
from lora_nb.training import dataset_facts, kept_settings, state
from lora_nb.training.batches import EpochDataset
from lora_nb.training.latents import encode_pictures
from lora_nb.training.plan import plan_run, resolve
from lora_nb.training.sources import sources_of


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    folder = tmp_path / "cat" / "dataset"
    make_pictures(folder, 3)
    make_pictures(folder / "4_side", 2)
    make_pictures(tmp_path / "reg" / "2_a cat", 3, captions=False)
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(folder),
        trigger_word="ohwx",
        num_repeats=2,
        caption_dropout_rate=0.0,
    )


def batches(config, base, epoch=1):
    plan = plan_run(config)
    process = Diffusion({"num_train_timesteps": 1000}, "epsilon")
    dataset = EpochDataset(
        plan, encode_pictures(plan, base, events.silent), lambda each: each, process, epoch
    )
    return plan, [dataset[at] for at in range(len(dataset))]


def seen(plan, drawn):
    """The folder of every appearance, with its caption."""
    return [
        (plan.examples[sample.image].item.path.parent.name, text)
        for batch in drawn
        for sample, text in zip(batch.samples, batch.captions, strict=True)
    ]


def with_subsets(config, *texts, **options):
    return settings.from_dict(TrainConfig, {**settings.to_dict(config), "subsets": list(texts), **options})


def test_a_folder_has_the_settings_of_the_run_but_for_its_own(config, base):
    own = with_subsets(
        config,
        'folder = "4_side", num_repeats = 5, shuffle_caption = false, caption_prefix = "side,", flip_aug = true',
    )
    plan, drawn = batches(own, base)
    assert [source.repeats for source in sources_of(own, events.silent)] == [2, 5]
    texts = seen(plan, drawn)
    assert Counter(folder for folder, _ in texts) == {"dataset": 6, "4_side": 10}
    assert all(text.startswith("side, ohwx, ") == (folder == "4_side") for folder, text in texts)
    assert {text for folder, text in texts if folder == "4_side"} == {
        f"side, {each.caption}" for each in plan.examples if each.item.subset == "4_side"
    }
    assert [len(views) for views in encode_pictures(plan, base, events.silent)] == [1, 1, 1, 2, 2]


def test_a_folder_elsewhere_joins_in(config, base, make_pictures, tmp_path):
    make_pictures(tmp_path / "3_far", 1, captions=False)
    plan, drawn = batches(
        with_subsets(config, f'folder = "{tmp_path / "3_far"}", class_tokens = "a far thing"'), base
    )
    texts = Counter(seen(plan, drawn))
    assert texts["3_far", "a far thing"] == 3
    assert plan.lines[0] == "📈 Found 1 image in 3_far with 3 repeats, equaling 3 steps."


def test_captions_with_another_ending_in_one_folder(config, base, tmp_path):
    for path in (tmp_path / "cat" / "dataset" / "4_side").glob("*.txt"):
        path.with_suffix(".cap").write_text("from cap")
    plan = plan_run(with_subsets(config, 'folder = "4_side", caption_extension = ".cap"'))
    assert [each.caption for each in plan.examples if each.item.subset == "4_side"] == ["from cap"] * 2
    assert all(each.caption.startswith("ohwx") for each in plan.examples if each.item.subset == "dataset")


def test_subsets_are_tables_in_a_file_and_come_back_from_it(config, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        'num_repeats = 1\n[[subsets]]\nfolder = "4_side"\nkeep_tokens = 2\n[[subsets]]\nfolder = "."\n'
    )
    read = settings.load(TrainConfig, path)
    assert read.pictures.subsets == ('folder = "4_side", keep_tokens = 2', 'folder = "."')
    settings.save(read, path)
    assert settings.load(TrainConfig, path) == read
    assert 'folder = "4_side", keep_tokens = 2' in path.read_text()


def test_regularisation_is_seen_as_often_without_the_trigger_word_and_counts_for_itself(config, base):
    plan, drawn = batches(
        settings.replace(config, reg_data_dir=str(Path(config.place.train_data_dir).parents[1] / "reg")), base
    )
    texts = seen(plan, drawn)
    assert Counter(folder for folder, _ in texts) == {"dataset": 6, "4_side": 8, "2_a cat": 14}
    assert {text for folder, text in texts if folder == "2_a cat"} == {"a cat"}
    assert plan.lines[2] == "🧷 Found 3 regularisation images, seen 14 times per epoch in all."
    assert all(len(batch.counts) == len(batch.samples) for batch in drawn)
    facts = dataset_facts.of_run(plan, 1)
    assert (facts["ss_num_train_images"], facts["ss_num_reg_images"]) == (14, 14)
    assert facts["ss_reg_dataset_dirs"] == {"2_a cat": {"n_repeats": 2, "img_count": 3}}
    assert set(facts["ss_dataset_dirs"]) == set(facts["ss_tag_frequency"]) == {"dataset", "4_side"}


def test_without_regularisation_nothing_is_counted(config, base):
    _, drawn = batches(config, base)
    assert all(batch.counts == () and batch.masks is None for batch in drawn)


def test_the_weight_of_regularisation_is_that_of_the_loss(config, base, tmp_path):
    """Whether or not the settings of the loss know prior_loss_weight yet, 1 is what they count without it."""
    plan, drawn = batches(settings.replace(config, reg_data_dir=str(tmp_path / "reg")), base)
    prior = settings.values_of(plan.config.loss).get("prior_loss_weight", 1.0)
    wanted = [
        tuple(prior if plan.examples[sample.image].source.is_reg else 1.0 for sample in batch.samples)
        for batch in drawn
    ]
    assert [batch.counts for batch in drawn] == wanted


def test_each_picture_is_trained_at_each_resolution(config, base):
    plan, drawn = batches(settings.replace(config, resolution="64;32;64,32", enable_bucket=False), base)
    one = plan_run(settings.replace(config, resolution=64, enable_bucket=False))
    assert plan.resolution == "64;32;64,32" and len(plan.examples) == 3 * len(one.examples)
    shapes = Counter()
    for batch in drawn:
        shapes[tuple(batch.latents.shape[-2:])] += len(batch.samples)
        assert {plan.buckets[sample.image] for sample in batch.samples} == {
            (batch.latents.shape[-1] * 4, batch.latents.shape[-2] * 4)
        }
    assert shapes == {(16, 16): 14, (8, 8): 14, (8, 16): 14}
    assert len(drawn) == plan.batches_per_epoch == 3 * one.batches_per_epoch
    assert "trained at 3 resolutions" in plan.lines[2]
    facts = dataset_facts.of_run(plan, 1)
    assert facts["ss_dataset_dirs"] == dataset_facts.of_run(one, 1)["ss_dataset_dirs"]
    assert facts["ss_tag_frequency"] == dataset_facts.of_run(one, 1)["ss_tag_frequency"]
    assert [each["resolution"] for each in facts["ss_datasets"]] == [[64, 64], [32, 32], [64, 32]]
    assert "ss_datasets" not in dataset_facts.of_run(one, 1)


def test_a_resolution_may_be_wide(config):
    plan = plan_run(settings.replace(config, resolution="96,32", enable_bucket=False))
    assert set(plan.buckets) == {(96, 32)} and dataset_facts.of_run(plan, 1)["ss_resolution"] == "(96, 32)"
    bucketed = plan_run(settings.replace(config, resolution="96,32"))
    assert all(width * height <= 96 * 32 for width, height in bucketed.buckets)


KOHYA = """
[general]
shuffle_caption = false
[[datasets]]
resolution = 64
batch_size = 3
  [[datasets.subsets]]
  image_dir = "cat/dataset"
  num_repeats = 3
[[datasets]]
resolution = [64, 32]
enable_bucket = false
batch_size = 1
  [[datasets.subsets]]
  image_dir = "cat/dataset"
  [[datasets.subsets]]
  image_dir = "reg/2_a cat"
  is_reg = true
  class_tokens = "a cat"
"""


def test_a_dataset_file_of_sd_scripts_is_trained_as_it_says(config, base, tmp_path):
    path = tmp_path / "data.toml"
    path.write_text(KOHYA)
    plan, drawn = batches(settings.replace(config, dataset_config=str(path)), base)
    sizes = Counter((tuple(batch.latents.shape[-2:]), len(batch.samples)) for batch in drawn)
    assert sizes == {((16, 16), 3): 3, ((8, 16), 1): 3 + 3}
    texts = seen(plan, drawn)
    assert Counter(folder for folder, _ in texts) == {"dataset": 9 + 3, "2_a cat": 3}
    assert {text for folder, text in texts if folder == "2_a cat"} == {"a cat"}
    assert plan.batches_per_epoch == len(drawn) == 9 and plan.resolution == "64;64,32"
    described = dataset_facts.of_run(plan, 1)["ss_datasets"]
    assert [(each["batch_size_per_device"], each["num_reg_images"]) for each in described] == [(3, 0), (1, 3)]
    assert json.loads(json.dumps(described))[1]["subsets"][1]["class_tokens"] == "a cat"
    assert str(tmp_path) not in json.dumps(dataset_facts.of_run(plan, 1))


def test_what_a_dataset_file_says_of_buckets_is_looked_at(config, tmp_path):
    path = tmp_path / "data.toml"
    path.write_text(KOHYA.replace("batch_size = 3", "min_bucket_reso = 90"))
    said = plan_run(settings.replace(config, dataset_config=str(path))).warnings
    assert "min_bucket_reso = 90 is above the resolution 64" in " ".join(said)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reg_data_dir": "/gone"}, "reg_data_dir: /gone is not a folder"),
        ({"dataset_config": "/gone.toml"}, "dataset_config = /gone.toml does not exist"),
        ({"dataset_config": "x.toml", "subsets": ('folder = "."',)}, "both name folders"),
        ({"subsets": ('folder = "4_side", rank = 3',)}, 'unknown setting "rank"'),
    ],
)
def test_what_cannot_be_used_is_said(config, options, says):
    with pytest.raises(ValueError, match=says):
        plan_run(settings.replace(config, **options))


def test_regularisation_alone_teaches_nothing(config, tmp_path):
    with pytest.raises(ValueError, match="holds no pictures that can be read"):
        plan_run(with_subsets(config, 'folder = ".", is_reg = true', 'folder = "4_side", is_reg = true'))


def fingerprint(config):
    return state.identity_of(plan_run(config), "base", 1)


@pytest.mark.parametrize(
    "text",
    [
        'folder = "4_side", flip_aug = true',
        'folder = "4_side", is_reg = true',
        'folder = "4_side", num_repeats = 9',
    ],
)
def test_a_run_with_other_subsets_is_another_run(config, text):
    assert fingerprint(with_subsets(config, text)).dataset != fingerprint(config).dataset


def test_a_run_goes_on_though_its_folders_are_named_in_another_way(config, tmp_path):
    one = with_subsets(config, 'folder = "4_side", keep_tokens = 2')
    two = with_subsets(config, f'folder = "{tmp_path / "cat" / "dataset" / "4_side"}", keep_tokens = 2')
    assert fingerprint(one) == fingerprint(two)


def test_balanced_folders_are_said_and_counted(config):
    plan = plan_run(replace(config, balance=True))
    assert plan.lines[2] == "⚖️ Balanced: each folder is seen 8 times per epoch."
    assert sum(plan.repeats) == 16 and plan_run(config).repeats == (2, 2, 2, 4, 4)


def test_masks_lie_beside_the_pictures_or_in_a_folder_of_their_own(config, tmp_path):
    picture = Path(config.place.train_data_dir) / "00.png"
    (plain, *_), masks = sources_of(config, events.silent), tmp_path / "masks"
    assert plain.mask_of(picture) is None
    mask_path(picture).write_bytes(b"")
    assert plain.mask_of(picture) == mask_path(picture)
    masks.mkdir()
    own, *_ = sources_of(
        with_subsets(config, f'folder = ".", conditioning_data_dir = "{masks}"'), events.silent
    )
    assert own.mask_of(picture) is None
    (masks / "00.txt").write_text("no mask")
    (masks / "00.jpg").write_bytes(b"")
    assert own.mask_of(picture) == masks / "00.jpg"


def test_a_dataset_file_alone_needs_to_know_where_the_output_goes(config, tmp_path):
    path = tmp_path / "data.toml"
    path.write_text(KOHYA)
    alone = settings.replace(config, dataset_config=str(path), train_data_dir="")
    with pytest.raises(ValueError, match="train_data_dir and output_dir are empty: with a dataset_config"):
        plan_run(alone)
    plan = plan_run(settings.replace(alone, output_dir=str(tmp_path / "out")))
    assert plan.config.place.output_name == "out" and len(plan.examples) == 9


def test_the_folders_of_a_run_are_kept_relative_to_its_project(config, tmp_path):
    project = Path(config.place.train_data_dir).parent
    reg = settings.replace(config, reg_data_dir=str(project / "reg"), dataset_config="")
    kept_settings.keep(resolve(reg))
    kept = settings.load(TrainConfig, project / "runs" / "cat" / "run.toml")
    assert (kept.pictures.reg_data_dir, kept.pictures.dataset_config) == ("reg", "")


def test_a_regularisation_folder_without_pictures_is_said(config, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="none holds no pictures that can be read"):
        plan_run(settings.replace(config, reg_data_dir=str(tmp_path / "none")))
