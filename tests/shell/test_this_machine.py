"""What the machine has: real figures here, and what torch would say of a GPU."""

import os

from lora_nb.shell import this_machine
from lora_nb.shell.this_machine import look


def test_this_very_machine():
    found = look()
    assert 0 < found.ram_free <= found.ram and found.cores == os.cpu_count() and found.flops > 1e8
    again = look(found)
    assert (again.ram, again.gpu, again.flops) == (found.ram, found.gpu, found.flops)


def test_a_gpu_is_what_torch_says_of_it(monkeypatch):
    said = '{"gpu": "Tesla T4", "gpu_memory": 16, "gpu_free": 15, "half": "fp16"}'
    monkeypatch.setattr(this_machine.jobs, "gpu_count", lambda: 1)
    monkeypatch.setattr(this_machine, "ASK", f"print('''{said}''')")
    found = look()
    assert (found.gpu, found.gpu_free, found.half, found.flops) == ("Tesla T4", 15, "fp16", 16e12)
    monkeypatch.setattr(this_machine, "ASK", "raise SystemExit(1)")
    assert look().gpu == ""


def test_cards_are_known_by_their_names():
    assert this_machine._of_card("NVIDIA GeForce RTX 4090") == 60e12
    assert this_machine._of_card("NVIDIA A100-SXM4-40GB") == 95e12
    assert this_machine._of_card("Something else") == 0
