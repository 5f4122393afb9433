"""Parts of a sentence."""

import pytest

from lora_nb import wording


def test_the_first_names_and_how_many_more():
    assert wording.some(["a", "b"]) == "a, b"
    assert wording.some(list("abcd"), most=3) == "a, b, c and 1 more"
    assert wording.some([]) == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n  one \n two"), "one"),
        (ValueError(), "ValueError"),
        (OSError(" \n"), "OSError"),
        (ValueError("x" * 300), "x" * 200),
    ],
)
def test_an_error_is_one_line_even_when_it_says_nothing(error, line):
    assert wording.first_line(error) == line


def test_what_cannot_be_shown_is_written_out():
    assert wording.readable("Kätzchen") == "Kätzchen"
    assert wording.readable("a\nb\x1b[0m") == "a\\nb\\x1b[0m"
    assert wording.readable("a\udcff") == "a\\xff"


@pytest.mark.parametrize(("number", "words"), [(0, "0 pictures"), (1, "1 picture"), (2, "2 pictures")])
def test_a_number_has_the_right_word(number, words):
    assert wording.counted(number, "picture") == words
    assert wording.counted(number, "picture is", "pictures are").split()[-1] == (
        "is" if number == 1 else "are"
    )
