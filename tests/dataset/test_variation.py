"""What a step sees of a caption, against the rules of sd-scripts' process_caption (reference/kohya.md 1.4)."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lora_nb.config.examples import Captions
from lora_nb.dataset.variation import Moment, varies, vary_caption

STILL = Captions(shuffle_caption=False)
SHUFFLED = Captions(shuffle_caption=True, keep_tokens=1)


def seen(caption, config, count=200, moment=None):
    """What many steps see of a caption."""
    return Counter(
        vary_caption(caption, config, seed, *([moment] if moment else [])) for seed in range(count)
    )


@pytest.mark.parametrize("caption", ["A cat,  sitting; on\n a mat. ", "", "a,,b", "{a|b}, |||, ;;;"])
def test_a_caption_that_nothing_is_done_to_stays_as_it_is_written(caption):
    assert set(seen(caption, STILL, 5)) == {caption}


# caption, settings, the one thing that is seen: worked out by hand from the order of process_caption.
@pytest.mark.parametrize(
    ("caption", "options", "wanted"),
    [
        ("a, b", {"caption_prefix": "ohwx,"}, "ohwx, a, b"),
        ("a, b", {"caption_suffix": "best quality"}, "a, b best quality"),
        ("a", {"caption_prefix": "x", "caption_suffix": "y"}, "x a y"),
        ("a;;;b, c", {"secondary_separator": ";;;"}, "a,b, c"),
        ("a b c", {"secondary_separator": " ", "caption_separator": "."}, "a.b.c"),
        ("a, b ||| c, d", {"keep_tokens_separator": "|||"}, "a, b, c, d"),
        (
            "a, b ||| c ||| d, e",
            {"keep_tokens_separator": "|||", "caption_tag_dropout_rate": 1.0},
            "a, b, d, e",
        ),
        ("a, b, c", {"caption_tag_dropout_rate": 1.0, "keep_tokens": 2}, "a, b"),
        ("a, b, c", {"caption_tag_dropout_rate": 1.0, "keep_tokens": 0}, ""),
        ("a. b. c", {"caption_tag_dropout_rate": 1.0, "keep_tokens": 2, "caption_separator": "."}, "a, b"),
        ("{{a|b}}", {"enable_wildcard": True}, "{a|b}"),
        ("{red}", {"enable_wildcard": True}, "red"),
        ("a, b", {"caption_dropout_rate": 1.0}, ""),
        ("a, b", {"caption_dropout_rate": 1.0, "caption_prefix": "x"}, ""),
    ],
)
def test_a_caption_in_the_order_of_sd_scripts(caption, options, wanted):
    assert set(seen(caption, replace(STILL, **options), 20)) == {wanted}


def test_tags_before_and_after_the_separator_stay_in_place_however_many():
    config = replace(SHUFFLED, keep_tokens_separator="|||", keep_tokens=5)
    orders = seen("x, y ||| a, b, c ||| z", config)
    assert len(orders) == 6
    assert all(order.startswith("x, y, ") and order.endswith(", z") for order in orders)
    assert all(order.startswith("p, ") for order in seen("p, q, r", replace(config, keep_tokens=1)))


def test_what_a_secondary_separator_joins_moves_and_goes_as_one():
    config = replace(SHUFFLED, secondary_separator=";;;", keep_tokens=0)
    assert set(seen("a;;;b, c", config)) == {"a,b, c", "c, a,b"}
    dropped = replace(STILL, secondary_separator=";;;", keep_tokens=0, caption_tag_dropout_rate=0.5)
    assert set(seen("a;;;b, c", dropped)) == {"a,b, c", "a,b", "c", ""}


def test_of_a_wildcard_each_word_comes_as_often_and_of_several_lines_each():
    config = replace(STILL, enable_wildcard=True)
    words = seen("a {red|blue} cat", config, 2000)
    assert set(words) == {"a red cat", "a blue cat"} and min(words.values()) > 900
    lines = seen("one\n\n two {x|y} \nthree", config, 3000)
    assert set(lines) == {"one", "two x", "two y", "three"} and lines["one"] > 850
    assert set(seen("one\ntwo", STILL, 5)) == {"one\ntwo"}


def test_each_tag_is_left_out_as_often_as_asked():
    config = replace(STILL, caption_tag_dropout_rate=0.3, keep_tokens=1)
    tags = Counter(tag for text in seen("a, b, c, d", config, 3000).elements() for tag in text.split(", "))
    assert tags["a"] == 3000 and all(abs(tags[tag] / 3000 - 0.7) < 0.03 for tag in "bcd")


def test_every_nth_epoch_sees_no_caption():
    config = replace(STILL, caption_dropout_every_n_epochs=3)
    seen_in = [vary_caption("a", config, 1, Moment(epoch=epoch)) for epoch in range(1, 8)]
    assert seen_in == ["a", "a", "", "a", "a", "", "a"]


# floor(step * (n - min) / until) + min tags behind the first keep_tokens: n = 5, min = 1, until = 8.
@pytest.mark.parametrize(("step", "count"), [(0, 1), (1, 1), (2, 2), (4, 3), (7, 4), (8, 5), (100, 5)])
def test_a_caption_grows(step, count):
    config = replace(STILL, token_warmup_step=8, token_warmup_min=1, keep_tokens=1)
    text = vary_caption("x, a, b, c, d, e", config, 1, Moment(1, step, 100))
    assert text == ", ".join(["x", *"abcde"[:count]])
    share = replace(config, token_warmup_step=0.08)
    assert vary_caption("x, a, b, c, d, e", share, 1, Moment(1, step, 100)) == text
    assert vary_caption("x, a, b, c, d, e", replace(config, token_warmup_min=0), 1, Moment(1, 0, 9)) == "x"


def test_with_words_the_caption_is_one_of_few_and_is_dropped_as_often():
    config = replace(SHUFFLED, caption_dropout_rate=0.3)
    texts = Counter(vary_caption("a, b, c, d, e, f", config, seed, words=seed % 3) for seed in range(2000))
    assert len(texts) == 4 and 520 < texts[""] < 680


@pytest.mark.parametrize(
    ("options", "does"),
    [
        ({}, False),
        ({"shuffle_caption": True}, True),
        ({"enable_wildcard": True}, True),
        ({"caption_tag_dropout_rate": 0.1}, True),
        ({"token_warmup_step": 0.5}, True),
        ({"caption_dropout_rate": 0.5}, False),
        ({"caption_prefix": "x"}, False),
    ],
)
def test_what_makes_captions_vary(options, does):
    config = replace(STILL, **options)
    texts = {vary_caption("a, b, {c|d}, e", config, s, Moment(1, s, 40)) for s in range(40)} - {""}
    assert varies(config) is does is (len(texts) > 1)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(some.lists(some.text("ab{}|;, \n", max_size=6), max_size=6), some.integers(0, 2**32))
def test_no_caption_breaks_it_and_no_tag_is_made_up(parts, seed):
    caption, chance = ", ".join(parts), random.Random(seed)
    config = Captions(keep_tokens=chance.randrange(3), caption_tag_dropout_rate=chance.random())
    tags = {tag.strip() for part in caption.split(",") for tag in part.split("\n")}
    assert {tag for tag in vary_caption(caption, config, seed).split(", ") if tag} <= tags
    vary_caption(caption, replace(config, enable_wildcard=True, keep_tokens_separator="||"), seed)


def test_a_separator_is_something():
    with pytest.raises(ValueError, match="caption_separator is empty"):
        Captions(caption_separator=" ")
