"""The subcommands on a run's files, from the command line."""

import pytest
from finished_run import make_run

from lora_nb.__main__ import main


@pytest.fixture
def place(tmp_path):
    return ["--output_dir", str(make_run(tmp_path / "cat")), "--output_name", "cat"]


def test_each_verb_does_its_work_and_says_where_it_is(place, tmp_path, capsys):
    assert main(["inspect", "--lora", str(tmp_path / "cat" / "output" / "cat-02.safetensors")]) == 0
    assert "Author: Anna" in capsys.readouterr().out
    for verb, flags, words in (
        ("pack", [], "cat.zip"),
        ("copy", ["--to", str(tmp_path / "there")], "6 files are in"),
        ("copy", ["--to", str(tmp_path / "there")], "has these 6 files already"),
        ("card", [], "README.md"),
    ):
        assert main([verb, *place, *flags]) == 0
        assert words in capsys.readouterr().out


def test_what_cannot_be_done_is_one_sentence(place, tmp_path, capsys):
    for verb, flags, words in (
        ("inspect", ["--lora", ""], "lora is empty"),
        ("copy", place, "to is empty"),
        ("pack", ["--output_dir", str(tmp_path), "--output_name", "dog"], "train first"),
        ("push", [*place, "--repo_id", "x"], "not of the form name/model"),
    ):
        assert main([verb, *flags]) == 2
        assert words in capsys.readouterr().err
