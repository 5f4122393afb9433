"""Captions by every kind of captioner: with the real classes, tiny and random."""

import json
import re
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertTokenizerFast,
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
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


# The other kinds: models of one or two layers whose tokenizer knows some words, wide enough for 4 bits.
MARKS = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", "<image>"]
KNOWN = [*WORDS, "USER", "ASSISTANT", "Question", "Describe", "this", "picture", "?"]
COUNT = len(MARKS + KNOWN)
SIZE = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2}
VISION = {**SIZE, "image_size": 32, "patch_size": 8}
ENDS = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
CHAT = (
    "{% for m in messages %}USER {% for c in m['content'] %}{% if c['type'] == 'image' %}<image> "
    "{% else %}{{ c['text'] }} {% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %}ASSISTANT{% endif %}"
)


def words_of(**named):
    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(MARKS + KNOWN)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    marks = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), MARKS, strict=False))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks, **named)


def pixels(**named):
    return CLIPImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False, **named)


def blip2_model():
    text = {
        **ENDS, "model_type": "opt", "hidden_size": 64, "ffn_dim": 128, "num_attention_heads": 2, "num_hidden_layers": 2,
        "vocab_size": COUNT, "max_position_embeddings": 64, "word_embed_proj_dim": 64,
    }  # fmt: skip
    former = {**SIZE, "encoder_hidden_size": 64, "vocab_size": COUNT}
    config = Blip2Config(
        vision_config=VISION, qformer_config=former, text_config=text, num_query_tokens=4, image_token_index=4
    )
    looks = BlipImageProcessor(size={"height": 32, "width": 32})
    model = Blip2ForConditionalGeneration(config)
    with torch.no_grad():  # its language model does not know what is suppressed in the whole
        model.get_input_embeddings().weight[[0, 1, 2, 4]] = 0
    return model, Blip2Processor(looks, words_of(), num_query_tokens=4)


def florence_model():
    text = {
        **ENDS, "model_type": "bart", "vocab_size": COUNT, "d_model": 64, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "max_position_embeddings": 128, "decoder_start_token_id": 3, "forced_eos_token_id": 3,
    }  # fmt: skip
    vision = {
        "depths": (1,), "patch_size": (7,), "patch_stride": (4,), "patch_padding": (3,), "patch_prenorm": (False,),
        "embed_dim": (64,), "num_heads": (2,), "num_groups": (2,), "window_size": 4, "projection_dim": 64,
    }  # fmt: skip
    looks = pixels()
    looks.image_seq_length = 65
    words = words_of(extra_special_tokens={"image_token": "<image>"})
    config = Florence2Config(text_config=text, vision_config=vision, image_token_id=4)
    return Florence2ForConditionalGeneration(config), Florence2Processor(looks, words)


def llava_model():
    text = {**ENDS, **SIZE, "model_type": "llama", "vocab_size": COUNT, "max_position_embeddings": 128}
    vision = {**VISION, "model_type": "clip_vision_model", "projection_dim": 64}
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=4, image_seq_length=16)
    words = words_of(extra_special_tokens={"image_token": "<image>"})
    more = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    looks = pixels(crop_size={"height": 32, "width": 32})
    return LlavaForConditionalGeneration(config), LlavaProcessor(looks, words, chat_template=CHAT, **more)


def git_model():
    config = GitConfig(vision_config=VISION, **SIZE, **ENDS, vocab_size=COUNT, max_position_embeddings=64)
    return GitForCausalLM(config), GitProcessor(pixels(), words_of())


KINDS = {"blip-2": blip2_model, "florence2": florence_model, "llava": llava_model, "git": git_model}


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """The folder of a tiny model of a kind, made once. None of its answers has a mark in it."""
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            torch.manual_seed(0)
            model, processor = KINDS[kind]()
            model.generation_config.suppress_tokens = [0, 1, 2, 4]
            model.save_pretrained(made[kind])
            processor.save_pretrained(made[kind])
        return made[kind]

    return of


def texts_of(dataset):
    return [captions.read_caption(dataset / f"{name}.png") for name in "abc"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_captioner_writes_a_sentence(dataset, folder_of, kind):
    report = run(dataset, folder_of(kind), existing="overwrite", batch_size=2)
    assert (report.tagged, report.failed) == (3, ())
    for text in texts_of(dataset):
        assert 3 <= len(text.split()) <= 6 and set(text.split()) <= set(KNOWN), text
    together = texts_of(dataset)
    run(dataset, folder_of(kind), existing="overwrite", batch_size=1)
    assert texts_of(dataset) == together


def test_a_model_that_is_asked_repeats_no_question_and_blip2_goes_on_with_words(dataset, folder_of):
    run(dataset, folder_of("llava"), existing="overwrite", prompt="Describe this picture", num_beams=2)
    assert all(3 <= len(text.split()) <= 6 for text in texts_of(dataset))
    run(dataset, folder_of("blip-2"), existing="overwrite", prompt="a photo of")
    assert all(text.startswith("a photo of ") for text in texts_of(dataset))
    run(dataset, folder_of("blip-2"), existing="overwrite", prompt="Question a photo ?")
    assert all(text and not text.startswith("Question") for text in texts_of(dataset))


def test_florence_is_asked_by_its_tasks(dataset, folder_of):
    for task in ("<CAPTION>", "<MORE_DETAILED_CAPTION>", "Describe this picture"):
        assert run(dataset, folder_of("florence2"), existing="overwrite", prompt=task).tagged == 3


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"prefix": "a drawing of"}, r"a drawing of \w.*"),
        ({"suffix": ", film grain"}, r"\w.*\w, film grain"),
        ({"suffix": "in fog"}, r"\w.* in fog"),
    ],
)
def test_words_before_and_after_every_sentence(dataset, folder_of, settings, expected):
    run(dataset, folder_of("git"), existing="overwrite", **settings)
    assert all(re.fullmatch(expected, text) for text in texts_of(dataset))


def test_a_sentence_joins_tags_in_the_order_asked_for(dataset, folder_of):
    run(dataset, folder_of("git"), existing="overwrite")
    sentence = texts_of(dataset)[2]
    for order, expected in (
        ("tags first", f"hat, cat, {sentence}"),
        ("sentence first", f"{sentence}, hat, cat"),
    ):
        captions.write_caption(dataset / "c.png", "hat, cat")
        run(dataset, folder_of("git"), existing="append", order=order)
        assert texts_of(dataset)[2] == expected


def test_what_a_captioner_cannot_do_is_said(dataset, folder_of, tmp_path):
    with pytest.raises(ValueError, match='prompt = "a cat" has no effect: a GIT model takes none'):
        run(dataset, folder_of("git"), prompt="a cat")
    shutil.copytree(folder_of("llava"), tmp_path / "mute")
    (tmp_path / "mute" / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="it has no chat template"):
        run(dataset, tmp_path / "mute")


def test_a_file_of_another_format_is_refused_instead_of_talking_nonsense(dataset, folder_of, tmp_path):
    """As the Florence-2 of Microsoft, whose weights have other names and which needs code from its repository."""
    shutil.copytree(folder_of("florence2"), tmp_path / "other")
    weights = load_file(tmp_path / "other" / "model.safetensors")
    renamed = {name.replace("vision_tower", "image_tower"): value for name, value in weights.items()}
    save_file(renamed, tmp_path / "other" / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ValueError, match=r"its files lack \d+ weights .* take florence-community/Florence-2-base"
    ):
        run(dataset, tmp_path / "other")


def test_code_from_a_repository_is_never_run(dataset, folder_of, tmp_path):
    shutil.copytree(folder_of("git"), tmp_path / "own")
    config = json.loads((tmp_path / "own" / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine", "AutoModel": "mine.Mine"}}
    (tmp_path / "own" / "config.json").write_text(json.dumps(config))
    (tmp_path / "own" / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ValueError, match="cannot be loaded"):
        run(dataset, tmp_path / "own")
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_four_bits_need_a_gpu(dataset, folder_of):
    with pytest.raises(ValueError, match="four_bit = yes needs an NVIDIA GPU"):
        run(dataset, folder_of("llava"), four_bit="yes")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_four_bits_on_a_gpu(dataset, folder_of):
    assert run(dataset, folder_of("llava"), four_bit="yes", existing="overwrite").tagged == 3
