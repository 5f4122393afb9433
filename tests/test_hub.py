"""The Hub as it answers and as it does not: a server of our own, child processes (addresses are read at import)."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from answering import Answering

HOME = Path(__file__).parents[1]
COMMIT = "a" * 40
FILES = {
    "model_index.json": b'{"_class_name": "StableDiffusionPipeline"}',
    "scheduler/scheduler_config.json": b"{}",
    "tokenizer/vocab.json": b"{}",
    "tokenizer/merges.txt": b"#version: 0.2\n",
    "text_encoder/config.json": b"{}",
    "text_encoder/model.safetensors": bytes(3_000_000),
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": bytes(15_000_000),
    "unet/diffusion_pytorch_model.bin": b"not to be downloaded",
    "vae/config.json": b"{}",
    "vae/diffusion_pytorch_model.safetensors": bytes(2_000_000),
    "selected_tags.csv": b"name,category\n",
}
REPOSITORIES = {
    "good/base": FILES,
    "other/flux": {**FILES, "model_index.json": b'{"_class_name": "FluxPipeline"}'},
    "half/base": {name: content for name, content in FILES.items() if not name.startswith("vae/diff")},
    "no/base": {"notes.txt": b"x"},
}
REFUSALS = {
    "401": (401, {"X-Error-Message": "Invalid credentials in Authorization header"}),
    "403": (403, {}),
    "404": (404, {"X-Error-Code": "RepoNotFound"}),
    "gated": (403, {"X-Error-Code": "GatedRepo"}),
    "500": (500, {}),
}


class Answers(Answering):
    """A Hub under /good, one that behaves otherwise under /500, /html, /silent ..., and a proxy that refuses."""

    def do_GET(self) -> None:
        mood, _, path = self.path.lstrip("/").partition("?")[0].partition("/")
        if mood == "hangs_up":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif mood == "silent":
            time.sleep(3)
        elif mood == "html":
            self.send(200, b"<html><body>Log in to this network</body></html>", {"Content-Type": "text/html"})
        elif mood in REFUSALS:
            code, headers = REFUSALS[mood]
            self.send(code, b'{"error": "no"}', headers)
        else:
            self.serve(path, closed=mood == "closed")

    do_HEAD = do_GET

    def do_CONNECT(self) -> None:
        self.send(407, b"", {})

    def serve(self, path: str, closed: bool) -> None:
        parts = path.split("/")
        if parts[0] == "api":
            files = REPOSITORIES["/".join(parts[2:4])]
            siblings = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
            content = json.dumps({"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": siblings}).encode()
            return self.send(200, content, {"Content-Type": "application/json"})
        content = REPOSITORIES["/".join(parts[:2])].get("/".join(parts[4:]))
        if closed:  # it may be seen and not taken
            return self.send(403, b"", {"X-Error-Code": "GatedRepo"})
        if content is None:
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
        return self.send(
            200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        )


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


ASK = """
import json, sys
from lora_nb import hub
from lora_nb.bases.lookup import check_base
from lora_nb.bases.sd15_files import FILES
hub.SECONDS_TO_ANSWER = float(sys.argv[2])
events = []
for name, *arguments in json.loads(sys.argv[1]):
    try:
        more = [hub.SECONDS_TO_ANSWER] if name in ("find_base", "check_base") else [events.append]
        layout = [FILES.layout] if name in ("find_base", "download_base") else []
        called = check_base if name == "check_base" else getattr(hub, name)
        said = str(called(*arguments, *layout, *more))
    except ValueError as error:
        said = "ValueError: " + str(error)
    print(json.dumps(said))
print(json.dumps([[event.done, event.total, event.stage, event.unit] for event in events]))
"""


def ask(endpoint: str, cache: Path, *calls: list[str], **environment: str) -> list:
    """What each of `calls` of hub.py returns or says in a process with this Hub, then the progress told."""
    own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(HOME)}
    others = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    seconds = "0.3" if endpoint.endswith("/silent") else "30"
    line = [sys.executable, "-c", ASK, json.dumps(calls), seconds]
    said = subprocess.run(line, capture_output=True, text=True, env={**others, **own, **environment})
    assert said.returncode == 0, said.stderr
    assert "Retrying" not in said.stderr  # half a minute of it, where nobody answers
    return [json.loads(text) for text in said.stdout.splitlines()]


BASE, FIND, FILE = ["download_base", "good/base"], ["find_base", "good/base"], ["download_file", "good/base", "selected_tags.csv"]  # fmt: skip


@pytest.fixture(scope="module")
def cache(server: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    """A cache into which the base and a file were downloaded, and what was said."""
    folder = tmp_path_factory.mktemp("hf")
    return folder, ask(f"{server}/good", folder, FIND, BASE, FILE)


def test_a_base_is_downloaded_once_and_its_bytes_are_told(server: str, cache):
    folder, (found, base, file, events) = cache
    there = {path.relative_to(base).as_posix() for path in Path(base).rglob("*") if path.is_file()}
    assert there == FILES.keys() - {"unet/diffusion_pytorch_model.bin"}
    assert found == base == str(Path(file).parent)
    of_base = [event for event in events if event[1] > 1_000_000]
    assert {tuple(event[2:]) for event in of_base} == {("Downloading good/base", "B")}
    done = [event[0] for event in of_base]
    assert done == sorted(done) and done[-1] == of_base[0][1] > 20_000_000 and 3 <= len(done) <= 201
    assert ask(f"{server}/good", folder, BASE)[1] == []


@pytest.mark.parametrize(
    "mood", ["500", "html", "hangs_up", "silent", "nobody", "no_such_name", "proxy", "offline"]
)
def test_what_is_cached_serves_while_the_hub_does_not_answer(server: str, cache, tmp_path: Path, mood: str):
    endpoint, more = f"{server}/{mood}", {}
    if mood == "nobody":
        endpoint = "http://127.0.0.1:1"
    if mood == "no_such_name":
        endpoint = "http://hub.invalid"
    if mood == "proxy":
        endpoint, more = "https://hub.invalid", {"HTTPS_PROXY": server}
    if mood == "offline":
        more = {"HF_HUB_OFFLINE": "1"}
    folder, (_, base, file, _) = cache
    assert ask(endpoint, folder, FIND, BASE, FILE, **more) == [base, base, file, []]
    said = ask(endpoint, tmp_path, FIND, BASE, FILE, **more)[:3]
    assert len(set(said)) == 1 and "\n" not in said[0]
    assert said[0].startswith("ValueError: ")
    wanted = {
        "500": 'Hugging Face refused "good/base" (500): try again later, or give a local folder',
        "html": "what answers is not Hugging Face (the login page of this network?): open a web page",
        "offline": "cannot be reached (HF_HUB_OFFLINE is set): connect to the internet, or give a local folder",
    }
    assert (
        wanted.get(mood, '"good/base" is not on this machine and Hugging Face cannot be reached (') in said[0]
    )


@pytest.mark.parametrize(
    ("mood", "says"),
    [
        ("401", "the token (HF_TOKEN) is not accepted"),
        ("403", 'Hugging Face refused "good/base" (403): try again later, or log in'),
        ("404", '"good/base" does not exist on Hugging Face, or needs a token'),
        ("gated", '"good/base" is gated: accept its terms at https://huggingface.co/good/base and log in'),
        ("closed", '"good/base" is gated'),
    ],
)
def test_a_refusal_is_one_sentence(server: str, tmp_path: Path, mood: str, says: str):
    for said in ask(f"{server}/{mood}", tmp_path, FIND, BASE, FILE)[:3]:
        assert says in said and "\n" not in said


def test_what_holds_no_base_is_said_before_its_weights_are_downloaded(server: str, tmp_path: Path):
    calls = [[name, repo] for repo in ("half/base", "no/base") for name in ("find_base", "download_base")]
    lost, flux = ["download_file", "good/base", "lost.csv"], ["check_base", "other/flux"]
    *said, events = ask(f"{server}/good", tmp_path, *calls, lost, flux, ["check_base", "good/base"])
    assert said[0] == said[1] and '"half/base" holds no weights of its vae' in said[0]
    assert said[2] == said[3] and '"no/base" holds no diffusers model' in said[2]
    assert '"good/base" on Hugging Face cannot be used' in said[4]
    assert "other/flux holds a FluxPipeline: Stable Diffusion 1.5, 2 and XL can be trained here" in said[5]
    assert said[6] == "None" and events == []


def test_half_a_download_is_not_taken_for_a_base(server: str, tmp_path: Path):
    ask(f"{server}/good", tmp_path, FIND)
    for said in ask("http://127.0.0.1:1", tmp_path, FIND, BASE)[:2]:
        assert '"good/base" was not downloaded whole (its text_encoder is missing)' in said
