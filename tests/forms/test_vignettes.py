"""Drawings of what a base is good for: well-formed, said in words too, and one for every base of the catalogue."""

import re
from xml.etree import ElementTree

import pytest

from lora_nb.bases import catalogue
from lora_nb.forms import base_cards, vignettes


@pytest.mark.parametrize("kind", vignettes.DRAWINGS)
def test_a_drawing_is_whole_and_has_its_words(kind):
    svg = vignettes.draw(kind, "here")
    tree = ElementTree.fromstring(svg)
    assert tree.get("aria-label") == tree.find("title").text == vignettes.WORDS[kind]
    known = {each.get("id") for each in tree.iter() if each.get("id")}
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) == known and all(one.startswith("here") for one in known)
    assert "{" not in svg


@pytest.mark.parametrize("entry", catalogue.read().entries, ids=lambda entry: entry.id)
def test_every_base_of_the_catalogue_has_a_drawing_and_its_words(entry):
    assert vignettes.kind_of(entry.good_for)
    shown = base_cards.in_words(entry.id)
    assert entry.title in shown and "<svg" in shown and "licence: " in shown and "pixels" in shown
    assert base_cards.in_words(entry.source) == shown


@pytest.mark.parametrize(
    ("good_for", "kind"),
    [("photos of people", "photo"), ("paintings and photos like them", "painting"), ("maps", ""), ("", "")],
)
def test_the_first_word_decides(good_for, kind):
    assert vignettes.kind_of(good_for) == kind


def test_nothing_is_said_of_an_unknown_base():
    assert base_cards.in_words("/my/model.safetensors") == ""


def test_the_last_card_is_for_something_else():
    cards = base_cards.BaseCards(lambda base: None)
    photos = [entry for entry in catalogue.read().entries if "photo" in entry.good_for]
    others = [entry for entry in catalogue.read().entries if "photo" not in entry.good_for]
    cards.offer([(entry, entry.id) for entry in photos + others])
    shown = list(cards.buttons)
    assert shown[:-1] == [entry.id for entry in photos[: base_cards.MOST - 1]]
    assert len(shown) == base_cards.MOST and shown[-1] == others[0].id
    cards.offer([])
    assert cards.row.children == ()
