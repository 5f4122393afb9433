"""Signs: those of our own sentences are found, others are part of what is said; where they can be shown."""

import ast
import re
from pathlib import Path

import pytest

import lora_nb
from lora_nb import signs

EMOJI = re.compile("[\U0001f000-\U0001faff\u231a-\u23ff\u2600-\u27bf\u2b00-\u2bff]")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("📈 Found 4 images", ("📈", "Found 4 images")),
        ("⚖️ Balanced", ("⚖️", "Balanced")),
        ("Found 📈 4", ("", "Found 📈 4")),
        ("🐱 cat.png is unreadable", ("", "🐱 cat.png is unreadable")),
        ("", ("", "")),
    ],
)
def test_a_sentence_is_parted_from_its_sign(text, parts):
    assert signs.parted(text) == parts


@pytest.mark.parametrize(
    ("encoding", "terminal", "is_terminal", "shown"),
    [
        ("utf-8", "xterm", True, True), ("utf-8", "linux", True, False), ("utf-8", "dumb", False, True),
        ("cp1252", "", False, False), ("ascii", "xterm", True, False), ("nonsense", "", False, False),
    ],
)  # fmt: skip
def test_signs_are_shown_where_the_place_has_them(encoding, terminal, is_terminal, shown):
    assert signs.can_be_shown(encoding, terminal, is_terminal) is shown


def test_every_sign_in_the_package_begins_a_sentence_and_is_known():
    """So that each is taken off where there is no font, and what is left still says everything."""
    for path in Path(lora_nb.__file__).parent.rglob("*.py"):
        if path.name == "signs.py":
            continue
        tree = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {id(node.value) for node in tree if isinstance(node, ast.Expr)}
        for node in (node for node in tree if id(node) not in docstrings):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and EMOJI.search(node.value):
                sign, words = signs.parted(node.value)
                assert sign and not EMOJI.search(words), (path, node.value)
