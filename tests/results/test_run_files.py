"""The files of a run, with what is known of each."""

import pytest
from finished_run import make_run

from lora_nb.config.results import RunFiles
from lora_nb.results.run_files import chosen, every


def test_each_file_has_its_epoch_step_size_and_losses(tmp_path):
    output = make_run(tmp_path)
    found = every(output, "cat")
    assert [(file.path.name, file.epoch, file.step, file.loss, file.validation) for file in found] == [
        ("cat-01.safetensors", 1, 3, 0.25, 0.125),
        ("cat-02.safetensors", 2, 6, 0.2, None),
        ("cat-step000004.safetensors", None, 4, None, None),
    ]
    assert found[0].size == found[0].path.stat().st_size and found[0].preview is None
    assert found[1].preview == output / "cat-02.png"
    assert [path.suffix for path in found[1].parts] == [".safetensors", ".json", ".png"]


def test_files_are_chosen_by_name_and_a_missing_one_is_named(tmp_path):
    output = str(make_run(tmp_path))
    assert len(chosen(RunFiles(output, "cat"))) == 3
    (one,) = chosen(RunFiles(output, "cat", ("cat-02",)))
    assert one.path.name == "cat-02.safetensors"
    with pytest.raises(
        ValueError, match=r"holds no cat-09.safetensors; there are cat-01.safetensors, cat-02"
    ):
        chosen(RunFiles(output, "cat", ("cat-09.safetensors",)))
    with pytest.raises(ValueError, match=r'no LoRA file of "bird": train first'):
        chosen(RunFiles(output, "bird"))
    with pytest.raises(ValueError, match="output_dir is empty"):
        chosen(RunFiles())


def test_a_run_without_figures_has_files_all_the_same(tmp_path):
    output = make_run(tmp_path)
    (tmp_path / "runs" / "cat" / "metrics.jsonl").unlink()
    assert [file.epoch for file in every(output, "cat")] == [1, 2, None] and every(output, "cat")[
        0
    ].loss is None
