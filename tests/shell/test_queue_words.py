import pytest

from lora_nb.shell.queue_words import in_flags


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        (["train", "run.toml"], ["train", "run.toml"]),
        (["queue"], ["queue list"]),
        (["queue", "--json"], ["queue list", "--json"]),
        (["queue", "add", "run.toml", "--rank", "8"], ["queue add", "run.toml", "--rank", "8"]),
        (["queue", "cancel", "3"], ["queue cancel", "--number", "3"]),
        (["queue", "pause", "--root", "x"], ["queue pause", "--root", "x"]),
        (["queue", "move", "3", "up"], ["queue move", "--number", "3", "--to", "up"]),
        (
            ["queue", "again", "3", "--rank", "8", "--root", "x", "--sample_prompts=a cat"],
            ["queue again", "--number", "3", "--root", "x", "--changes", "rank = 8\nsample_prompts = a cat"],
        ),
        (
            ["queue", "sweep", "run.toml", "--learning-rate", "1e-4", "2e-4", "--rank", "4", "8"],
            ["queue sweep", "--run", "run.toml", "--over", "learning_rate = 1e-4, 2e-4\nrank = 4, 8"],
        ),
        (["queue work", "--device", "1"], ["queue work", "--device", "1"]),
    ],
)
def test_words_become_flags(said, flags):
    assert in_flags(said) == flags
