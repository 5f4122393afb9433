"""The real gdown against a local server that answers as Google Drive does: right files, or one sentence.

gdown asks https://drive.google.com by name; an adapter of requests, put in here, brings what it asks to the server.
"""

import pytest
import requests
from test_importer import BLUE, RED, tree, zipped
from web_server import Site, serve

from lora_nb.config.intake import ImportConfig
from lora_nb.intake import drive
from lora_nb.intake.importer import import_dataset
from lora_nb.intake.web import Limits

FILE = "1AbCdEfGhIjKlMnOpQrStUvWxYz012345"
OTHER = "1zYxWvUtSrQpOnMlKjIhGfEdCbA987654"
FOLDER = "1FolderFolderFolderFolderFolder01"
ENOUGH = Limits(10**9)
CONFIRM = """<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>
<p class="uc-warning-caption">Google Drive can't scan this file for viruses.</p>
<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">
<input type="hidden" name="id" value="{}"><input type="hidden" name="export" value="download">
<input type="hidden" name="confirm" value="t"><input type="submit" value="Download anyway"></form></body></html>"""
LISTING = """<html><head><title>my cats</title></head><body>
<a href="https://drive.google.com/file/d/{}/view?usp=drive_web"><div>one.png</div></a>
<a href="https://drive.google.com/file/d/{}/view?usp=drive_web"><div>set.zip</div></a></body></html>"""
# gdown 5 reads the folder's own page.
LISTING_5 = """<html><head><title>my cats - Google Drive</title><script>window['_DRIVE_ivd'] = '[[["{}",null,"one.png",
"image/png"],["{}",null,"set.zip","application/zip"]]]';</script></head><body></body></html>"""
HTML = {"Content-Type": "text/html; charset=utf-8"}


class Local(requests.adapters.HTTPAdapter):
    """What is asked of Google goes to the server of the test."""

    def __init__(self, address):
        super().__init__()
        self.address = address

    def send(self, request, **named):
        asked = request.url
        request.url = self.address + "/" + asked.partition("://")[2]
        answer = super().send(request, **named)
        answer.url = asked
        return answer


@pytest.fixture
def google(monkeypatch):
    with serve(Site()) as site:
        found = requests.Session.get_adapter
        local = Local(site.address)
        monkeypatch.setattr(
            requests.Session,
            "get_adapter",
            lambda session, url: local if "google.com" in url else found(session, url),
        )
        yield site


def page(text, code=200):
    return lambda answers: answers.answer(code, text.encode(), HTML)


def file(content, name):
    def give(answers):
        answers.give("/", content, **{
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'attachment; filename="{name}"',
        })  # fmt: skip

    return give


def download(link, place):
    return drive.download(link, place, ENOUGH)


@pytest.mark.parametrize(
    "link",
    [
        f"https://drive.google.com/file/d/{FILE}/view?usp=sharing",
        f"https://drive.google.com/open?id={FILE}",
        f"https://drive.google.com/uc?export=download&id={FILE}",
    ],
)
def test_a_shared_zip_comes_through_the_page_that_asks_for_confirmation(google, tmp_path, link):
    content = zipped(tmp_path / "a.zip", [("a.png", RED)]).read_bytes()
    google.files["/drive.google.com/uc"] = page(CONFIRM.format(FILE))
    google.files["/drive.usercontent.google.com/download"] = file(content, "my cats.zip")
    place = tmp_path / "scratch"
    place.mkdir()
    came = download(link, place)
    assert (came.name, came.read_bytes()) == ("my cats.zip", content)
    assert google.asked[0][0] == f"/drive.google.com/uc?id={FILE}"


def test_a_picture_that_is_called_like_nothing_gets_its_ending(google, tmp_path):
    google.files["/drive.google.com/uc"] = file(RED, "photo")
    assert download(f"https://drive.google.com/file/d/{FILE}/view", tmp_path).name == "photo.png"


def test_a_shared_folder_comes_with_the_zips_in_it_and_goes_on_where_it_was_cut(google, tmp_path, dataset):
    archive = zipped(tmp_path / "a.zip", [("b.png", BLUE), ("b.txt", b"blue")]).read_bytes()
    google.files["/drive.google.com/embeddedfolderview"] = page(LISTING.format(FILE, OTHER))
    google.files[f"/drive.google.com/drive/folders/{FOLDER}"] = page(LISTING_5.format(FILE, OTHER))
    google.files[f"/drive.google.com/uc?id={FILE}"] = file(RED, "one.png")
    google.files[f"/drive.google.com/uc?id={OTHER}"] = page("<html>Quota exceeded</html>", 403)
    settings = {"train_data_dir": str(dataset), "download_dir": str(tmp_path / "scratch")}
    link = f"https://drive.google.com/drive/folders/{FOLDER}?usp=sharing"
    told = []
    assert import_dataset(ImportConfig(link, **settings), told.append).added == ("one.png",)
    assert any("Not downloaded: set.zip" in getattr(event, "text", "") for event in told)
    google.files[f"/drive.google.com/uc?id={OTHER}"] = file(archive, "set.zip")
    google.asked.clear()
    report = import_dataset(ImportConfig(link, **settings))
    assert report.added == ("b.png",) and tree(dataset) == ["b.png", "b.txt", "one.png"]
    assert not any(FILE in path for path, _ in google.asked), "what is there is not downloaded again"
    assert link in (dataset.parent / "report" / "sources.jsonl").read_text()


REFUSED = [
    (page("<html><head><title>Sign in</title></head><body>You need access</body></html>"), "Anyone with the link"),
    (page('<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>'), "no more today"),
    (page("<html>no</html>", 404), "Anyone with the link"),
    (page("<html>no</html>", 403), "Anyone with the link"),
    (file(b"<!DOCTYPE html><html></html>", "a.zip"), "a web page in its place"),
    (file(b"%PDF-1.4", "a.pdf"), "a PDF"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "sentence"), REFUSED)
def test_what_cannot_be_had_is_one_sentence(google, tmp_path, answer, sentence):
    google.files["/drive.google.com/uc"] = answer
    with pytest.raises(ValueError, match=sentence) as refused:
        download(f"https://drive.google.com/file/d/{FILE}/view", tmp_path)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_not_shared_is_one_sentence(google, tmp_path):
    google.files["/drive.google.com/embeddedfolderview"] = page("<html>no</html>", 404)
    with pytest.raises(ValueError, match="Anyone with the link") as refused:
        download(f"https://drive.google.com/drive/folders/{FOLDER}", tmp_path)
    assert "\n" not in str(refused.value)


def test_a_cut_connection_is_one_sentence_and_the_next_try_goes_on(google, tmp_path):
    content = zipped(tmp_path / "a.zip", [("a.bin", bytes(range(256)) * 10_000), ("a.png", RED)]).read_bytes()
    content += bytes(3_000_000)  # larger than gdown's piece
    place = tmp_path / "scratch"
    place.mkdir()
    google.files["/drive.google.com/uc"] = file(content, "a.zip")
    google.cut_after["/"] = 2_000_000
    with pytest.raises(ValueError, match="the connection was cut"):
        download(f"https://drive.google.com/file/d/{FILE}/view", place)
    assert not list(place.glob("*.zip")), "a part is not called like the whole"
    assert download(f"https://drive.google.com/file/d/{FILE}/view", place).read_bytes() == content
    assert any(part for _, part in google.asked), "it went on with the part"


def test_a_link_that_names_nothing_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="leads to no file or folder"):
        download("https://drive.google.com/drive/my-drive", tmp_path)
