"""Tokenizers of bases: whole ones in both layouts are read, a damaged one is a sentence that names the file."""

import json
import shutil
from pathlib import Path

import pytest

from conftest import write_tokenizer
from lora_nb.bases import stable_files
from lora_nb.bases.clip_tokenizer import load_tokenizer
from lora_nb.bases.models import load_base

HTML = b"<!DOCTYPE html><html><body>404</body></html>"
DEEP = b'{"a":' * 100_000


@pytest.fixture(scope="module")
def layouts(tmp_path_factory) -> dict[str, Path]:
    apart, whole = tmp_path_factory.mktemp("apart") / "t", tmp_path_factory.mktemp("whole") / "t"
    write_tokenizer(apart)
    load_tokenizer(apart).save_pretrained(whole)
    return {"apart": apart, "whole": whole}


@pytest.fixture
def copies(layouts, tmp_path) -> dict[str, Path]:
    return {name: shutil.copytree(folder, tmp_path / name) for name, folder in layouts.items()}


def refused(folder: Path) -> str:
    with pytest.raises(ValueError) as error:
        load_tokenizer(folder)
    assert "\n" not in str(error.value) and str(error.value).endswith("download the base again")
    return str(error.value)


def test_both_layouts_are_read_alike(layouts):
    assert [path.name for path in layouts["whole"].glob("*.txt")] == []
    apart, whole = load_tokenizer(layouts["apart"]), load_tokenizer(layouts["whole"])
    assert apart("a photo of a cat").input_ids == whole("a photo of a cat").input_ids
    assert len(load_tokenizer(stable_files.VOCABULARY / "tokenizer")) == 49408


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("apart", "vocab.json"),
        ("apart", "merges.txt"),
        ("apart", "tokenizer_config.json"),
        ("whole", "tokenizer.json"),
    ],
)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "html", "binary", "deep"])
def test_a_damaged_file_is_named(copies, layout, name, damage):
    path = copies[layout] / name
    content = path.read_bytes()
    new = {
        "empty": b"",
        "cut": content[: len(content) // 3],
        "html": HTML,
        "binary": b"\xff\0" * 99,
        "deep": DEEP,
    }
    path.unlink()
    if damage != "missing":
        path.write_bytes(new[damage])
    if (name, damage) == ("tokenizer_config.json", "missing"):
        assert load_tokenizer(copies[layout]), "what it says is CLIP's default"
        return
    said = refused(copies[layout])
    assert name in said or (
        name == "tokenizer.json" and damage == "missing" and "vocab.json is missing" in said
    )


def test_an_empty_list_of_merges_is_not_trained_with(copies):
    (copies["apart"] / "merges.txt").write_text("#version: 0.2\n")
    assert "of its words have no merge, e.g. " in refused(copies["apart"])


def without(vocabulary: dict[str, int], *lost: str) -> dict[str, int]:
    return {token: number for token, number in vocabulary.items() if token not in lost}


@pytest.mark.parametrize(
    "change",
    [
        lambda vocabulary: {"hello": 0, "<|startoftext|>": 1, "<|endoftext|>": 2},
        lambda vocabulary: {token: str(number) for token, number in vocabulary.items()},
        lambda vocabulary: without(vocabulary, "<|startoftext|>"),
        lambda vocabulary: without(vocabulary, "<|startoftext|>", "<|endoftext|>"),
        lambda vocabulary: {},
    ],
    ids=["another", "text for numbers", "no begin", "no marks", "no words"],
)
def test_a_vocabulary_that_does_not_fit_is_refused(copies, change):
    path = copies["apart"] / "vocab.json"
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    assert "vocab.json with merges.txt" in refused(copies["apart"])


def test_a_tokenizer_of_another_base_is_refused(tiny_base, tmp_path):
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    shutil.rmtree(folder / "tokenizer")
    shutil.copytree(stable_files.VOCABULARY / "tokenizer", folder / "tokenizer")
    with pytest.raises(ValueError, match="the tokenizer knows 49408 tokens and the text encoder 549"):
        load_base(str(folder))
