from pathlib import Path

import pytest

from lora_nb.overview.entries import Entry
from lora_nb.overview.filters import parse, quoted


class Sized(Entry):
    """An entry whose size needs no picture."""

    size = (512, 768)


def entry(name: str, caption: str | None, **more) -> Entry:
    folder = name.rpartition("/")[0]
    made = {"repeats": 1, "stamp": (1, 1), "revision": "r" if caption else "", **more}
    return Sized(id=0, path=Path(name), name=name, folder=folder, caption=caption, **made)


SET = {
    "hat": entry("hat.png", "ohwx, Long_Hair, red hat"),
    "dog": entry("5_dog/dog (2).jpg", "a dog, long hair", repeats=5, found=("kept",)),
    "none": entry("none.png", None),
    "long": entry("long.png", ", ".join(f"word{n}" for n in range(60))),
    "gone": entry("gone.png", "red hat", is_aside=True, found=("copy",)),
}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", "hat dog none long"),
        ("hat", "hat"),
        ("HAIR", "hat dog"),
        ('tag:"long hair"', "hat dog"),
        ("tag:long_hair", "hat dog"),
        ("tag:hair", ""),
        ("tag:*hair", "hat dog"),
        ("caption:hair", "hat dog"),
        ("'long hair'", "dog"),
        ("name:dog", "dog"),
        ('name:"dog (2)"', "dog"),
        ("folder:5_dog", "dog"),
        ("folder:5", ""),
        ("folder:5*", "dog"),
        ("tags:>3", "long"),
        ("tags:0", "none"),
        ("tokens:>75", "long"),
        ("repeats:>=5", "dog"),
        ("size:512x768", "hat dog none long"),
        ("size:<512", ""),
        ("height:768", "hat dog none long"),
        ("finding:copy", "gone"),
        ("finding:*", "dog gone"),
        ("is:aside", "gone"),
        ("is:captionless", "none"),
        ("NOT hair", "none long"),
        ("-hair", "none long"),
        ("hair AND NOT tag:ohwx", "dog"),
        ("hair -tag:ohwx", "dog"),
        ("is:captionless OR name:hat", "hat none"),
        ("hair (name:hat OR name:long)", "hat"),
        ("name:hat OR name:dog hair", "hat dog"),
        ("NOT (hair OR is:captionless)", "long"),
        ("red hat", "hat"),
        ("is:aside OR hat", "hat gone"),
    ],
)
def test_a_filter_means_these_pictures(text, meant):
    wanted = parse(text)
    assert [key for key, one in SET.items() if wanted.holds(one)] == meant.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour:red", 'knows no "colour:"'),
        ("tag:", "and then nothing"),
        ("tokens:many", "cannot compare"),
        ("is:nice", 'knows no "is:nice"'),
        ("(cat", r"lacks a \)"),
        ("cat)", "too many"),
        ("cat OR", "at its end"),
        ("AND cat", "before AND"),
        ("NOT", "at its end"),
    ],
)
def test_a_filter_that_makes_no_sense_is_one_sentence(text, words):
    with pytest.raises(ValueError, match=words):
        parse(text)


@pytest.mark.parametrize(
    "tag", ["cat", "long hair", ":d", "^_^", "a (b)", "5'4", 'say "hi"', "[x]*?", "fate/stay night"]
)
def test_any_tag_can_be_looked_for(tag):
    holder, other = entry("a.png", f"x, {tag}"), entry("b.png", "x, other, d")
    wanted = parse(f"tag:{quoted(tag)} name:a")
    assert wanted.holds(holder) and not wanted.holds(other)
    assert not parse(f"tag:{quoted(tag)}").holds(other)
