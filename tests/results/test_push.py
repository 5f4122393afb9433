"""Files put on the Hub: a server of our own in its place, the command line in a child process."""

import base64
import json
import os
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from finished_run import make_run

from answering import Answering
from lora_nb.config.results import PushConfig
from lora_nb.events import silent
from lora_nb.results import card
from lora_nb.results.push import push

HOME = Path(__file__).parents[2]
TOKEN = "hf_AbCdEfGh1234567890"


class Hub(Answering):
    """A Hub with the repositories of `server.repos`, each a dict of files; "anna" alone may write."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            name = "/".join(parts[2:4])
            if name not in self.server.repos:
                return self.answer(404, {"error": "no"}, {"X-Error-Code": "RepoNotFound"})
            return self.answer(200, {"id": name, "sha": "a" * 40, "siblings": []})
        content = self.server.repos.get("/".join(parts[:2]), {}).get("/".join(parts[4:]))
        if content is None:
            return self.answer(404, {}, {"X-Error-Code": "EntryNotFound"})
        return self.send(200, content, {"ETag": f'"{len(content)}"', "X-Repo-Commit": "a" * 40})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tokens.add(self.headers.get("Authorization"))
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'anna'}/{asked['name']}"
            if not name.startswith("anna/"):
                return self.answer(403, {"error": "You don't have the rights"})
            self.server.repos[name] = {}
            self.server.private[name] = asked.get("private") or asked.get("visibility") == "private"
            return self.answer(200, {"url": f"{self.server.address}/{name}", "id": name})
        if parts[-1] == "validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if parts[-2] == "preupload":
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            return self.answer(200, {"files": files})
        lines = [json.loads(line) for line in body.splitlines()]
        for line in lines:
            if line["key"] == "file":
                value = line["value"]
                self.server.repos["/".join(parts[2:4])][value["path"]] = base64.b64decode(value["content"])
        self.server.commits += 1
        return self.answer(
            200,
            {
                "success": True,
                "commitOid": "b" * 40,
                "commitUrl": f"{self.server.address}/anna/my-cat/commit/b",
            },
        )

    def answer(self, code, said, headers=()):
        self.send(code, json.dumps(said).encode(), {"Content-Type": "application/json", **dict(headers)})


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as running:
        running.address = f"http://127.0.0.1:{running.server_port}"
        running.repos, running.private, running.tokens, running.commits = {}, {}, set(), 0
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def pushed(server, output, tmp_path, repo="anna/my-cat", token=TOKEN, **more):
    environment = {
        **os.environ, "HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path / "hf"),
        "HF_TOKEN": token, "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(HOME),
    }  # fmt: skip
    if not token:
        del environment["HF_TOKEN"]
    flags = [f"--{name}={value}" for name, value in more.items()]
    command = [sys.executable, "-m", "lora_nb", "push", "--output_dir", str(output), "--output_name", "cat"]
    done = subprocess.run(
        [*command, "--repo_id", repo, *flags], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert TOKEN not in done.stdout + done.stderr
    return done


def test_files_card_and_samples_arrive_in_one_commit(server, tmp_path):
    output = make_run(tmp_path / "cat")
    done = pushed(server, output, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 files are at" in done.stdout and "anna/my-cat. It is private." in done.stdout
    there = server.repos["anna/my-cat"]
    assert sorted(there) == [
        "README.md", "cat-01.safetensors", "cat-02.png", "cat-02.safetensors", "cat-step000004.safetensors",
        "samples/cat_e02_s000006_00.png", "samples/cat_e02_s000006_01.png",
    ]  # fmt: skip
    assert there["cat-02.safetensors"] == (output / "cat-02.safetensors").read_bytes()
    assert card.MARK.encode() in there["README.md"]
    assert (
        server.private["anna/my-cat"] is True and server.commits == 1 and server.tokens == {f"Bearer {TOKEN}"}
    )
    assert not any(TOKEN.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_card_written_by_hand_there_stays(server, tmp_path):
    output = make_run(tmp_path / "cat")
    server.repos["anna/my-cat"] = {"README.md": b"# Mine", "notes.txt": b"x"}
    done = pushed(server, output, tmp_path, lora_files="cat-01")
    assert done.returncode == 0, done.stderr
    assert "has a README.md written by hand" in done.stdout + done.stderr and "private" not in done.stdout
    there = server.repos["anna/my-cat"]
    assert there["README.md"] == b"# Mine" and there["notes.txt"] == b"x" and "cat-01.safetensors" in there


def test_what_is_refused_is_one_sentence(server, tmp_path):
    output = make_run(tmp_path / "cat")
    done = pushed(server, output, tmp_path, repo="other/cat")
    assert done.returncode == 2 and 'may not write to "other/cat" (403)' in done.stderr
    done = pushed(server, output, tmp_path, token="")
    assert done.returncode == 2 and "nobody is logged in to Hugging Face" in done.stderr
    with pytest.raises(ValueError, match="not of the form name/model"):
        push(PushConfig(str(output), "cat", repo_id="cat"), silent)
    assert server.commits == 0
