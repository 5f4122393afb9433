"""200 single damages of state files: none is gone on from, each is one sentence, and every byte stays."""

import random

import pytest
import torch
from test_state import make_state, write_as_before

from lora_nb.training.state import load_state, save_state


def flip(content, chance):
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def cut(content, chance):
    return content[: chance.randrange(len(content))]


def zero(content, chance):
    at, length = chance.randrange(len(content)), chance.randrange(1, 512)
    return content[:at] + bytes(len(content[at : at + length])) + content[at + length :]


def lose(content, chance):
    at, length = chance.randrange(len(content)), chance.randrange(1, 64)
    return content[:at] + content[at + length :]


DAMAGES = (flip, flip, zero, cut, lose)


def damaged(content, seed):
    """`content` with one damage that changes it."""
    chance = random.Random(seed)
    while (broken := DAMAGES[seed % len(DAMAGES)](content, chance)) == content:
        pass
    return broken


def test_no_damage_resumes(tmp_path):
    path = tmp_path / "cat.state"
    save_state(path, make_state())
    whole = path.read_bytes()
    for seed in range(200):
        broken = damaged(whole, seed)
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="cannot be read|newer version") as caught:
            load_state(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
        assert path.read_bytes() == broken


def test_damage_of_a_state_without_a_checksum_never_changes_what_is_resumed(tmp_path):
    """Its zip has sums of its own, which torch does not look at; only dates and the like go unnoticed."""
    path, state = tmp_path / "cat.state", make_state()
    write_as_before(path, state)
    whole, refused = path.read_bytes(), 0
    for seed in range(200):
        path.write_bytes(damaged(whole, seed))
        try:
            back = load_state(path)
        except ValueError as error:
            assert "cannot be read" in str(error) and "\n" not in str(error)
            refused += 1
            continue
        assert torch.equal(back.parameters[0], state.parameters[0]) and back.losses == state.losses
        assert torch.equal(back.optimizer["state"][0]["exp_avg"], state.optimizer["state"][0]["exp_avg"])
        assert back.identity == state.identity and back.step == state.step
    assert refused > 100
