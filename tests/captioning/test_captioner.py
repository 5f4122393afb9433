"""BLIP captions: with the real classes, tiny and random."""

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    CLIPConfig,
)

from lora_nb.captioning import captioner
from lora_nb.config.captioning import CaptionConfig
from lora_nb.dataset import captions
from lora_nb.events import Progress

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
WORDS = ["a", "photo", "of", "cat", "dog", "red", "house", "on", "the", "mat"]


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    """The folder of a BLIP of two small layers that writes words of WORDS."""
    folder = tmp_path_factory.mktemp("blip")
    words = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(SPECIAL + WORDS)}, unk_token="[UNK]")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = BertTokenizerFast(tokenizer_object=words, bos_token="[DEC]")
    size = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    special = {"bos_token_id": 5, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    config = BlipConfig(
        text_config={
            **size,
            **special,
            "vocab_size": len(SPECIAL + WORDS),
            "max_position_embeddings": 64,
            "encoder_hidden_size": 16,
        },
        vision_config={**size, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    torch.manual_seed(0)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def dataset(tmp_path):
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    for name, colour in {"a": "red", "b": "green", "c": "blue"}.items():
        Image.new("RGB", (40, 30), colour).save(dataset / f"{name}.png")
    captions.write_caption(dataset / "c.png", "ohwx, mine")
    return dataset


def run(dataset, blip, tell=lambda event: None, **settings):
    settings = {"min_new_tokens": 3, "max_new_tokens": 6, **settings}
    return captioner.caption_images(CaptionConfig(str(dataset), str(blip), **settings), tell)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_every_picture_without_a_caption_gets_a_sentence(dataset, blip, num_beams):
    seen = []
    report = run(dataset, blip, seen.append, num_beams=num_beams, batch_size=1)
    assert (report.tagged, report.skipped, report.failed) == (2, 1, ())
    for name in ("a", "b"):
        words = captions.read_caption(dataset / f"{name}.png").split()
        assert 3 <= len(words) <= 6 and set(words) <= set(WORDS)
    assert captions.read_caption(dataset / "c.png") == "ohwx, mine"
    assert seen[-1] == Progress("Captioning", 2, 2)


def test_one_batch_says_what_single_pictures_say(dataset, blip):
    run(dataset, blip, batch_size=1, existing="overwrite")
    alone = [captions.read_caption(dataset / f"{name}.png") for name in "abc"]
    run(dataset, blip, batch_size=8, existing="overwrite")
    assert [captions.read_caption(dataset / f"{name}.png") for name in "abc"] == alone


def test_appending_keeps_the_trigger_first_and_adds_the_sentence_once(dataset, blip):
    run(dataset, blip, existing="append")
    once = captions.read_caption(dataset / "c.png")
    assert once.startswith("ohwx, mine, ")
    run(dataset, blip, existing="append")
    assert captions.read_caption(dataset / "c.png") == once


def test_a_damaged_picture_is_named_and_the_others_are_described(dataset, blip):
    (dataset / "broken.png").write_bytes((dataset / "a.png").read_bytes()[:60])
    report = run(dataset, blip)
    assert report.tagged == 2
    assert [name for name, _ in report.failed] == ["broken.png"]


def test_an_unusable_captioner_is_one_clear_sentence(dataset, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"captioner .* cannot be loaded .*: give the id or folder"):
        run(dataset, tmp_path / "empty")
    with pytest.raises(ValueError, match="nobody/no-captioner"):
        run(dataset, "nobody/no-captioner")


def test_a_model_of_another_kind_is_refused_instead_of_talking_nonsense(dataset, tmp_path):
    CLIPConfig().save_pretrained(tmp_path / "clip")
    with pytest.raises(ValueError, match="it is a clip model"):
        run(dataset, tmp_path / "clip")
