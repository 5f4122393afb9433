from pathlib import Path

from lora_nb.config.intake import ImportConfig
from lora_nb.dataset import example
from lora_nb.intake.importer import import_dataset


def test_the_examples_are_known_by_their_content(tmp_path: Path):
    assert not example.are_examples([])
    import_dataset(ImportConfig(source=str(example.CHARACTER), train_data_dir=str(tmp_path / "dataset")))
    found = sorted((tmp_path / "dataset").iterdir())
    assert len(found) == 24 and example.are_examples(found)
    other = tmp_path / found[-1].name
    content = bytearray(found[-1].read_bytes())
    content[-20] ^= 1
    other.write_bytes(content)
    assert not example.are_examples([other]), "the name and the size of an example, and another picture"
    assert not example.are_examples([*found, other])
