import sys
from pathlib import Path

import pytest

from lora_nb.shell import colab


def test_outside_colab_everything_lies_in_the_current_folder(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not colab.is_colab()
    assert colab.mount_drive() == tmp_path
    assert colab.read_secret("HF_TOKEN") is None


def test_a_download_is_a_place_outside_colab(tmp_path: Path):
    path = tmp_path / "cat-01.safetensors"
    path.write_bytes(b"1")
    assert str(path) in colab.offer_download(path)
    with pytest.raises(ValueError, match="not there"):
        colab.offer_download(tmp_path / "dog-01.safetensors")


@pytest.fixture
def stand_in_colab(tmp_path: Path, monkeypatch):
    """The part of google.colab that is used, as the package on Colab declares it."""
    package = tmp_path / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "drive.py").write_text(
        "import pathlib\n"
        "def mount(place):\n"
        "    if pathlib.Path(place).name == 'refused': raise ValueError('mount failed')\n"
        "    (pathlib.Path(place) / 'MyDrive').mkdir(parents=True)\n"
    )
    (package / "files.py").write_text("given = []\ndef download(path): given.append(path)\n")
    (package / "runtime.py").write_text("released = []\ndef unassign(): released.append(1)\n")
    (package / "userdata.py").write_text(
        "class SecretNotFoundError(Exception): pass\n"
        "class NotebookAccessError(Exception): pass\n"
        "class TimeoutException(Exception): pass\n"
        "def get(name):\n"
        "    if name == 'HF_TOKEN': return 'hf_1'\n"
        "    raise (NotebookAccessError if name == 'LOCKED' else SecretNotFoundError)(name)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    before = {name: sys.modules.pop(name) for name in google_modules()}
    yield tmp_path
    for name in google_modules():
        del sys.modules[name]
    sys.modules.update(before)


def google_modules() -> list[str]:
    return [name for name in sys.modules if name == "google" or name.startswith("google.")]


def test_on_colab_the_drive_is_mounted_once(stand_in_colab, tmp_path, monkeypatch):
    assert colab.is_colab()
    monkeypatch.setattr(colab, "DRIVE", tmp_path / "drive")
    assert colab.mount_drive() == colab.mount_drive() == tmp_path / "drive" / "MyDrive"
    monkeypatch.setattr(colab, "DRIVE", tmp_path / "refused")
    with pytest.raises(ValueError, match="Drive is not connected"):
        colab.mount_drive()


def test_on_colab_secrets_and_downloads(stand_in_colab, tmp_path):
    assert [colab.read_secret(name) for name in ("HF_TOKEN", "LOCKED", "NONE")] == ["hf_1", None, None]
    path = tmp_path / "cat-01.safetensors"
    path.write_bytes(b"1")
    assert "downloads" in colab.offer_download(path)
    from google.colab import files

    assert files.given == [str(path)]


def test_the_stand_in_is_gone_again():
    assert not colab.is_colab()


def test_the_runtime_is_released_on_colab_alone(stand_in_colab):
    assert "is released" in colab.release_runtime()
    assert sys.modules["google.colab.runtime"].released == [1]


def test_elsewhere_there_is_no_runtime_to_release():
    assert "nothing was done" in colab.release_runtime()
