"""What the trigger word could stand for, and words that belong together."""

import pytest

from lora_nb.captioning.suggestions import to_bind
from lora_nb.captioning.vocabulary import SYNONYMS, family, is_feature, synonyms
from lora_nb.dataset.captions import same_tag

TEXTS = ["ohwx, 1girl, blue eyes, hat"] * 3 + [
    "ohwx, 1girl, closed eyes",
    "A girl in a hat stands in the rain.",
]


@pytest.mark.parametrize(
    ("share", "features", "expected"),
    [
        (1.0, False, []),
        (0.8, False, ["1girl"]),
        (0.6, False, ["1girl", "blue eyes", "hat"]),
        (0.8, True, ["1girl", "blue eyes"]),
        (0.05, False, ["1girl", "blue eyes", "hat", "closed eyes"]),
    ],
)
def test_tags_of_a_share_of_the_pictures_and_features_of_half(share, features, expected):
    assert [each.tag for each in to_bind(TEXTS, "ohwx", share, features)] == expected


def test_features_of_a_character_are_told_from_what_passes():
    assert (
        family("blue_eyes") == "eyes"
        and family("long hair") == "hair"
        and family("hair over one eye") == "hair"
    )
    assert is_feature("cat ears") and is_feature("low ponytail") and is_feature("side ponytail")
    assert not any(
        map(is_feature, ("closed eyes", "hair ornament", "uncut", "haircut", "horned mask", "eyes closed"))
    )


def test_no_synonym_is_itself_replaced():
    table = synonyms()
    assert not {same_tag(tag) for tag in SYNONYMS} & set(table)
    assert table["kitty"] == ["cat"]
