"""Edits of captions: what they do, what they leave as it is written, and ten thousand random ones."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_nb.captioning import edits
from lora_nb.captioning.parts import tag_counts, take_apart
from lora_nb.dataset.captions import add_trigger, same_tag, split_tags

SENTENCE = "A woman in a red coat, who smiles, stands on the old bridge in the rain."


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1girl,  long_hair ,solo", ["1girl", "long_hair", "solo"]),
        (",, 1girl,\nsolo, ", ["1girl", "solo"]),
        ("", []),
        (" , ", []),
        (SENTENCE, [SENTENCE]),
        (f"ohwx, {SENTENCE}", ["ohwx", SENTENCE]),
        ("ohwx, 1girl, A cat on a mat", ["ohwx", "1girl", "A cat on a mat"]),
        (
            "A cat sits on a mat, sleeping soundly, with a toy",
            ["A cat sits on a mat, sleeping soundly, with a toy"],
        ),
        ("a cat on a mat, 1girl, solo, long hair", ["a cat on a mat", "1girl", "solo", "long hair"]),
        (f"1girl, from behind, {SENTENCE}", ["1girl", "from behind", SENTENCE]),
        (f"in the old town, {SENTENCE}", [f"in the old town, {SENTENCE}"]),
        ("saber (fate), :d, ^_^", ["saber (fate)", ":d", "^_^"]),
    ],
)
def test_a_caption_is_taken_apart_and_put_together_as_it_is_written(text, parts):
    apart = take_apart(text)
    assert [part.text for part in apart.parts] == parts
    assert apart.text == text


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("back", "ohwx, sks, 1girl,solo, hat, red"),
        ("front", "hat, red, ohwx, sks, 1girl,solo"),
        ("after trigger", "ohwx, sks, hat, red, 1girl,solo"),
    ],
)
def test_tags_are_added_where_they_are_asked_for_and_only_where_they_lack(place, expected):
    added = edits.add("ohwx, sks, 1girl,solo", ["hat", "Solo", "red", "hat"], place, ["sks", "ohwx"])
    assert added == expected
    assert edits.add(added, ["Hat", "RED"], place, ["sks", "ohwx"]) == added


def test_a_tag_is_replaced_by_several_where_it_stands_and_stands_once():
    assert edits.replace("a,long_hair , b", ["Long Hair"], ["hair", "wig"]) == "a,hair, wig , b"
    assert edits.replace("a, b, c, d", ["d", "b"], ["x"]) == "a, x, c"
    assert (
        edits.replace("cat, kitty", ["kitty"], ["cat"]) == "cat"
    )  # a rename onto a tag that is there joins the two
    assert edits.replace("a, b", ["b"], []) == "a"
    assert edits.replace("a, b", ["c"], ["d"]) == "a, b"


def test_a_pattern_is_replaced_in_each_tag_and_in_a_sentence():
    hair = re.compile(r"^(long|short) (.*) hair$", re.IGNORECASE)
    assert edits.substitute("1girl, long red hair, hat", hair, r"\2 hair") == "1girl, red hair, hat"
    assert edits.substitute("red hair, long red hair", hair, r"\2 hair") == "red hair"
    assert edits.substitute("a, bad thing, b", re.compile(r"^bad.*"), "") == "a, b"
    assert edits.substitute(SENTENCE, re.compile("woman"), "girl") == SENTENCE.replace("woman", "girl")


def test_doubles_go_and_the_order_stays():
    assert edits.dedupe("b,Long_Hair, a, long hair, b ,c") == "b,Long_Hair, a ,c"
    assert edits.dedupe("b, a, c") == "b, a, c"


def test_sorting_leaves_the_first_and_the_pinned_in_front_and_sentences_in_their_place():
    assert edits.order("ohwx, c, B, a", same_tag, 1) == "ohwx, a, B, c"
    assert edits.order("ohwx, c, B, a", same_tag, 1, ["c"]) == "ohwx, c, a, B"
    assert edits.order(f"b, a, {SENTENCE}", same_tag) == f"a, b, {SENTENCE}"
    assert edits.order("a, b", same_tag, 9) == "a, b"


IMPLIED = [
    ("white shirt", "shirt", True),
    ("long_hair", "hair", True),
    ("very long hair", "long hair", True),
    ("sitting on chair", "sitting", True),
    ("ponytail", "tail", False),
    ("elbow gloves", "bow", False),
    ("hair ornament", "hair", False),
    ("cat ears", "cat", False),
    ("no shirt", "shirt", False),
    ("t-shirt", "shirt", False),
    ("shirt", "shirt", False),
    ("shirt", "white shirt", False),
]


@pytest.mark.parametrize(("tag", "other", "says"), IMPLIED)
def test_a_tag_says_another_by_whole_words(tag, other, says):
    assert edits.implies(tag, other) is says
    expected = tag if says else f"{other}, {tag}"
    if tag != other:
        assert edits.without_implied(f"{other}, {tag}") == (
            expected if not edits.implies(other, tag) else other
        )
    assert edits.without_implied(f"{other}, {tag}", keep=[other, tag]) == f"{other}, {tag}"


def test_sentences_are_never_treated_as_tags():
    for text in (SENTENCE, f"ohwx, {SENTENCE}"):
        for edit in (
            edits.dedupe,
            edits.without_implied,
            lambda text: edits.remove(text, ["who smiles", SENTENCE]),
            lambda text: edits.replace(text, ["who smiles"], ["x"]),
            lambda text: edits.order(text, same_tag, 1),
        ):
            assert edit(text) == text
    assert tag_counts([SENTENCE, "ohwx, hat", f"hat, {SENTENCE}"]) == {"hat": 2, "ohwx": 1}


# Ten thousand random edits. A caption of tags in any spelling, with commas of any look between and around them.
WORDS = [
    "a",
    "A",
    "b",
    "ab",
    "1girl",
    "long_hair",
    "Long Hair",
    "hair",
    "very long hair",
    "^_^",
    ":d",
    "(o)_(o)",
    "saber (fate)",
]
WORDS += [
    "é",
    "猫",
    "x'y",
    "\\\\(",
    "a.b",
    "1.5",
    "Ohwx",
    "ohwx cat",
    "cat",
    "İ",
    "ß",
    "SS",
    "t-shirt",
    "shirt",
    "white shirt",
]
TAGS = st.sampled_from(WORDS)
BETWEEN = st.sampled_from([", ", ",", " , ", ",  ", "\n", ",\n", ",,"])
AROUND = st.sampled_from(["", "", "", ",", " ", ", "])


@st.composite
def captions(draw):
    tags = draw(st.lists(TAGS, max_size=8))
    text = "".join(tag + draw(BETWEEN) for tag in tags[:-1]) + "".join(tags[-1:])
    return draw(AROUND) + text + draw(AROUND)


def keys(text):
    return [part.key for part in take_apart(text).parts]


MANY = settings(max_examples=2000, deadline=None, database=None, derandomize=True)


@MANY
@given(captions(), TAGS, st.sampled_from(["back", "front", "after trigger"]), st.lists(TAGS, max_size=2))
def test_adding_and_removing_is_as_if_nothing_was_done(text, tag, place, trigger):
    added = edits.add(text, [tag], place, trigger)
    if same_tag(tag) in keys(text):
        assert added == text
    elif take_apart(added).tags == [*filter(lambda each: each == tag, take_apart(added).tags)]:
        assert edits.remove(added, [tag]) in (text, "")
    else:
        assert edits.remove(added, [tag]) == text


@MANY
@given(captions(), st.lists(TAGS, max_size=4))
def test_what_is_removed_is_gone_and_the_rest_stays_in_order(text, tags):
    gone = {same_tag(tag) for tag in tags}
    assert keys(edits.remove(text, tags)) == [key for key in keys(text) if key not in gone]


@MANY
@given(captions(), TAGS, st.lists(TAGS, max_size=3))
def test_what_is_not_replaced_stays_in_order(text, tag, new):
    made = edits.replace(text, [tag], new)
    if same_tag(tag) not in keys(text):
        assert made == text
        return
    fresh = {same_tag(each) for each in new}
    rest = [key for key in keys(text) if key != same_tag(tag)]
    assert [key for key in keys(made) if key not in fresh] == [key for key in rest if key not in fresh]
    assert fresh <= set(keys(made))


@MANY
@given(captions(), st.lists(TAGS, min_size=1, max_size=3))
def test_the_trigger_stands_first_exactly_once_after_any_edit(text, trigger):
    words = list(dict.fromkeys(map(same_tag, trigger)))
    joined = ", ".join({same_tag(word): word for word in trigger}.values())
    once = add_trigger(text, joined)
    for made in (once, add_trigger(once, joined), edits.dedupe(once), edits.order(once, str, len(words))):
        found = [same_tag(tag) for tag in split_tags(made)]
        assert found[: len(words)] == words
        assert all(found.count(word) == 1 for word in words)


@MANY
@given(captions(), st.integers(0, 3))
def test_cleaning_keeps_every_tag_once_and_is_done_when_it_is_done(text, first):
    once = edits.dedupe(text)
    assert keys(once) == list(dict.fromkeys(keys(text))) and edits.dedupe(once) == once
    ordered = edits.order(text, same_tag, first)
    assert sorted(keys(ordered)) == sorted(keys(text)) and keys(ordered)[:first] == keys(text)[:first]
    assert edits.order(ordered, same_tag, first) == ordered
    implied = edits.without_implied(text)
    assert set(keys(implied)) <= set(keys(text)) and edits.without_implied(implied) == implied
