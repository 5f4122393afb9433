"""Which graphics card this machine has."""

import os

import pytest

from lora_nb import presets
from lora_nb.shell import graphics_card


@pytest.mark.parametrize(
    ("line", "preset", "title"),
    [
        ("Tesla T4, 15360", "t4", "Tesla T4, 15 GB"),
        ("NVIDIA GeForce RTX 3060 Ti, 8192", "8gb", "NVIDIA GeForce RTX 3060 Ti, 8 GB"),
        ("NVIDIA GeForce RTX 3060, 12288", "12gb", "NVIDIA GeForce RTX 3060, 12 GB"),
        ("NVIDIA L4, 23034", "24gb", "NVIDIA L4, 22 GB"),
        ("NVIDIA GeForce RTX 4090, 24564", "24gb", "NVIDIA GeForce RTX 4090, 24 GB"),
        ("GPU 0: Tesla T4", "t4", "GPU 0: Tesla T4"),
        ("Odd card, [N/A]", "12gb", "Odd card"),
    ],
)
def test_a_card_has_the_preset_for_its_memory(line, preset, title):
    found = graphics_card.read(line)
    assert (found.preset, found.title) == (preset, title)
    assert presets.find(found.preset).kind == "machine"


@pytest.mark.parametrize(
    ("script", "preset"),
    [("echo 'Tesla T4, 15360'; echo 'NVIDIA L4, 23034'", "t4"), ("echo 'no driver'; exit 9", "cpu"), ("true", "cpu")],
)  # fmt: skip
def test_the_first_card_counts_and_a_driver_that_fails_is_none(tmp_path, monkeypatch, script, preset):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert graphics_card.find().preset == preset


def test_a_machine_without_the_tool_has_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert graphics_card.find() == graphics_card.NO_GPU
