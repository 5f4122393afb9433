"""Files that arrive in pieces: whole or not there, gone on with, named and judged by what they are."""

import hashlib
import os
import random
import zlib

import pytest
from test_importer import BLUE, RED, run, zipped

from lora_nb.intake import scratch, uploads
from lora_nb.intake.uploads import Uploads, clean


@pytest.fixture
def core(tmp_path):
    return Uploads(tmp_path / "Loras" / "cat", folder=str(tmp_path / "scratch"))


class Page:
    """The browser's side: begins a file, sends its pieces, ends it."""

    def __init__(self, core, name, content, algorithm="sha256", piece=1000):
        self.core, self.name, self.content = core, name, content
        self.algorithm, self.piece, self.seq = algorithm, piece, 0

    def ask(self, op, *pieces, **more):
        self.seq += 1
        answer = self.core.answer({"op": op, "seq": self.seq, **more}, list(pieces))
        assert answer["re"] == self.seq
        return answer

    def begin(self):
        first = hashlib.sha256(self.content[:1000]).hexdigest()
        answer = self.ask("begin", name=self.name, size=len(self.content), modified=1, first=first)
        self.id = answer.get("id")
        return answer

    def send(self, offset, hashed=None):
        piece = self.content[offset : offset + self.piece]
        hashes = {"sha256": hashlib.sha256(piece).hexdigest(), "crc32": f"{zlib.crc32(piece):08x}"}
        return self.ask(
            "piece", memoryview(piece), id=self.id, offset=offset, algorithm=self.algorithm,
            hash=hashed or hashes[self.algorithm],
        )  # fmt: skip

    def all(self):
        offset = self.begin()["offset"]
        while offset < len(self.content):
            answer = self.send(offset)
            if not answer["ok"]:
                return answer
            offset = answer["offset"]
        return self.ask("end", id=self.id)


@pytest.fixture
def archive(tmp_path):
    return zipped(
        tmp_path / "a.zip", [("a.png", RED), ("b.png", BLUE), ("x", os.urandom(20_000))]
    ).read_bytes()


@pytest.mark.parametrize("algorithm", ["sha256", "crc32"])
def test_a_zip_arrives_byte_for_byte_and_is_imported(core, archive, dataset, algorithm):
    assert Page(core, "cats.zip", archive, algorithm).all()["kind"] == "zip"
    assert core.source().read_bytes() == archive and core.source().name == "cats.zip"
    assert len(run(core.source(), dataset).added) == 2
    core.clear()
    assert core.source() is None and core.under_way() == []


def test_pictures_captions_and_zips_arrive_together(core, archive, dataset):
    for name, content in {"c.png": RED + b"c", "c.txt": b"a cat", "cats.zip": archive}.items():
        assert Page(core, name, content).all()["ok"], name
    report = run(core.source(), dataset)
    assert sorted(report.added) == ["a.png", "b.png", "c.png"] and report.captions == 1
    assert [one["name"] for one in Page(core, "", b"").ask("hello")["whole"]] == [
        "c.png",
        "c.txt",
        "cats.zip",
    ]


def test_a_cut_one_is_gone_on_with_by_another_kernel_and_is_never_whole_before(core, archive, tmp_path):
    page = Page(core, "cats.zip", archive)
    page.begin()
    page.send(0)
    page.send(1000)
    again = Uploads(tmp_path / "Loras" / "cat", folder=str(tmp_path / "scratch"))
    assert again.source() is None and again.epoch != core.epoch
    hello = Page(again, "", b"").ask("hello")
    assert [(part["name"], part["there"]) for part in hello["parts"]] == [("cats.zip", 2000)]
    page = Page(again, "cats.zip", archive)
    assert page.begin()["offset"] == 2000
    assert page.all()["ok"] and again.source().read_bytes() == archive


def test_another_file_of_the_same_name_begins_at_its_own_beginning(core, archive):
    page = Page(core, "cats.zip", archive)
    page.begin()
    page.send(0)
    other = Page(core, "cats.zip", b"PK\x03\x04" + archive)
    assert other.begin()["offset"] == 0


def test_pieces_in_any_order_twice_or_damaged_leave_the_right_bytes(core, archive):
    """As a page with four pieces on their way would, over a line that mixes and repeats them."""
    page, chance = Page(core, "cats.zip", archive), random.Random(3)
    offset = page.begin()["offset"]
    while offset < len(archive):
        tries = [(at, None) for at in range(offset, min(offset + 4000, len(archive)), 1000)]
        tries += [(max(0, offset - 1000), None), (offset, "00")]
        chance.shuffle(tries)
        for at, hashed in tries:
            answer = page.send(at, hashed)
            assert answer["ok"] or answer["text"] == "", answer
            offset = answer["offset"]
    assert page.ask("end", id=page.id)["ok"] and core.source().read_bytes() == archive


def test_an_end_before_the_last_piece_is_no_end(core, archive):
    page = Page(core, "cats.zip", archive)
    page.begin()
    page.send(0)
    answer = page.ask("end", id=page.id)
    assert not answer["ok"] and answer["offset"] == 1000 and core.source() is None


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.mp4", b"\0\0\0\x18ftypmp42" + bytes(99), "a.mp4 is a video; what can come"),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(99), "a HEIC photo: convert it to JPEG"),
        ("a.zip", b"<!DOCTYPE html><html>", "a.zip is a web page"),
        ("a.png", b"just words", "neither picture, caption nor zip"),
        ("a.rar", b"Rar!\x1a\x07\x00", "a RAR archive: pack it as .zip"),
        ("a.txt", bytes(100), "neither picture"),
        ("a.png", b"", "a.png is empty"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_first_piece(core, name, content, sentence):
    page = Page(core, name, content + bytes(5000 * bool(content)))
    begun = page.begin()
    answer = page.send(0) if begun["ok"] else begun
    assert not answer["ok"] and sentence in answer["text"]
    assert core.under_way() == [] and not core.source()


def test_a_full_disk_is_said_before_the_first_byte(core, archive, monkeypatch):
    monkeypatch.setattr(scratch, "free", lambda folder: 10)
    answer = Page(core, "cats.zip", archive).begin()
    assert not answer["ok"] and "cats.zip needs" in answer["text"] and "make room there" in answer["text"]


def test_names_are_cleaned_and_the_ending_says_what_it_is(core):
    assert Page(core, "../../up\\x\0.jpg", RED).all()["name"] == "x_.jpg.png"
    assert Page(core, "Foto.JPEG", b"\xff\xd8\xff" + bytes(50)).all()["name"] == "Foto.JPEG"
    assert {path.parent for path in core.folder.rglob("*") if path.is_file()} <= {
        core.folder,
        core.whole,
        core.parts,
    }
    assert clean("a" * 300 + ".png").encode().__len__() < 200 and clean("..") == "file"
    assert Page(core, "x_.jpg.png", BLUE).all()["name"] == "x_.jpg-2.png", "no file is overwritten"


def test_what_a_zip_holds_is_said_before_the_import(core, archive):
    Page(core, "good.zip", archive).all()
    Page(core, "bad.zip", b"PK\x03\x04" + bytes(99)).all()
    holds = {one["name"]: one["holds"] for one in Page(core, "", b"").ask("hello")["whole"]}
    assert holds["good.zip"] == "2 pictures, 0 captions"
    assert holds["bad.zip"].startswith("it cannot be imported: is not a whole zip archive")


def test_a_part_can_be_forgotten_and_a_whole_one_removed(core, archive):
    page = Page(core, "cats.zip", archive)
    page.begin()
    assert page.ask("drop", id=page.id)["parts"] == []
    Page(core, "a.png", RED).all()
    assert page.ask("remove", name="../parts")["whole"] and page.ask("remove", name="a.png")["whole"] == []


@pytest.mark.parametrize(
    "message",
    [
        {}, {"op": "format"}, {"op": "begin"}, {"op": "begin", "name": "a", "size": -1, "modified": 0, "first": ""},
        {"op": "begin", "name": "a", "size": 10**18, "modified": 0, "first": ""}, {"op": "piece"},
        {"op": "piece", "id": "../../etc"}, {"op": "end", "id": "0" * 16}, {"op": "drop", "id": None},
    ],
)  # fmt: skip
def test_a_message_that_makes_no_sense_is_one_sentence(core, message):
    answer = core.answer(message, [])
    assert not answer["ok"] and answer["text"].count("\n") == 0 and answer["text"]


def test_each_project_has_a_place_of_its_own_and_old_ones_go(tmp_path, core, archive):
    Page(core, "cats.zip", archive).all()
    root = str(tmp_path / "scratch")
    dog = Uploads(tmp_path / "Loras" / "dog", folder=root)
    assert dog.source() is None
    os.utime(core.folder / ".used", (1, 1))
    Uploads(tmp_path / "Loras" / "dog", folder=root)
    assert not core.folder.exists() and dog.folder.exists()


def test_a_message_stays_far_below_what_closes_the_connection():
    assert uploads.PIECE * 2 < 10 << 20 and uploads.PIECE_ON_COLAB < uploads.PIECE
