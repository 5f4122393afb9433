"""Hashes of weight files."""

import hashlib

from lora_nb.bases import weights


def test_hashes_of_a_file(tmp_path):
    path = tmp_path / "base.safetensors"
    content = bytes(range(256)) * 5000
    path.write_bytes(content)
    whole, short = weights.file_hashes(path)
    assert whole == hashlib.sha256(content).hexdigest()
    assert short == hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8]
