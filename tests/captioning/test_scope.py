"""Which captions an edit is about."""

import pytest

from lora_nb.captioning.scope import read_scope

TAGS = ["ohwx", "Long_Hair", "saber (fate)", "sun hat", "AND then"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", True),
        ("long hair", True),
        ("hat", False),
        ("*hat", True),
        ("NOT hat", True),
        ("long hair AND hat", False),
        ("long hair AND NOT hat", True),
        ("hat OR ohwx", True),
        ("hat AND long hair OR ohwx", True),
        ("hat AND (long hair OR ohwx)", False),
        ("(long hair OR hat) AND (scarf OR ohwx)", True),
        ("NOT (hat OR ohwx)", False),
        ("saber (fate)", True),
        ("saber (fate) AND ohwx", True),
        ("(saber (fate) OR hat) AND ohwx", True),
        ('"AND then"', True),
        ("and", False),
        ("[sl]un hat", False),
    ],
)
def test_tags_with_and_or_and_not(text, meant):
    assert read_scope(text)(TAGS) is meant
    assert read_scope(f"NOT ({text})")(TAGS) is not meant if text else True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hat AND ", "a tag is missing"),
        ("AND hat", "a tag is missing"),
        ("(hat OR scarf", "a bracket is not closed"),
        ("hat) AND scarf", '"\\)" stands where AND or OR is needed'),
        ("NOT", "a tag is missing"),
        ("hat AND AND scarf", "a tag is missing"),
    ],
)
def test_what_is_missing_is_said(text, why):
    with pytest.raises(ValueError, match=why):
        read_scope(text)
