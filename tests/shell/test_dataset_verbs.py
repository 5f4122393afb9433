"""The subcommands that work on a dataset."""

from lora_nb.__main__ import main
from lora_nb.config.project import Handover
from lora_nb.dataset import handover
from lora_nb.project import project_folders


def test_steps_on_the_command_line_leave_project_toml_as_true_as_the_buttons_do(make_pictures, tmp_path):
    folders = project_folders(tmp_path, "cat")
    make_pictures(folders.dataset, 3, captions=False)
    place = ["--train_data_dir", str(folders.dataset)]
    assert main(["tag", "--tagger", "demo", *place]) == 0
    assert handover.read(folders) == Handover("cat", "", "tags", 3, 3)
    assert main(["trigger", "--trigger_word", "ohwx", *place]) == 0
    assert handover.read(folders) == Handover("cat", "ohwx", "tags", 3, 3)
    (folders.dataset / "bad.png").write_bytes(b"no picture")
    (folders.dataset / next(path.name for path in folders.dataset.glob("*.png"))).with_suffix(".txt").unlink()
    assert main(["curate", *place]) == 0
    assert handover.read(folders).captioned == 2
    assert main(["undo", *place]) == main(["undo", *place]) == 0
    assert handover.read(folders).trigger_word == ""


def test_tagging_that_wrote_nothing_does_not_make_sentences_into_tags(make_pictures, tmp_path):
    folders = project_folders(tmp_path, "cat")
    for path in make_pictures(folders.dataset, 2, captions=False):
        path.with_suffix(".txt").write_text("a photo of a cat that sleeps on a red sofa", encoding="utf-8")
    assert main(["tag", "--tagger", "demo", "--train_data_dir", str(folders.dataset)]) == 0
    assert handover.read(folders).caption_kind == "sentences"
