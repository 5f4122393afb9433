"""Downloads from a local server that answers as sites do: the right file, or one sentence."""

import os

import pytest
from test_importer import RED, zipped
from web_server import Site, serve

from lora_nb import web
from lora_nb.events import Progress
from lora_nb.intake.web import Limits, download

ENOUGH = Limits(10**9)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(web, "PAUSE", 0.01)
    with serve(Site()) as served:
        yield served


@pytest.fixture
def archive(tmp_path):
    """A zip of 3 MB."""
    return zipped(tmp_path / "a.zip", [("a.png", RED), ("b.bin", os.urandom(3_000_000))]).read_bytes()


def test_a_file_comes_whole_under_its_name_and_with_the_ending_of_what_it_is(site, archive, tmp_path):
    site.files["/my%20cats.php?id=3"] = archive
    told = []
    came = download(f"{site.address}/my%20cats.php?id=3", tmp_path, ENOUGH, told.append)
    assert (came.name, came.read_bytes()) == ("my_cats.zip", archive)
    assert told[-1] == Progress("Downloading 127.0.0.1", len(archive), len(archive), "B")
    assert not (tmp_path / web.PART).exists()


def test_the_name_that_the_server_gives_is_cleaned(site, tmp_path):
    site.files["/x"] = lambda answers: answers.give(
        "/x", RED, **{"Content-Disposition": "attachment; filename*=UTF-8''..%2F..%2Fca%20t.jpg"}
    )
    came = download(f"{site.address}/x", tmp_path, ENOUGH)
    assert came.parent == tmp_path / web.WHOLE and came.name == "ca_t.png"


def test_a_redirect_is_followed(site, archive, tmp_path):
    site.files["/new.zip"] = archive
    site.files["/old"] = lambda answers: answers.answer(302, b"", {"Location": "/new.zip"})
    assert download(f"{site.address}/old", tmp_path, ENOUGH).read_bytes() == archive


def test_a_cut_connection_is_gone_on_with_where_it_was(site, archive, tmp_path):
    site.files["/a.zip"], site.cut_after["/a.zip"] = archive, 1_000_000
    assert download(f"{site.address}/a.zip", tmp_path, ENOUGH).read_bytes() == archive
    (_, first), (_, second) = site.asked
    assert first is None and 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 1_000_000


def test_a_part_left_by_a_killed_process_is_gone_on_with_and_never_taken_for_the_whole(
    site, archive, tmp_path
):
    address, site.cut_after["/a.zip"] = f"{site.address}/a.zip", 500_000
    site.files["/a.zip"] = lambda answers: (
        answers.give("/a.zip", archive) if site.cut_after else answers.answer(503, b"")
    )
    with pytest.raises(ValueError, match=r"out of order \(503\)"):
        download(address, tmp_path, ENOUGH)
    assert (tmp_path / web.PART).stat().st_size > 0 and not (tmp_path / web.WHOLE).exists()
    site.files["/a.zip"] = archive
    assert download(address, tmp_path, ENOUGH).read_bytes() == archive
    assert site.asked[-1][1].startswith("bytes=")


def test_another_version_of_the_file_is_not_mixed_with_the_part(site, archive, tmp_path):
    (tmp_path / web.PART).write_bytes(b"PK\x03\x04 of the old one")
    (tmp_path / web.NOTE).write_text('{"etag": "\\"0\\"", "total": 99, "name": "a.zip"}')
    site.files["/a.zip"] = archive
    assert download(f"{site.address}/a.zip", tmp_path, ENOUGH).read_bytes() == archive
    assert site.asked == [("/a.zip", "bytes=19-")]


def test_a_server_without_ranges_begins_anew(site, archive, tmp_path):
    (tmp_path / web.PART).write_bytes(archive[:1000])
    (tmp_path / web.NOTE).write_text('{"etag": "\\"1\\"", "total": 99, "name": "a.zip"}')
    site.files["/a.zip"] = lambda answers: answers.answer(200, archive, {"ETag": '"1"'})
    assert download(f"{site.address}/a.zip", tmp_path, ENOUGH).read_bytes() == archive


def test_a_whole_one_is_taken_again_only_if_the_server_knows_it_so(site, archive, tmp_path):
    address = f"{site.address}/a.zip"
    site.files["/a.zip"] = archive
    first = download(address, tmp_path, ENOUGH)
    told = []
    assert download(address, tmp_path, ENOUGH, told.append) == first and told == []
    site.files["/a.zip"], site.etags["/a.zip"] = RED, '"2"'
    assert download(address, tmp_path, ENOUGH).read_bytes() == RED and not first.exists()


PAGE = b"<!DOCTYPE html><html><body>Sorry</body></html>"


@pytest.mark.parametrize(
    ("code", "content", "sentence"),
    [
        (200, PAGE, "is a web page, not a file"),
        (403, PAGE, r"it is refused \(403\)"),
        (401, b"", "it needs a login"),
        (404, PAGE, r"nothing is there \(404\)"),
        (429, b"", "asked too often"),
        (500, PAGE, "the server is out of order"),
        (204, b"", "answers 204"),
        (200, b"Rar!\x1a\x07", "is a RAR archive: pack it as .zip"),
        (200, b"just words", "is neither a .zip nor a picture"),
        (200, b"", "came with 0 of 0 bytes"),
    ],
)
def test_what_is_no_file_is_one_sentence(site, tmp_path, code, content, sentence):
    site.files["/a.zip"] = lambda answers: answers.answer(code, content)
    with pytest.raises(ValueError, match=sentence) as refused:
        download(f"{site.address}/a.zip?key=abcdef123", tmp_path, ENOUGH)
    assert "\n" not in str(refused.value) and "abcdef123" not in str(refused.value)
    assert not (tmp_path / web.WHOLE).exists()


def test_nobody_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "PAUSE", 0.01)
    with pytest.raises(ValueError, match=r"cannot be reached \(127.0.0.1\)"):
        download("http://127.0.0.1:9/a.zip", tmp_path, ENOUGH)


def test_one_that_is_always_cut_says_so_and_keeps_what_is_there(site, archive, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "ATTEMPTS", 2)
    address = f"{site.address}/a.zip"

    def cut(answers):
        begin = 400_000 if answers.headers.get("Range") else 0
        about = {"ETag": '"1"', "Content-Range": f"bytes {begin}-{len(archive) - 1}/{len(archive)}"}
        answers.answer(206 if begin else 200, archive[begin:], about, 0 if begin else 400_000)

    site.files["/a.zip"] = cut
    with pytest.raises(ValueError, match="the connection was cut after 0.4 MB: try again"):
        download(address, tmp_path, ENOUGH)
    kept = (tmp_path / web.PART).read_bytes()
    assert len(kept) > 300_000 and archive.startswith(kept)


def test_too_large_is_said_by_the_header_or_by_measure(site, archive, tmp_path):
    site.files["/a.zip"] = archive
    with pytest.raises(ValueError, match=r"larger than 0.001 GB \(max_gigabytes\)"):
        download(f"{site.address}/a.zip", tmp_path, Limits(10**6))

    def unsaid(answers):
        answers.send_response(200)
        answers.end_headers()
        answers.wfile.write(archive)
        answers.connection.close()

    site.files["/b.zip"] = unsaid
    with pytest.raises(ValueError, match=r"larger than 0.001 GB"):
        download(f"{site.address}/b.zip", tmp_path, Limits(10**6))
