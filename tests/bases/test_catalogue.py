"""The list of bases: what ships, what is fetched, what a name stands for."""

import json

import pytest
from web_server import Site, serve

from lora_nb import settings
from lora_nb.__main__ import main
from lora_nb.bases import catalogue, lookup, suggested, web_base
from lora_nb.bases.catalogue import Catalogue
from lora_nb.config.training import TrainConfig

NEWER = {
    "version": 99,
    "bases": [{"id": "sd15", "title": "Other", "source": "a/b", "family": "sd15", "colour": "a later word"}],
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "FETCHED", tmp_path / "cache" / "catalogue.json")


@pytest.fixture
def site():
    with serve(Site()) as served:
        yield served


def test_what_ships_has_what_people_train_on():
    found = {entry.id: entry for entry in catalogue.read().entries}
    assert {
        "sd15",
        "sdxl",
        "illustrious",
        "noobai_eps",
        "noobai_vpred",
        "pony",
        "animagine",
        "anylora",
    } <= found.keys()
    assert all(entry.good_for and entry.licence and entry.recommended for entry in found.values())
    assert found["noobai_vpred"].prediction_type == "v_prediction" and found["noobai_vpred"].zero_terminal_snr
    assert all(entry.prediction_type == "epsilon" for name, entry in found.items() if name != "noobai_vpred")


@pytest.mark.parametrize("entry", catalogue.read().entries, ids=lambda entry: entry.id)
def test_what_is_recommended_are_settings_there_are(entry):
    settings.from_dict(TrainConfig, entry.recommended)
    assert settings.from_dict(TrainConfig, {"pretrained_model_name_or_path": entry.id})
    assert web_base.knows(entry.source) or lookup.HUB_ID.fullmatch(entry.source)


def test_what_the_form_suggests_is_in_the_list():
    found = {entry.id: entry for entry in catalogue.read().entries}
    assert {found[name].family for name in suggested.OF_SDXL} == {"sdxl"}


def test_a_name_stands_for_its_source_and_a_folder_of_that_name_goes_before_it(tmp_path, monkeypatch):
    assert lookup.resolve_base("sd15") == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert lookup.public_name("sd15") == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert lookup.resolve_base("a/b") == "a/b" and catalogue.source_of("demo") == "demo"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sd15").mkdir()
    assert catalogue.source_of("sd15") == "sd15"
    with pytest.raises(ValueError, match="was not found: .* a name that `bases` lists"):
        lookup.resolve_base("sd16")


def test_a_newer_list_goes_before_what_ships_and_an_older_one_does_not(site):
    site.files["/list.json"] = json.dumps(NEWER).encode()
    catalogue.fetch(f"{site.address}/list.json")
    assert [entry.source for entry in catalogue.read().entries] == ["a/b"] and catalogue.source_of(
        "sd15"
    ) == "a/b"
    site.files["/list.json"] = json.dumps(NEWER | {"version": 98}).encode()
    catalogue.fetch(f"{site.address}/list.json")
    assert catalogue.read().version == 99


@pytest.mark.parametrize(
    "content",
    [b"<html>", b"{}", b"[]", b'{"version": 5, "bases": []}', b'{"version": "x", "bases": [{}]}',
     b'{"version": 5, "bases": [{"id": "A b", "title": "t", "source": "s", "family": "f"}]}',
     b'{"version": 5, "bases": [1]}', b'{"version": 5, "bases": [{"id": "a"}]}'],
)  # fmt: skip
def test_an_unusable_list_changes_nothing(site, content, capsys):
    before = catalogue.read()
    site.files["/list.json"] = content
    with pytest.raises(ValueError, match="holds no usable list of bases"):
        catalogue.fetch(f"{site.address}/list.json")
    assert catalogue.read() == before and not catalogue.FETCHED.exists()
    catalogue.FETCHED.parent.mkdir(parents=True)
    catalogue.FETCHED.write_bytes(content)
    assert catalogue.read() == before, "one that was damaged on this machine"


def test_the_verb_lists_the_newest_there_is_and_what_ships_where_nobody_answers(site, capsys):
    assert main(["bases", "--address", "http://127.0.0.1:9/list.json"]) == 0
    said = capsys.readouterr()
    assert (
        "cannot be reached" in said.out + said.err and "noobai_vpred" in said.out and "Other" not in said.out
    )
    site.files["/list.json"] = json.dumps(NEWER).encode()
    assert main(["bases", "--address", f"{site.address}/list.json"]) == 0
    assert "Other" in capsys.readouterr().out
    assert main(["bases"]) == 0 and "Other" in capsys.readouterr().out


def test_what_is_on_the_hub_is_not_fetched_by_the_verb(capsys):
    assert main(["bases", "--fetch", "sd15"]) == 0
    assert "at no web address" in capsys.readouterr().out


def test_a_list_is_read_from_its_words():
    made = Catalogue.from_dict(NEWER)
    assert (made.version, made.entries[0].title) == (99, "Other")


def test_the_family_of_a_base_of_the_list_is_known_before_it_is_here(tmp_path, monkeypatch):
    monkeypatch.setattr(web_base, "FOLDER", tmp_path / "bases")
    for name, family in (
        ("illustrious", "sdxl"),
        ("pony", "sdxl"),
        ("noobai_vpred", "sdxl"),
        ("anylora", "sd15"),
    ):
        assert lookup.family_of(name) is lookup.FAMILIES[family], name
