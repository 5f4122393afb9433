"""Bases at web addresses, from servers on this machine that answer as Civitai and others do."""

import hashlib
import json

import pytest
from web_server import Site, serve

from ldm_layout import write_ldm
from lora_nb import web
from lora_nb.__main__ import main
from lora_nb.bases import civitai, lookup, web_base
from lora_nb.bases.models import load_base

KEY = "0123456789abcdef0123456789abcdef"
TOKENS = {civitai.TOKEN: KEY, web_base.HUB_TOKEN: "hf_AbCdEfGh1234567890"}


def model(size: int = 200_000) -> bytes:
    """The bytes of a .safetensors file of one tensor."""
    header = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(range(256)) * (size // 256) + bytes(size % 256)


MODEL = model()


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(web_base, "FOLDER", tmp_path / "bases")
    monkeypatch.setattr(web, "PAUSE", 0.01)


@pytest.fixture
def site():
    with serve(Site()) as served:
        yield served


@pytest.fixture
def store():
    """The place that holds the files, which is another host than the one that is asked."""
    with serve(Site()) as served:
        yield served


class Civitai:
    """What Civitai answers of version 7 of model 3: its facts, and a redirect to a signed address elsewhere."""

    def __init__(
        self, site: Site, store: Site, needs_key: bool = False, kind: str = "Checkpoint", sum: str = ""
    ):
        self.site, self.store, self.needs_key, self.keys = site, store, needs_key, []
        found = {"id": 7, "model": {"type": kind}, "files": [
            {"type": "Model", "primary": True, "hashes": {"SHA256": sum or hashlib.sha256(MODEL).hexdigest().upper()}},
            {"type": "VAE", "hashes": {"SHA256": "0" * 64}},
        ]}  # fmt: skip
        site.files["/api/v1/model-versions/7"] = self.keyed(json.dumps(found).encode())
        site.files["/api/v1/models/3"] = self.keyed(
            json.dumps({"modelVersions": [{"id": 7}, {"id": 5}]}).encode()
        )
        site.files["/api/download/models/7"] = self.lead_on
        store.files["/file"] = self.give

    def keyed(self, content: bytes):
        def answer(answers):
            self.keys.append(("api", answers.headers.get("Authorization")))
            answers.answer(200, content)

        return answer

    def lead_on(self, answers):
        given = answers.headers.get("Authorization")
        self.keys.append(("civitai", given))
        if self.needs_key and given != f"Bearer {KEY}":
            return answers.answer(401, b'{"error":"Unauthorized","message":"log in"}')
        return answers.answer(
            307, b"", {"Location": f"{self.store.address}/file?X-Amz-Signature=secret123456"}
        )

    def give(self, answers):
        self.keys.append(("store", answers.headers.get("Authorization")))
        name = {"Content-Disposition": 'attachment; filename="my model_v6.safetensors"'}
        answers.give("/file", MODEL, **name)


@pytest.fixture
def shop(site, store, monkeypatch):
    monkeypatch.setattr(civitai, "HOME", site.address)
    return Civitai(site, store)


@pytest.mark.parametrize(
    "form", ["/models/3?modelVersionId=7", "/models/3/some-name", "/api/download/models/7"]
)
def test_a_model_of_civitai_comes_by_each_of_its_addresses(shop, site, form):
    path = web_base.download(site.address + form, TOKENS)
    assert (path.name, path.read_bytes()) == ("my_model_v6.safetensors", MODEL)
    asked = len(site.asked)
    assert web_base.download(site.address + form) == path == web_base.find(site.address + form)
    assert len(site.asked) == asked, "what is here is not asked for again"


def test_the_token_goes_to_civitai_and_not_to_where_it_leads(shop, site):
    web_base.download(f"{site.address}/models/3?modelVersionId=7", TOKENS)
    assert shop.keys == [("api", f"Bearer {KEY}"), ("civitai", f"Bearer {KEY}"), ("store", None)]


def test_no_token_goes_anywhere_else(site):
    seen = []
    site.files["/a.safetensors"] = lambda answers: (
        seen.append(answers.headers.get("Authorization")), answers.give("/a.safetensors", MODEL)
    )  # fmt: skip
    web_base.download(f"{site.address}/a.safetensors", TOKENS)
    assert seen == [None]


def test_a_cut_download_of_civitai_is_gone_on_with(shop, site, store):
    store.cut_after["/file"] = 80_000
    path = web_base.download(f"{site.address}/models/3?modelVersionId=7", TOKENS)
    assert path.read_bytes() == MODEL
    assert store.asked[0][1] is None and store.asked[1][1].startswith("bytes=")
    assert [key for where, key in shop.keys if where == "store"] == [None, None]


def test_another_file_than_it_should_be_is_refused(site, store, monkeypatch):
    monkeypatch.setattr(civitai, "HOME", site.address)
    Civitai(site, store, sum="ab" * 32)
    address = f"{site.address}/models/3?modelVersionId=7"
    with pytest.raises(
        ValueError, match=r"came damaged, or is another file \(its sha256 is .* should be abababab"
    ):
        web_base.download(address)
    assert web_base.find(address) is None and not list(web_base.FOLDER.rglob("part"))


def test_one_that_needs_a_login_says_where_the_token_goes(site, store, monkeypatch):
    monkeypatch.setattr(civitai, "HOME", site.address)
    Civitai(site, store, needs_key=True)
    with pytest.raises(ValueError) as refused:
        web_base.download(f"{site.address}/models/3?modelVersionId=7")
    assert (
        "CIVITAI_TOKEN" in str(refused.value)
        and "Secrets" in str(refused.value)
        and "\n" not in str(refused.value)
    )
    assert web_base.download(f"{site.address}/models/3?modelVersionId=7", TOKENS).read_bytes() == MODEL


def test_what_is_no_base_on_civitai_is_refused_before_it_is_downloaded(site, store, monkeypatch):
    monkeypatch.setattr(civitai, "HOME", site.address)
    Civitai(site, store, kind="LORA")
    with pytest.raises(ValueError, match="is a LORA on Civitai, and a base is asked for here"):
        web_base.download(f"{site.address}/models/3?modelVersionId=7")
    assert store.asked == []


@pytest.mark.parametrize(
    ("code", "content", "says"),
    [
        (401, b"", "it needs a login"),
        (403, b"", r"refused \(403\)"),
        (404, b"", r"nothing is there \(404\)"),
        (503, b"", "out of order"),
        (200, b"<!DOCTYPE html><html>Log in</html>", "is no model but a web page: it needs a login"),
        (200, b'{"error":"no"}', "is no model but a message"),
        (200, b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (200, b"", "came with 0 of 0 bytes"),
    ],
)
def test_what_is_no_model_is_one_sentence(site, code, content, says):
    site.files["/a.safetensors"] = lambda answers: answers.answer(code, content)
    with pytest.raises(ValueError, match=says) as refused:
        web_base.download(f"{site.address}/a.safetensors?key=secret123", TOKENS)
    assert "\n" not in str(refused.value) and "secret123" not in str(refused.value)
    assert web_base.find(f"{site.address}/a.safetensors?key=secret123") is None


def test_before_a_training_it_is_looked_whether_a_model_is_there(site):
    site.files |= {"/m.safetensors": MODEL, "/page": b"<html>Sorry</html>"}
    site.files["/private.safetensors"] = lambda answers: answers.answer(401, b"")
    lookup.check_base(f"{site.address}/m.safetensors")
    assert site.asked == [("/m.safetensors", "bytes=0-511")] and not list(web_base.FOLDER.rglob("*"))
    lookup.check_base(f"{site.address}/private.safetensors")
    for name, says in (
        ("gone.safetensors", r"nothing is there \(404\)"),
        ("page", "is no model but a web page"),
    ):
        with pytest.raises(ValueError, match=says):
            lookup.check_base(f"{site.address}/{name}")
    with pytest.raises(ValueError, match="cannot be reached"):
        lookup.check_base("http://127.0.0.1:9/m.safetensors")


def test_before_a_training_civitai_is_asked_what_it_is(shop, site):
    lookup.check_base(f"{site.address}/models/3?modelVersionId=7")
    assert shop.keys == [("api", None)]


@pytest.mark.parametrize(("code", "says"), [(404, "Civitai has no such model"), (403, "Civitai refuses it")])
def test_what_civitai_does_not_give_is_one_sentence(site, monkeypatch, code, says):
    monkeypatch.setattr(civitai, "HOME", site.address)
    site.files["/api/v1/model-versions/7"] = lambda answers: answers.answer(code, b"{}")
    with pytest.raises(ValueError, match=says):
        web_base.download(f"{site.address}/models/3?modelVersionId=7", TOKENS)


def test_two_addresses_of_the_same_name_are_two_files(site):
    site.files |= {"/a/m.safetensors": MODEL, "/b/m.safetensors": model(100_000)}
    paths = [web_base.download(f"{site.address}/{part}/m.safetensors") for part in "ab"]
    assert paths[0] != paths[1] and [path.stat().st_size for path in paths] == [
        len(MODEL),
        len(model(100_000)),
    ]


def test_a_file_without_an_ending_gets_that_of_what_it_is(site):
    site.files |= {"/get": MODEL, "/old": b"\x80\x02}q\x00." + bytes(100)}
    assert [web_base.download(f"{site.address}/{name}").suffix for name in ("get", "old")] == [
        ".safetensors",
        ".ckpt",
    ]


def test_a_base_by_its_address_is_read_as_the_file_it_came_as(site, tiny_base, tmp_path):
    path = write_ldm(tiny_base, tmp_path / "tiny.safetensors")
    site.files["/dl/tiny.safetensors"] = path.read_bytes()
    address = f"{site.address}/dl/tiny.safetensors?download=true"
    assert lookup.public_name(address) == "tiny.safetensors" and lookup.located(address) == address
    with pytest.raises(ValueError, match=r"tiny\.safetensors .*Stable Diffusion 1\.5"):  # of another size
        load_base(address)
    assert lookup.located(address) == str(web_base.find(address))
    assert web_base.find(address).read_bytes() == path.read_bytes()


def test_the_verb_fetches_with_the_token_of_the_environment_and_never_shows_it(
    shop, site, monkeypatch, capsys, tmp_path
):
    monkeypatch.setenv(civitai.TOKEN, KEY)
    address = f"{site.address}/models/3?modelVersionId=7"
    assert main(["bases", "--fetch", address]) == 0
    said = capsys.readouterr()
    assert "my_model_v6.safetensors" in said.out and KEY not in said.out + said.err
    assert ("store", None) in shop.keys and ("civitai", f"Bearer {KEY}") in shop.keys
    kept = [path.read_bytes() for path in web_base.FOLDER.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in content or b"secret123" in content for content in kept)
