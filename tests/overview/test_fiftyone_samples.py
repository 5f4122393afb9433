"""Decisions made in FiftyOne as captions: without FiftyOne itself, by objects of the same fields."""

from types import SimpleNamespace

import pytest

from lora_nb.overview.fiftyone_samples import Decision, decisions


class Sample(dict):
    """What a sample of FiftyOne answers: fields by name, and its tags."""

    def __init__(self, text: str, labels: list[str], edited: str | None = None, tags=(), marks=None) -> None:
        made = [SimpleNamespace(label=label, tags=(marks or {}).get(label)) for label in labels]
        super().__init__(
            name="a.png", caption_as_read=text, caption=text if edited is None else edited,
            tags_wd=SimpleNamespace(classifications=made),
        )  # fmt: skip
        self.tags = list(tags)


def read(sample: Sample) -> list[Decision]:
    return decisions(SimpleNamespace(iter_samples=lambda: [sample]))


TAGS = ["cat", "red hat", "sitting"]
TEXT = "cat, red hat,  sitting"


def test_what_nobody_touched_is_no_decision():
    assert read(Sample(TEXT, TAGS)) == []
    assert read(Sample("", [])) == []
    assert read(Sample("A cat that sleeps on a sofa all day.", [])) == []


@pytest.mark.parametrize("tag", ["set aside", "Set_Aside", "delete", "remove"])
def test_a_tag_sets_aside(tag):
    assert read(Sample(TEXT, TAGS, tags=["other", tag])) == [Decision("a.png", True, TEXT, TEXT)]


@pytest.mark.parametrize(
    ("sample", "caption"),
    [
        (Sample(TEXT, ["cat", "sitting"]), "cat, sitting"),
        (Sample(TEXT, [*TAGS, "outdoors"]), "cat, red hat, sitting, outdoors"),
        (Sample(TEXT, TAGS, marks={"red hat": ["remove"]}), "cat, sitting"),
        (Sample(TEXT, TAGS, marks={"red hat": ["checked"]}), None),
        (Sample(TEXT, ["Red_Hat", "cat", "sitting"]), None),
        (Sample(TEXT, ["cat"], edited="by hand"), "by hand"),
        (Sample(TEXT, TAGS, edited=""), ""),
    ],
)
def test_an_edited_caption_or_its_labels(sample, caption):
    assert [one.caption for one in read(sample)] == ([] if caption is None else [caption])
