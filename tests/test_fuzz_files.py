"""Hundreds of damaged files, the same ones every time: each is named or taken, no byte is lost, nothing is a traceback."""

import hashlib
import json
import random
import shutil
import struct
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save

from conftest import write_tokenizer
from lora_nb import events
from lora_nb.bases import file_kind
from lora_nb.bases.clip_tokenizer import load_tokenizer
from lora_nb.config.intake import ImportConfig
from lora_nb.config.pictures import CurateConfig
from lora_nb.dataset import aside
from lora_nb.dataset.images import IMAGE_EXTENSIONS, scan
from lora_nb.intake.importer import import_dataset
from lora_nb.lora.lora_file import read_lora
from lora_nb.pictures.curate import curate
from lora_nb.project import Folders, folders_of_dataset
from lora_nb.shell import jobs

HTML = b"<!DOCTYPE html><html><body>Sign in to continue</body></html>"
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".gif": "GIF"}


def flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randint(1, 20)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def stuff(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + chance.randbytes(chance.randint(1, 40)) + content[at:]


def zero(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + bytes(len(content) - at)


DAMAGES = (flip, cut, stuff, zero, lambda content, chance: HTML, lambda content, chance: b"")


def digests(*folders: Path) -> Counter:
    """How often each content lies in the folders; hidden files and our own reports left out."""
    paths = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return Counter(hashlib.sha256(path.read_bytes()).digest() for path in paths if path.name != aside.REASONS)


def one_sentence(error: ValueError) -> bool:
    return 10 < len(str(error)) < 700 and not set("\n\r\0") & set(str(error))


def refused(read, *given) -> bool:
    """Whether `read` refused with one sentence; any other error is the test's."""
    try:
        read(*given)
    except ValueError as error:
        assert one_sentence(error), repr(error)
        return True
    return False


def picture(chance: random.Random, ending: str) -> bytes:
    content, size = BytesIO(), (chance.randint(8, 64), chance.randint(8, 64))
    colour = tuple(chance.randrange(256) for _ in range(3))
    Image.effect_noise(size, 90).convert("RGB").point(lambda v: v ^ colour[0]).save(content, FORMATS[ending])
    return content.getvalue()


def bomb(side: int) -> bytes:
    """A PNG that says it is `side` pixels wide and high and holds next to nothing."""
    content = bytearray(picture(random.Random(side), ".png"))
    content[16:24] = struct.pack(">II", side, side)
    return bytes(content)


@pytest.fixture(scope="module")
def damaged_pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(200):
        chance = random.Random(number)
        ending = chance.choice(list(FORMATS))
        content = (
            chance.choice(DAMAGES)(picture(chance, ending), chance)
            if number % 10
            else picture(chance, ending)
        )
        shown = ending if chance.random() < 0.8 else chance.choice(sorted(IMAGE_EXTENSIONS))
        (folder / f"{number:03d}{shown}").write_bytes(
            bomb(3 ** chance.randint(9, 19)) if number % 40 == 7 else content
        )
    return folder


def test_two_hundred_pictures(damaged_pictures, tmp_path):
    before, dataset = digests(damaged_pictures), tmp_path / "cat" / "dataset"
    report = import_dataset(ImportConfig(str(damaged_pictures), str(dataset)))
    assert len(report.added) + len(report.skipped) == 200
    refused_names = {name for name, _ in report.skipped}
    kept = {path.name for path in damaged_pictures.iterdir()} - refused_names
    assert digests(dataset) == Counter(
        hashlib.sha256((damaged_pictures / name).read_bytes()).digest() for name in kept
    )
    found = scan(dataset)
    assert len(found.items) + len(found.broken) == len(report.added)
    assert all(one_sentence(ValueError(f"{each.path}: {each.reason}")) for each in found.broken)
    curated = curate(CurateConfig(str(dataset)))
    folders = folders_of_dataset(dataset)
    assert {each.path.name for each in curated.broken} == {each.path.name for each in found.broken}
    assert digests(folders.dataset, folders.set_aside) == sum((before,), Counter()) - Counter(
        hashlib.sha256((damaged_pictures / name).read_bytes()).digest() for name in refused_names
    )
    assert aside.bring_back(folders) == curated.moved
    assert digests(damaged_pictures) == before


def make_zip(entries: list[tuple[str, bytes]], chance: random.Random) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return content.getvalue()


def field(content: bytes, offset: int, value: bytes) -> bytes:
    """Write `value` at `offset` of every entry of the central directory."""
    changed, at = bytearray(content), content.find(b"PK\1\2")
    while at >= 0:
        changed[at + offset : at + offset + len(value)] = value
        at = content.find(b"PK\1\2", at + 1)
    return bytes(changed)


EVIL_NAMES = (
    "../a.png", "/etc/a.png", "C:\\a.png", "x/../../a.png", "..\\a.png", "\\\\server\\a.png", "a\0b.png", "con.png",
    "." * 300 + ".png", "x/" * 200 + "a.png", " .png", "a.png/", "\ud83d.png".encode("utf-8", "replace").decode(), "‮gnp.a.png",
)  # fmt: skip


def evil(content: bytes, entries: list[tuple[str, bytes]], chance: random.Random) -> bytes:
    """A zip with one thing wrong on purpose."""
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    return chance.choice([
        lambda: make_zip([*entries, (chance.choice(EVIL_NAMES), b"x")], chance),
        lambda: make_zip([*entries, *entries], chance),
        lambda: make_zip([*entries, (link, b"/etc/passwd")], chance),
        lambda: make_zip([("inner.zip", content), ("deep.zip", make_zip([("b.zip", content)], chance))], chance),
        lambda: make_zip([*entries, ("inner.zip", content)], chance),
        lambda: make_zip([], chance),
        lambda: field(content, 8, b"\x01\x00"),  # encrypted
        lambda: field(content, 10, struct.pack("<H", chance.choice((1, 9, 12, 14, 93, 99)))),  # method
        lambda: field(content, 16, chance.randbytes(4)),  # CRC
        lambda: field(content, 20, b"\xfe\xff\xff\xff"),  # packed size
        lambda: field(content, 24, b"\xfe\xff\xff\xff"),  # unpacked size
        lambda: field(content, 42, chance.randbytes(3) + b"\0"),  # place of the entry
        lambda: field(content, 28, b"\xff\xff"),  # length of the name
        lambda: field(content, 30, b"\xff\xff"),  # length of the extra field
        lambda: content + chance.randbytes(50_000),
        lambda: b"MZ" * 500 + content,
    ])()  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hundred_zips(tmp_path):
    outcomes = Counter()
    for number in range(100):
        chance = random.Random(number)
        entries = [(f"{number}-{k}.png", picture(chance, ".png")) for k in range(3)] + [
            (f"{number}-0.txt", b"a cat")
        ]
        whole = make_zip(entries, chance)
        content = evil(whole, entries, chance) if number % 2 else chance.choice(DAMAGES)(whole, chance)
        source, dataset = tmp_path / f"{number}.zip", tmp_path / str(number) / "dataset"
        source.write_bytes(content)
        known = {hashlib.sha256(data).digest() for _, data in entries}
        is_refused = refused(import_dataset, ImportConfig(str(source), str(dataset)))
        outcomes[is_refused] += 1
        arrived = digests(dataset) if dataset.exists() else Counter()
        assert source.read_bytes() == content and not (is_refused and arrived)
        assert set(arrived) <= known | {hashlib.sha256(b"x").digest()}, (
            "a file whose bytes are not those packed"
        )
        assert not [
            path for path in tmp_path.rglob("*") if path.name.startswith(".import-") or path.is_symlink()
        ]
    assert min(outcomes.values()) > 10, outcomes


def damage_header(header: dict, chance: random.Random) -> bytes:
    """A safetensors file of one true header in which one value is another, or the text is damaged."""
    names = [name for name in header if name != "__metadata__"]
    victim = header[chance.choice(names)]
    strange = chance.choice(
        [None, -1, 2**70, "x", [], {}, [1, [2]], 1.5, True, [-1, -1], ["0", "4"], [9**15, 0], [2**80, 2**81]]
    )
    how = chance.randrange(6)
    if how < 3:
        victim[chance.choice(sorted(victim))] = strange
    elif how == 3:
        victim.pop(chance.choice(sorted(victim)))
    elif how == 4:
        header[chance.choice(names)] = strange
    text = json.dumps(header).encode()
    return chance.choice(DAMAGES[:4])(text, chance) if how == 5 else text


def test_headers_of_models_and_loras(tmp_path, whole_lora):
    outcomes = Counter()
    true = json.loads(whole_lora[8 : 8 + int.from_bytes(whole_lora[:8], "little")])
    payload = whole_lora[8 + int.from_bytes(whole_lora[:8], "little") :]
    for number in range(100):
        chance = random.Random(number)
        text = damage_header(json.loads(json.dumps(true)), chance)
        length = (
            len(text)
            if chance.random() < 0.9
            else chance.choice([0, 1, 2**40, 2**63, len(text) + 9, len(text) // 2])
        )
        content = length.to_bytes(8, "little") + text + payload
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(chance.choice(DAMAGES)(whole_lora, chance) if number % 5 == 0 else content)
        before = path.read_bytes()
        outcomes["base", refused(file_kind.check_file, path, "sd15")] += 1
        outcomes["lora", refused(read_lora, path)] += 1
        assert path.read_bytes() == before
    assert outcomes["base", False] == 0 and outcomes["lora", True] > 60


@pytest.fixture(scope="module")
def whole_lora() -> bytes:
    import torch

    tensors = {}
    for name in ("lora_unet_down_blocks_0", "lora_te_text_model_0"):
        tensors |= {f"{name}.lora_down.weight": torch.ones(2, 4), f"{name}.lora_up.weight": torch.ones(4, 2)}
        tensors[f"{name}.alpha"] = torch.tensor(2.0)
    return save(tensors, {"ss_tag": "x"})


def test_tokenizers(tmp_path):
    write_tokenizer(tmp_path / "true")
    truth = load_tokenizer(tmp_path / "true")
    truth.save_pretrained(tmp_path / "whole")
    outcomes = Counter()
    for number in range(50):
        chance = random.Random(number)
        layout, name = chance.choice(
            [
                ("true", "vocab.json"),
                ("true", "merges.txt"),
                ("true", "tokenizer_config.json"),
                ("whole", "tokenizer.json"),
            ]
        )
        folder = shutil.copytree(tmp_path / layout, tmp_path / str(number))
        (folder / name).write_bytes(chance.choice(DAMAGES)((folder / name).read_bytes(), chance))
        before = digests(folder)
        is_refused = refused(load_tokenizer, folder)
        outcomes[is_refused] += 1
        assert digests(folder) == before
    assert outcomes[True] > 30


def test_event_files(tmp_path):
    true = [events.StepLog(step, 50, 1, 0.1, 0.1, 1e-4, 1e-5, 2.0, 9.0) for step in range(1, 30)]
    whole = b"".join(
        events.to_line(each).encode() + b"\n" for each in [*true, events.Finished("done", "Fertig: ü")]
    )
    folders = Folders(tmp_path)
    for number in range(50):
        chance = random.Random(number)
        folder = folders.jobs / f"{number:03d}-train"
        folder.mkdir(parents=True)
        content = chance.choice(DAMAGES)(whole, chance)
        for name in (jobs.EVENTS, "job.json", jobs.ERROR, jobs.OUTPUT, "memory.json"):
            (folder / name).write_bytes(
                content if name == jobs.EVENTS else chance.choice(DAMAGES)(whole, chance)
            )
        job = jobs.Job(folder, "train", 2**22 + 1, 0.0)
        told, offset = jobs.events(job)
        same = sum(line in whole.split(b"\n") for line in content.split(b"\n")[:-1] if line)
        assert len(told) >= same and offset <= len(content)
        assert jobs.finished(job) in (None, events.Finished("done", "Fertig: ü")) or len(told) > same
        assert isinstance(jobs.last_error(job), str) and jobs.latest(folders, "train") is None
        assert (folder / jobs.EVENTS).read_bytes() == content
