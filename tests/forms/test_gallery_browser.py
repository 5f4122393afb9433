"""The gallery in JupyterLab and headless Chromium: scrolled, filtered, selected, edited, as a person does it."""

import os
import re
import time
from pathlib import Path

import nbformat
import playwright.sync_api as playwright
import pytest
from PIL import Image, ImageDraw

from lora_nb.dataset import captions
from lora_nb.dataset.images import open_upright
from lora_nb.forms.gallery_step import NOT_LOADED
from lora_nb.project import project_folders
from test_browser import CHROMIUM, Notebook, browser, lab  # noqa: F401

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no Chromium on this machine"),
]

PICTURES = 300
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
CELLS = [
    """# @title Set up
import sys
sys.path.append("..")
from lora_nb.forms.gallery_step import GalleryStep
from lora_nb.forms.project_step import ProjectStep
project = ProjectStep("Use", create=True)
project.form.write(project="cat", root="{root}")
gallery = GalleryStep(project)""",
    """# @title Look
gallery.show()""",
    """# @title Plain
gallery.show_plain()""",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """300 numbered pictures; every third is a cat, the first ten lie in 4_best."""
    folders = project_folders(tmp_path_factory.mktemp("gallery"), "cat")
    for number in range(PICTURES):
        folder = folders.dataset / "4_best" if number < 10 else folders.dataset
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (360, 240), (number * 7 % 256, number * 3 % 200, 120))
        ImageDraw.Draw(image).text((140, 90), str(number), "white", font_size=60)
        image.save(folder / f"{number:03}.jpg")
        kind = ("a cat", "a dog, long hair", "a house")[number % 3]
        if number != 20:
            captions.write_caption(folder / f"{number:03}.jpg", f"{kind}, number {number}")
    return folders


class Gallery:
    """The gallery under a cell, as a person sees it."""

    def __init__(self, notebook: Notebook) -> None:
        self.page = notebook.page
        self.cell = notebook.run("Look")
        self.box = self.cell.found.locator(".lng")
        self.box.scroll_into_view_if_needed()
        self.see("300 of 300 pictures shown")

    def see(self, words) -> None:
        self.box.locator(".counts, .say, .lost").get_by_text(words).or_(
            self.box.locator(".counts, .say, .lost").filter(has_text=words)
        ).first.wait_for(timeout=15_000)

    def tile(self, name: str):
        return self.box.locator(".tile:visible", has=self.page.get_by_text(name, exact=True))

    def picture(self, name: str):
        return self.tile(name).locator("img[src]")

    def press(self, label: str) -> None:
        self.box.get_by_role("button", name=label, exact=True).click()

    def filter(self, text: str) -> None:
        self.box.get_by_label("Filter").fill(text)

    def selected(self) -> list[str]:
        return self.box.locator(".tile[aria-selected=true]:visible .name").all_text_contents()

    def shows(self, text: str) -> None:
        """Wait until a caption in view says so."""
        self.page.wait_for_function(
            "text => [...document.querySelectorAll('.lng .tile textarea')].some(one => one.value === text)",
            arg=text,
        )

    def look_again_until_it_shows(self, text: str) -> None:
        """As a person whose pointer comes back to the gallery, now and then."""
        self.page.wait_for_function(
            "text => document.querySelector('.lng').dispatchEvent(new Event('pointerenter')) &&"
            " [...document.querySelectorAll('.lng .tile textarea')].some(one => one.value === text)",
            arg=text,
            polling=300,
        )

    def scroll(self, to: int) -> None:
        self.box.locator(".grid").evaluate("(grid, to) => grid.scrollTop = to", to)


@pytest.fixture(scope="module")
def notebook(lab, browser, folders):  # noqa: F811
    address, folder = lab
    cells = [nbformat.v4.new_code_cell(text.format(root=folders.base.parents[1])) for text in CELLS]
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), folder / "notebooks" / "Gallery.ipynb"
    )
    opened = Notebook(browser, address, "Gallery.ipynb")
    opened.page.set_default_timeout(20_000)
    try:
        opened.run("Set up").done()
    except (
        playwright.TimeoutError
    ):  # on a machine under load JupyterLab loses a press of before its kernel is there
        opened.run("Set up").done()
    yield opened
    opened.page.close()


@pytest.fixture(scope="module")
def shown(notebook) -> Gallery:
    return Gallery(notebook)


@pytest.fixture
def gallery(shown, request):
    """The gallery without a filter, at its begin; what a test changed is undone after it."""
    shown.filter("")
    shown.see("300 of 300 pictures shown")
    shown.scroll(0)
    yield shown
    keep(shown, request.node.name)


def keep(gallery: Gallery, name: str) -> None:
    place = os.environ.get("LORA_NB_SCREENSHOTS")
    if place:
        gallery.page.screenshot(path=str(Path(place) / f"gallery_{name}.png"))


def test_only_what_is_in_view_is_there_and_it_follows_the_scrolling(gallery):
    gallery.picture("010.jpg").wait_for()
    assert gallery.box.locator(".tile").count() < 60
    assert gallery.cell.found.get_by_text(NOT_LOADED[:40]).is_hidden()
    gallery.scroll(9_000)
    gallery.scroll(10**6)
    gallery.picture("299.jpg").wait_for()
    gallery.picture("290.jpg").wait_for()
    assert gallery.box.locator(".tile").count() < 60
    assert gallery.tile("010.jpg").count() == 0


def test_a_click_on_a_tag_filters_and_a_second_one_stops(gallery):
    gallery.box.locator(".tag", has_text="long hair").click()
    gallery.see("100 of 300 pictures shown")
    assert gallery.box.get_by_label("Filter").input_value() == 'tag:"long hair"'
    gallery.tile("013.jpg").wait_for()
    assert gallery.tile("012.jpg").count() == 0
    gallery.box.locator(".tag", has_text="long hair").click()
    gallery.see("300 of 300 pictures shown")
    gallery.filter("is:captionless")
    gallery.see("1 of 300 pictures shown")
    gallery.filter("folder:4_best OR (")
    gallery.see(re.compile("the filter lacks"))


def test_three_are_selected_by_click_shift_and_keyboard_then_set_aside_and_undone(gallery, folders):
    gallery.filter("folder:4_best")
    gallery.see("10 of 300 pictures shown")
    names = sorted(path.stem for path in (folders.dataset / "4_best").glob("*.jpg"))
    gallery.tile(f"4_best/{names[0]}.jpg").locator(".pic").click()
    gallery.tile(f"4_best/{names[2]}.jpg").locator(".pic").click(modifiers=["Shift"])
    assert len(gallery.selected()) == 3
    gallery.tile(f"4_best/{names[1]}.jpg").locator(".pic").click(modifiers=["Control"])
    assert gallery.selected() == ["4_best/000.jpg", "4_best/002.jpg"]
    gallery.page.keyboard.press("End")
    gallery.page.keyboard.press("Space")
    gallery.see("3 selected")
    cells = gallery.page.locator(".jp-Cell").count()
    for key in ("d", "d", "a", "y", "m"):
        gallery.page.keyboard.press(key)
    gallery.page.keyboard.press("x")
    gallery.see("3 pictures set aside.")
    gallery.see("7 of 297 pictures shown")
    assert sorted(path.stem for path in (folders.dataset / "4_best").glob("*.jpg")) == names[1:2] + names[3:9]
    assert gallery.page.locator(".jp-Cell").count() == cells, "keys went through to the notebook"
    gallery.press("Undo the last step")
    gallery.see("10 of 300 pictures shown")
    assert sorted(path.stem for path in (folders.dataset / "4_best").glob("*.jpg")) == names


def test_arrows_move_through_the_grid_with_one_tab_stop(gallery):
    page = gallery.page
    gallery.filter("")
    gallery.tile("010.jpg").locator(".pic").click()
    focused = "document.activeElement.querySelector('.name')?.textContent"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "011.jpg"
    page.keyboard.press("Shift+ArrowRight")
    assert gallery.selected() == ["011.jpg", "012.jpg"]
    page.keyboard.press("End")
    gallery.tile("4_best/009.jpg").wait_for()
    assert page.evaluate(focused) == "4_best/009.jpg"
    page.keyboard.press("Home")
    assert page.evaluate(focused) == "010.jpg"
    assert gallery.box.locator(".tile[tabindex='0']").count() == 1
    page.keyboard.press("Control+a")
    gallery.see("300 selected")
    page.keyboard.press("Escape")
    gallery.see(re.compile("shown$"))
    assert gallery.selected() == []
    page.keyboard.press("f")
    large = gallery.box.get_by_role("dialog")
    large.locator("img[src^=blob]").wait_for()
    page.keyboard.press("ArrowRight")
    large.get_by_text("011.jpg · 360 × 240 · 2 of 300").wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == "011.jpg"


def test_the_tags_are_one_tab_stop_and_lead_to_the_buttons(gallery):
    page = gallery.page
    gallery.box.get_by_label("Filter").click()
    stops = []
    for _ in range(5):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
    assert stops[:3] == ["SELECT", "tile", "tag"] and stops[3] in ("short", "number")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.className") == "tag"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "a dog100"
    page.keyboard.press("Enter")
    gallery.see("100 of 300 pictures shown")


def caption(folders, name: str, expected: str) -> None:
    """Wait until the file says so."""
    until = time.monotonic() + 5
    while (said := captions.read_caption(folders.dataset / name)) != expected and time.monotonic() < until:
        time.sleep(0.05)
    assert said == expected


def test_a_tag_of_the_set_is_offered_as_its_words_begin(gallery, folders):
    text = gallery.tile("012.jpg").locator("textarea")
    text.click()
    text.press("End")
    gallery.page.keyboard.type(", hai", delay=30)
    offered = gallery.box.locator(".hints")
    offered.get_by_text("long hair", exact=True).wait_for()
    keep(gallery, "hints")
    gallery.page.keyboard.press("ArrowDown")
    assert offered.get_by_role("option", selected=True).locator("span").first.text_content() == "long hair"
    gallery.page.keyboard.press("Enter")
    assert text.input_value() == "a cat, number 12, long hair" and offered.is_hidden()
    gallery.page.keyboard.type(", lo")
    assert offered.is_hidden(), "a tag that the caption has is offered again"
    for _ in ", lo":
        gallery.page.keyboard.press("Backspace")
    gallery.page.keyboard.press("Enter")
    caption(folders, "012.jpg", "a cat, number 12, long hair")
    gallery.press("Undo the last step")
    caption(folders, "012.jpg", "a cat, number 12")


def test_a_caption_is_edited_in_place_and_undone_as_one(gallery, folders):
    text = gallery.tile("012.jpg").locator("textarea")
    text.click()
    text.press("End")
    gallery.page.keyboard.type(", with a", delay=30)
    caption(folders, "012.jpg", "a cat, number 12, with a")
    gallery.page.keyboard.type(" hat", delay=30)
    gallery.page.keyboard.press("Enter")
    caption(folders, "012.jpg", "a cat, number 12, with a hat")
    gallery.tile("012.jpg").get_by_text(re.compile(r"^\d+/75 tokens")).wait_for()
    assert gallery.page.evaluate("document.activeElement.role") == "gridcell"
    gallery.press("Undo the last step")
    gallery.see("All is as it was before `edit_caption`.")
    caption(folders, "012.jpg", "a cat, number 12")
    gallery.shows("a cat, number 12")


def test_a_composed_word_arrives_whole(gallery, folders):
    text = gallery.tile("013.jpg").locator("textarea")
    text.click()
    text.press("End")
    keys = gallery.page.context.new_cdp_session(gallery.page)
    for part in ("ね", "ねこ", "猫"):
        keys.send("Input.imeSetComposition", {"text": part, "selectionStart": len(part), "selectionEnd": len(part)})  # fmt: skip
        gallery.page.wait_for_timeout(450)
        assert captions.read_caption(folders.dataset / "013.jpg") == "a dog, long hair, number 13"
    keys.send("Input.insertText", {"text": "猫"})
    gallery.page.keyboard.press("Escape")
    caption(folders, "013.jpg", "a dog, long hair, number 13猫")
    gallery.press("Undo the last step")
    caption(folders, "013.jpg", "a dog, long hair, number 13")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("Keep mine", "mine"), ("Take theirs", "theirs"), ("Both", "theirs, mine")],
)
def test_of_two_changes_of_one_caption_a_person_chooses(gallery, folders, choice, expected):
    tile = gallery.tile("014.jpg")
    tile.locator("textarea").click()
    captions.write_caption(folders.dataset / "014.jpg", "theirs")
    tile.locator("textarea").fill("mine")
    tile.get_by_text("Changed meanwhile to: “theirs”").wait_for()
    assert captions.read_caption(folders.dataset / "014.jpg") == "theirs"
    tile.get_by_role("button", name=choice).click()
    caption(folders, "014.jpg", expected)
    tile.locator(".clash").wait_for(state="detached")
    gallery.shows(expected)
    captions.write_caption(folders.dataset / "014.jpg", "a house, number 14")
    gallery.look_again_until_it_shows("a house, number 14")


def test_selected_pictures_are_turned_tagged_and_repeated(gallery, folders):
    gallery.filter("name:01?.jpg")
    gallery.see("10 of 300 pictures shown")
    gallery.picture("015.jpg").wait_for()
    before = gallery.picture("015.jpg").get_attribute("src")
    gallery.tile("015.jpg").locator(".pic").click()
    gallery.press("⟳ Turn right")
    gallery.see("1 picture turned.")
    gallery.page.wait_for_function(
        "([box, before]) => [...box.querySelectorAll('.tile')].find(tile => tile.querySelector('.name').textContent === '015.jpg')"
        ".querySelector('img').naturalHeight === 300",
        arg=[gallery.box.element_handle(), before],
    )
    assert open_upright(folders.dataset / "015.jpg").size == (240, 360)
    gallery.box.get_by_label("Tag to add or remove").fill("turned")
    gallery.press("Add tag")
    gallery.see("The tag was added to 1 caption.")
    caption(folders, "015.jpg", "a cat, number 15, turned")
    gallery.box.get_by_label("Repeats").fill("6")
    gallery.press("Set repeats")
    gallery.see("1 picture has other repeats now.")
    gallery.tile("6_cat/015.jpg").get_by_text("6×").wait_for()
    for _ in range(3):
        gallery.press("Undo the last step")
        gallery.page.wait_for_timeout(400)
    gallery.tile("015.jpg").wait_for()
    assert open_upright(folders.dataset / "015.jpg").size == (360, 240)


def test_a_picture_is_cropped_to_a_drawn_rectangle(gallery, folders):
    gallery.tile("016.jpg").locator(".pic").dblclick()
    large = gallery.box.get_by_role("dialog")
    large.get_by_text("360 × 240").wait_for()
    large.get_by_role("button", name="Crop …").click()
    frame = large.locator("img").bounding_box()
    gallery.page.mouse.move(frame["x"] + 2, frame["y"] + 2)
    gallery.page.mouse.down()
    gallery.page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2, steps=4)
    gallery.page.mouse.up()
    keep(gallery, "crop")
    large.get_by_role("button", name="Crop to the rectangle").click()
    gallery.see("1 picture cropped.")
    width, height = open_upright(folders.dataset / "016.jpg").size
    assert abs(width - 178) < 6 and abs(height - 118) < 6
    gallery.page.keyboard.press("Escape")
    gallery.press("Undo the last step")
    gallery.see("All is as it was before `crop`.")
    assert open_upright(folders.dataset / "016.jpg").size == (360, 240)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_can_be_read_in_both_themes_at_900_pixels(gallery, theme):
    page = gallery.page
    page.set_viewport_size({"width": 900, "height": 1000})
    page.evaluate("dark => document.body.setAttribute('data-jp-theme-light', String(!dark))", theme == "dark")
    if theme == "dark":
        page.evaluate(DARK)
    gallery.tile("010.jpg").locator(".pic").click()
    gallery.picture("012.jpg").wait_for()
    keep(gallery, theme)
    assert [line for line in page.evaluate(CONTRAST) if line["ratio"] < 4.5] == []
    wide = gallery.box.evaluate("box => [box.scrollWidth, box.clientWidth]")
    assert wide[0] <= wide[1]
    page.set_viewport_size({"width": 640, "height": 1000})
    page.wait_for_function("() => document.querySelector('.lng.narrow')")
    keep(gallery, f"{theme}_narrow")
    page.set_viewport_size({"width": 1180, "height": 1000})


DARK = """() => {
  for (const [name, value] of Object.entries({"--jp-layout-color1": "#212121", "--jp-layout-color2": "#424242",
    "--jp-border-color1": "#616161", "--jp-ui-font-color1": "rgba(255,255,255,.87)"}))
    document.body.style.setProperty(name, value);
}"""  # the colours of JupyterLab's own dark theme
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const over = (colour, [r, g, b]) => {
    canvas.fillStyle = `rgb(${r},${g},${b})`; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const ground = element => {
    const above = [];
    for (let at = element; at; at = at.parentElement) above.unshift(getComputedStyle(at).backgroundColor);
    return above.reduce((below, colour) => over(colour, below), [255, 255, 255]);
  };
  const light = rgb => rgb.map(part => part / 255).map(part => part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [.2126, .7152, .0722][at], 0);
  return [...document.querySelectorAll(".lng *")].filter(one => one.offsetParent && !one.disabled
      && ([...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()) || one.value)).map(one => {
    const below = ground(one), words = light(over(getComputedStyle(one).color, below)), back = light(below);
    return {text: (one.value || one.textContent).slice(0, 30), kind: one.className,
      ratio: (Math.max(words, back) + .05) / (Math.min(words, back) + .05)};
  });
}"""


def test_the_plain_gallery_has_the_same_pictures(notebook, shown, folders):
    notebook.run("Plain").done()
    cell = shown.cell
    cell.see("300 pictures, page 1 of 13, 0 selected")
    cell.found.get_by_text("010.jpg").first.click()
    cell.see("300 pictures, page 1 of 13, 1 selected")
    cell.press("Set aside")
    cell.see("1 picture set aside.")
    cell.press("Undo the last step")
    cell.see("300 pictures, page 1 of 13, 0 selected")
    assert (folders.dataset / "010.jpg").exists()


def test_the_saved_notebook_is_small_and_says_what_was_there(notebook, lab):  # noqa: F811
    notebook.page.keyboard.press("Control+s")
    path = lab[1] / "notebooks" / "Gallery.ipynb"
    until = time.monotonic() + 10
    while (said := "Gallery of 300 pictures: run the cell" in path.read_text()) is False:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert said and path.stat().st_size < 20_000


def test_a_page_that_is_loaded_again_shows_the_gallery_again(notebook, shown):
    notebook.run("Look").done()
    notebook.page.locator(".lng .counts").get_by_text("300 of 300 pictures shown").wait_for()
    notebook.page.keyboard.press("Control+s")
    notebook.page.wait_for_timeout(1000)
    notebook.page.reload()
    notebook.page.locator(".lng .counts").get_by_text("300 of 300 pictures shown").wait_for()


def test_after_a_restart_of_the_kernel_it_says_so_and_keeps_what_is_unsaved(notebook, shown, folders):
    page = notebook.page
    notebook.run("Look").done()
    page.locator(".lng .counts").get_by_text("300 of 300 pictures shown").wait_for()
    page.locator(".jp-NotebookPanel-toolbar [data-command='notebook:restart-kernel']").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    notebook._have_kernel()
    text = page.locator(".lng .tile:visible textarea").nth(1)
    before = captions.read_caption(folders.dataset / "011.jpg")
    text.fill("typed after the restart")
    page.locator(".lng .lost").get_by_text(re.compile("run this cell again. Unsaved captions: 1")).wait_for()
    assert page.locator(".lng .lost textarea").input_value() == "011.jpg: typed after the restart"
    assert captions.read_caption(folders.dataset / "011.jpg") == before
    place = os.environ.get("LORA_NB_SCREENSHOTS")
    if place:
        page.screenshot(path=str(Path(place) / "gallery_restarted.png"))
