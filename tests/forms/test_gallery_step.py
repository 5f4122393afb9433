"""The gallery's step, and the plain gallery of core widgets, without a page."""

import ast
import contextlib
import io
import json
from unittest import mock

import anywidget
import ipywidgets as W
import pytest
from IPython.core.interactiveshell import InteractiveShell
from test_dataset_maker import buttons, words

from lora_nb.dataset import captions
from lora_nb.dataset.images import open_upright
from lora_nb.forms.gallery_step import GalleryStep
from lora_nb.forms.paged_gallery import A_PAGE, PagedGallery
from lora_nb.forms.project_step import ProjectStep
from lora_nb.overview.answers import Answers
from lora_nb.overview.gallery import Gallery
from lora_nb.overview.thumbnails import Thumbnails
from lora_nb.project import Folders


@pytest.fixture
def folders(tmp_path, make_pictures) -> Folders:
    folders = Folders(tmp_path / "Loras" / "cat")
    for number, path in enumerate(make_pictures(folders.dataset, 30, captions=False)):
        captions.write_caption(path, f"tag{number % 2}")
    return folders


@pytest.fixture
def paged(folders, tmp_path) -> PagedGallery:
    return PagedGallery(Answers(Gallery(folders, Thumbnails(tmp_path / "thumbs"))))


def press(gallery: PagedGallery, word: str) -> str:
    (button,) = [button for button in buttons(gallery.widget) if button.description == word]
    button.click()
    return words(gallery.said)


def test_the_plain_gallery_turns_pages(paged):
    assert len(paged.tiles) == A_PAGE and paged.where.value == "30 pictures, page 1 of 2, 0 selected"
    press(paged, "Next")
    assert len(paged.tiles) == 6
    press(paged, "Next")
    press(paged, "All on this page")
    assert paged.where.value == "30 pictures, page 2 of 2, 6 selected"
    paged.filter.value = "tag:tag1"
    assert paged.where.value == "15 pictures, page 1 of 1, 0 selected"
    paged.filter.value = "colour:red"
    assert 'knows no "colour:"' in words(paged.said)


def test_the_plain_gallery_has_the_same_verbs(paged, folders):
    first = paged.tiles[0].entry.path
    before = open_upright(first).size
    paged.tiles[0].mark.value = True
    assert "1 picture turned." in press(paged, "Turn left")
    assert open_upright(first).size == before[::-1]
    assert "as it was before `rotate`" in press(paged, "Undo the last step")
    for tile in paged.tiles[:2]:
        tile.mark.value = True
    paged.tag.value = "new"
    assert "added to 2 captions" in press(paged, "Add tag")
    for tile in paged.tiles[:3]:
        tile.mark.value = True
    assert "3 pictures set aside" in press(paged, "Set aside")
    assert "27 pictures" in paged.where.value
    paged.filter.value = "is:aside"
    press(paged, "All on this page")
    assert "3 pictures are back" in press(paged, "Bring back")
    assert "no picture of the dataset is selected" in press(paged, "Set aside")
    paged.filter.value = ""
    paged.tiles[0].mark.value = True
    paged.box.value = "0, 0, 5, 6"
    assert "1 picture cropped." in press(paged, "Crop")
    assert open_upright(first).size == (5, 6)


def test_a_caption_of_the_plain_gallery_is_written_unless_it_was_changed_meanwhile(paged):
    tile = paged.tiles[0]
    tile.caption.value = "by hand"
    assert captions.read_caption(tile.entry.path) == "by hand"
    tile = paged.tiles[0]
    captions.write_caption(tile.entry.path, "theirs")
    tile.caption.value = "mine"
    assert captions.read_caption(tile.entry.path) == "theirs" and "changed meanwhile" in words(paged.said)


@pytest.fixture
def step(folders) -> GalleryStep:
    project = ProjectStep("Use", create=True)
    project.form.write(project="cat", root=str(folders.base.parents[1]))
    step = GalleryStep(project)
    project.followers = (step,)
    return step


def shown(step: GalleryStep, *arguments) -> dict:
    """What a cell would be given to show; without a shell IPython prints it, and a test before may have made one."""
    no_shell = mock.patch.object(InteractiveShell, "initialized", return_value=False)
    with no_shell, contextlib.redirect_stdout(io.StringIO()) as printed:
        step.show(*arguments)
    return ast.literal_eval(printed.getvalue())


def test_the_gallery_is_shown_and_says_in_a_saved_notebook_what_was_there(step):
    data = shown(step)
    assert data["text/plain"] == "Gallery of 30 pictures: run the cell"
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == step.place.model_id
    assert isinstance(step.view, anywidget.AnyWidget)
    kinds, _ = step.view._repr_mimebundle_()
    assert kinds["text/plain"] == "Gallery of 30 pictures: run the cell"


def test_the_part_in_the_page_is_answered_and_the_hint_goes(step, monkeypatch):
    shown(step, "tag:tag1")
    sent = []
    monkeypatch.setattr(step.view, "send", lambda content, buffers=None: sent.append((content, buffers)))
    assert step.hint.layout.display == ""
    step.view._handle_custom_msg({"op": "hello", "seq": "a-1"}, [])
    assert sent[0][0]["filter"] == "tag:tag1" and step.hint.layout.display == "none"
    step.view._handle_custom_msg({"op": "view", "seq": "a-2", "filter": "tag:tag1"}, [])
    assert len(json.loads(sent[1][1][0])["ids"]) == 15
    step.refresh()
    step.look_at("finding:copy")
    assert [content["op"] for content, _ in sent[2:]] == ["changed", "filter"]


def test_only_one_id_of_it_is_kept_by_the_page(step):
    shown(step)
    own = {name for name in step.view.keys if name not in W.DOMWidget().keys}
    assert own == {"_esm", "_anywidget_id"}


def test_without_anywidget_there_is_the_plain_gallery(step, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "lora_nb.forms.gallery_widget", None)
    shown(step, "tag:tag1")
    assert isinstance(step.view, PagedGallery) and "15 pictures" in step.view.where.value
    step.look_at("tag:tag0")
    assert step.view.filter.value == "tag:tag0"
    step.refresh()


def test_the_button_under_the_hint_leads_to_the_plain_gallery(step):
    shown(step)
    (button,) = [button for button in buttons(step.hint) if "plain" in button.description]
    button.click()
    assert isinstance(step.view, PagedGallery)


def test_another_project_empties_it_and_none_is_one_sentence(step):
    shown(step)
    step.forget()
    assert step.view is None and step.place.children == ()
    step.project.form.fields["project"].control.value = "a b"
    shown(step)
    assert "not usable" in words(step.place)
    step.refresh()
    step.look_at("x")
