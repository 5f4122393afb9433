"""What the machine has: real figures here, and what torch would say of a GPU."""

import os

from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.shell import this_machine
from lora_nb.shell.this_machine import logins, look


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


def test_a_key_of_wandb_is_looked_for_where_it_is_wanted(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    wanted = make(TrainConfig, log_with="wandb")
    assert logins(wanted) == ()
    (tmp_path / ".netrc").touch(0o600)
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password secret")
    assert logins(wanted) == ("wandb",) and logins(TrainConfig()) == ()
    (tmp_path / ".netrc").write_text("machine")
    assert logins(wanted) == ()
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    assert logins(wanted) == ("wandb",) and "wandb" in this_machine.places(logins(wanted)).logins
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert logins(wanted) == ("wandb",)
