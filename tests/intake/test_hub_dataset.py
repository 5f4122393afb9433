"""Dataset repositories of a Hub of our own: pictures, captions in tables, zips, refusals."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_importer import BLUE, GREEN, RED, tree, zipped
from web_server import Site, serve

from lora_nb.intake.hub_dataset import Repository, knows, repository

HOME = Path(__file__).parents[2]
COMMIT = "b" * 40


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hf://datasets/me/cats", Repository("me/cats")),
        ("hf://datasets/me/cats/train", Repository("me/cats", "", "train")),
        ("https://huggingface.co/datasets/me/cats", Repository("me/cats")),
        ("https://huggingface.co/datasets/me/cats/tree/main/train", Repository("me/cats", "main", "train")),
        ("https://huggingface.co/datasets/me/cats/blob/v2/a.zip", Repository("me/cats", "v2", "a.zip")),
        ("https://huggingface.co/datasets/me/cats/viewer/default/train?row=3", Repository("me/cats")),
    ],
)
def test_what_names_a_dataset(source, expected):
    assert knows(source) and repository(source) == expected


@pytest.mark.parametrize(
    "source", ["https://huggingface.co/me/model", "me/cats", "https://example.org/datasets/a/b"]
)
def test_what_names_none(source):
    assert not knows(source)


@pytest.fixture
def hub(tmp_path):
    """A Hub of four datasets."""
    archive = zipped(tmp_path / "a.zip", [("c.png", GREEN), ("c.txt", b"green")]).read_bytes()
    rows = [{"file_name": "a.png", "text": "a red square"}, {"file_name": "sub/b.png", "text": "a blue one"}]
    repositories = {
        "me/cats": {
            "README.md": b"# cats", "train/a.png": RED, "train/sub/b.png": BLUE, "more.zip": archive,
            "train/metadata.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        },
        "me/table": {"data/train-0.parquet": b"PAR1"},
        "me/words": {"README.md": b"x", "words.txt": b"x"},
    }  # fmt: skip
    with serve(Site()) as site:
        for name, files in repositories.items():
            serve_repository(site, name, files)
        site.files["/api/datasets/me/secret"] = lambda answers: answers.answer(
            403, b"{}", {"X-Error-Code": "GatedRepo"}
        )
        yield site


def serve_repository(site, name, files):
    siblings = [{"rfilename": file, "size": len(content)} for file, content in files.items()]
    about = json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode()
    for path in (f"/api/datasets/{name}", f"/api/datasets/{name}/revision/main"):
        site.files[path] = lambda answers: answers.answer(200, about, {"Content-Type": "application/json"})
    for file, content in files.items():
        path = f"/datasets/{name}/resolve/main/{file}"
        site.files[path] = lambda answers, p=path, c=content: give(answers, p, c)


def give(answers, path, content):
    headers = {"X-Repo-Commit": COMMIT}
    if answers.command == "HEAD":
        about = {"ETag": f'"{hash(content):x}"', "Content-Length": str(len(content)), **headers}
        answers.send_response(200)
        for name, value in about.items():
            answers.send_header(name, value)
        answers.end_headers()
    else:
        answers.give(path, content, **headers)


def run(hub, source, dataset, scratch, *more):
    """`import` in a process of its own: huggingface_hub reads its address when it is imported."""
    own = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(scratch / "hf"), "PYTHONPATH": str(HOME) + os.pathsep + os.environ.get('PYTHONPATH', '')}  # fmt: skip
    line = [sys.executable, "-m", "lora_nb", "import", "--source", source, "--train_data_dir", str(dataset), "--download_dir", str(scratch), *more]  # fmt: skip
    return subprocess.run(line, capture_output=True, text=True, env=own, cwd=scratch)


@pytest.mark.slow
def test_pictures_zips_and_captions_of_a_table_come_in(hub, tmp_path, dataset):
    said = run(hub, "hf://datasets/me/cats", dataset, tmp_path)
    assert said.returncode == 0 and "Imported 3 pictures and 3 captions" in said.stdout, said.stderr
    assert tree(dataset) == ["a.png", "a.txt", "b.png", "b.txt", "c.png", "c.txt"]
    assert (dataset / "b.txt").read_text() == "a blue one"
    assert not any(path.endswith("README.md") and "resolve" in path for path, _ in hub.asked)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("hf://datasets/me/words", 'the dataset "me/words" on Hugging Face holds no picture and no zip'),
        ("https://huggingface.co/datasets/me/secret", '"datasets/me/secret" is gated'),
        ("hf://datasets/me/nothing", '"datasets/me/nothing"'),
    ],
)
def test_what_cannot_be_had_is_one_sentence(hub, tmp_path, dataset, source, sentence):
    said = run(hub, source, dataset, tmp_path)
    assert said.returncode == 2 and sentence in said.stderr and said.stderr.count("\n") == 1, said.stderr


@pytest.mark.slow
def test_a_table_of_pictures_needs_pyarrow_and_says_so_or_is_unpacked(hub, tmp_path, dataset):
    if importlib.util.find_spec("pyarrow") is None:
        said = run(hub, "hf://datasets/me/table", dataset, tmp_path)
        assert said.returncode == 2 and "Parquet tables: pip install pyarrow" in said.stderr
        return
    import pyarrow
    from pyarrow import parquet

    pictures = [{"bytes": RED, "path": "x.png"}, {"bytes": BLUE, "path": None}]
    parquet.write_table(pyarrow.table({"image": pictures, "text": ["red", "blue"]}), tmp_path / "t.parquet")
    serve_repository(hub, "me/table", {"data/train-0.parquet": (tmp_path / "t.parquet").read_bytes()})
    said = run(hub, "hf://datasets/me/table", dataset, tmp_path)
    assert "Imported 2 pictures and 2 captions" in said.stdout, said.stderr
