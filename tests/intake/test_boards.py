"""The real gallery-dl against a local server that answers as Danbooru and Gelbooru's software do."""

import json
import os
import re
import sys
from urllib.parse import parse_qs, urlsplit

import pytest
from test_importer import GREEN, RED, picture, tree
from web_server import Site, serve

from lora_nb.__main__ import main
from lora_nb.config.intake import ImportConfig
from lora_nb.dataset import history
from lora_nb.intake import boards, importer, sources
from lora_nb.intake.boards import Search, caption, download, search

pytestmark = pytest.mark.slow

POSTS = [
    {
        "id": number, "created_at": "2024-01-02T03:04:05.000-04:00", "rating": "g", "md5": f"{number:032x}",
        "tag_string": f"1girl hatsune_miku long_hair tag_{number} highres vocaloid :d",
        "tag_string_artist": "somebody", "tag_string_character": "hatsune_miku", "tag_string_copyright": "vocaloid",
        "tag_string_general": f"1girl long_hair tag_{number} :d", "tag_string_meta": "highres absurdres",
    }
    for number in range(1, 6)
]  # fmt: skip
ENDINGS = ["png", "jpg", "mp4", "png", "png"]
PICTURES = [RED, picture("blue", "jpg"), b"a video", GREEN, RED + b"more"]


@pytest.fixture
def board():
    """A Danbooru of five posts, the third a video."""
    with serve(Site()) as site:
        posts = [
            {
                **post,
                "file_url": f"{site.address}/data/{post['id']}.{ending}",
                "file_ext": ending,
                "source": "",
            }
            for post, ending in zip(POSTS, ENDINGS, strict=True)
        ]

        def find(answers):
            wanted = parse_qs(urlsplit(answers.path).query)
            found = posts if "page" not in wanted or wanted["page"] == ["1"] else []
            if "nothing" in wanted["tags"][0]:
                found = []
            answers.answer(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

        site.files["/posts.json"] = find
        for post, content in zip(posts, PICTURES, strict=True):
            site.files[f"/data/{post['id']}.{post['file_ext']}"] = content
        yield site


def there(site, **more):
    """The settings with which gallery-dl takes the server for Danbooru, and does not wait between requests."""
    local = {"root": site.address, "pattern": re.escape(site.address.partition("//")[2])}
    settings = (
        (("extractor", "Danbooru"), "danbooru", local),
        (("extractor",), "sleep-request", 0),
        (("extractor",), "retries", 0),
    )
    given = {"tags": "hatsune_miku solo", "most": 10, **more}
    return Search("danbooru", **given, settings=settings, address=f"{site.address}/posts?tags={{}}")


def test_pictures_come_with_their_tags_and_pages_and_nothing_else(board, tmp_path):
    told = []
    place, pages = download(there(board), tmp_path, told.append)
    visible = [path.name for path in sorted(place.iterdir()) if not path.name.startswith(".")]
    assert visible == [f"danbooru_{n}.{e}" for n, ends in ((1, "png"), (2, "jpg"), (4, "png"), (5, "png")) for e in sorted((ends, "txt"))]  # fmt: skip
    assert (place / "danbooru_1.png").read_bytes() == RED
    text = (place / "danbooru_2.txt").read_text(encoding="utf-8")
    assert text == "hatsune miku, vocaloid, 1girl, long hair, tag 2, :d"
    assert pages["danbooru_4.png"] == "https://danbooru.donmai.us/posts/4"
    wanted = next(path for path, _ in board.asked if path.startswith("/posts.json"))
    assert parse_qs(urlsplit(wanted).query)["tags"] == ["hatsune_miku solo rating:general"]
    assert told[-1].total == 10 and all("gallery-dl" in agent for agent in board.agents[:1])


def test_the_rating_and_the_limit_are_as_said_and_what_is_there_is_not_taken_again(board, tmp_path):
    _, pages = download(there(board, rating="any", most=2), tmp_path)
    assert sorted(pages) == ["danbooru_1.png", "danbooru_2.jpg"]
    wanted = next(path for path, _ in board.asked if path.startswith("/posts.json"))
    assert parse_qs(urlsplit(wanted).query)["tags"] == ["hatsune_miku solo"]
    board.asked.clear()
    assert len(download(there(board, rating="any"), tmp_path)[1]) == 4
    assert {path for path, _ in board.asked if path.startswith("/data/")} == {"/data/4.png", "/data/5.png"}


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (403, "it refuses to answer now"),
        (429, "it refuses to answer now"),
        (422, "fewer tags in a search"),
        (500, "500"),
    ],
)
def test_a_refusal_is_one_sentence(board, tmp_path, code, sentence):
    board.files["/posts.json"] = lambda answers: answers.answer(code, b'{"success":false}')
    with pytest.raises(ValueError, match=sentence) as refused:
        download(there(board), tmp_path)
    assert "\n" not in str(refused.value) and str(refused.value).startswith("Danbooru: ")


def test_tags_without_pictures_and_nobody_there_are_one_sentence(board, tmp_path):
    with pytest.raises(ValueError, match='has no picture for "nothing" with the rating general'):
        download(there(board, tags="nothing"), tmp_path)
    silent = Site(address="http://127.0.0.1:9")
    with pytest.raises(ValueError, match="cannot be reached: try again"):
        download(there(silent), tmp_path)


XML = '<posts count="1"><post id="7" file_url="{}/img/7.png" tags=" cat blue_eyes highres " created_at="Tue Jan 02 03:04:05 -0600 2024" md5="{}" /></posts>'


def test_a_board_of_gelbooru_s_kind_is_given_the_keys_and_they_are_kept_nowhere(tmp_path, capsys):
    """gelbooru.com's own address is fixed in gallery-dl; the program, its paging and its keys are the same."""
    with serve(Site()) as site:
        site.files["/index.php"] = lambda answers: answers.answer(
            200, XML.format(site.address, "0" * 32).encode()
        )
        site.files["/img/7.png"] = RED
        pattern = re.escape(site.address.partition("//")[2])
        settings = (
            (("extractor", "gelbooru_v02"), "gelbooru", {"root": site.address, "pattern": pattern}),
            (("extractor",), "sleep-request", 0),
        )
        keys = {"GELBOORU_API_KEY": "sesame1234", "GELBOORU_USER_ID": "4711"}
        wanted = Search("gelbooru", "cat", keys=keys, settings=settings, address=f"{site.address}/index.php?page=post&s=list&tags={{}}")  # fmt: skip
        place, pages = download(wanted, tmp_path)
        asked = parse_qs(urlsplit(site.asked[0][0]).query)
    assert (asked["api_key"], asked["user_id"]) == (["sesame1234"], ["4711"])
    assert (place / "gelbooru_7.txt").read_text() == "cat, blue eyes"
    assert pages == {"gelbooru_7.png": "https://gelbooru.com/index.php?page=post&s=view&id=7"}
    said = capsys.readouterr()
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"sesame1234" in content for content in kept) and "sesame1234" not in said.out + said.err
    assert "sesame1234" not in repr(wanted)


def test_a_refused_key_is_one_sentence_without_it(tmp_path):
    with serve(Site()) as site:
        site.files["/index.php"] = lambda answers: answers.answer(401, b"Missing authentication")
        local = {"root": site.address, "pattern": re.escape(site.address.partition("//")[2])}
        settings = ((("extractor", "gelbooru_v02"), "gelbooru", local), (("extractor",), "sleep-request", 0))
        keys = {"GELBOORU_API_KEY": "sesame1234", "GELBOORU_USER_ID": "4711"}
        with pytest.raises(ValueError, match="does not accept the key") as refused:
            download(Search("gelbooru", "cat", keys=keys, settings=settings, address=f"{site.address}/index.php?page=post&s=list&tags={{}}"), tmp_path)  # fmt: skip
    assert "sesame1234" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("danbooru:", "names no tags"),
        ("danbooru: cat rating:e", "the rating is a setting of its own"),
        ("gelbooru: cat", "answers only with a key of yours: .* GELBOORU_API_KEY and GELBOORU_USER_ID"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(source, sentence, tmp_path, monkeypatch):
    assert boards.knows(source)
    with pytest.raises(ValueError, match=sentence):
        search(source, "general", 10, {})
    monkeypatch.delenv("GELBOORU_API_KEY", raising=False)
    assert main(["import", "--source", source, "--train_data_dir", str(tmp_path / "a" / "dataset")]) == 2


def test_without_the_program_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gallery_dl", None)
    monkeypatch.setattr(boards.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install gallery-dl"):
        download(Search("danbooru", "cat"), tmp_path)


def test_captions_of_what_boards_say():
    assert caption({"tags": " a_cat highres b "}) == "a cat, b"
    assert caption({"tags": ["a_cat", "^_^"]}) == "a cat, ^_^"
    assert caption({}) == ""


def test_the_whole_way_into_the_dataset(board, tmp_path, dataset, monkeypatch):
    wanted = there(board)
    monkeypatch.setattr(boards, "search", lambda *asked: wanted)
    config = ImportConfig("danbooru: hatsune_miku", str(dataset), download_dir=str(tmp_path / "scratch"))
    report = importer.import_dataset(config)
    assert len(report.added) == report.captions == 4 and report.skipped == ()
    assert len(tree(dataset)) == 8
    lines = (dataset.parent / "report" / importer.ORIGINS).read_text().splitlines()
    assert json.loads(lines[0]) == {
        "picture": "danbooru_1.png",
        "source": "https://danbooru.donmai.us/posts/1",
    }
    history.undo(dataset)
    assert tree(dataset) == [] and not (dataset.parent / "report" / importer.ORIGINS).exists()
    assert sources.is_remote(config.source) and os.listdir(tmp_path / "scratch")
