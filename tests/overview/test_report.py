"""The report of a dataset: every check finds what was planted, and nothing in a good set."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from lora_nb import lengths
from lora_nb.__main__ import main
from lora_nb.config.report import ReportConfig
from lora_nb.dataset import handover
from lora_nb.forms.report_step import CONFIGS
from lora_nb.overview import report, report_page, report_record
from lora_nb.overview.report_advice import BY_PURPOSE, advice
from lora_nb.overview.report_points import HARMS, HURTS, KNOW, SPOILS
from lora_nb.pictures import findings
from lora_nb.pictures.findings import Finding
from lora_nb.project import Folders
from lora_nb.shell.verbs import VERBS


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """A set in which nothing is wrong: 16 pictures of 512 x 512 with tags, trigger word first, searched for copies."""
    folders = Folders(tmp_path / "Loras" / "cat")
    for number in range(16):
        draw(folders, f"{number:02d}.png", text=f"ohwx, red, number {number}", seed=number)
    handover.remember(folders, trigger_word="ohwx")
    folders.report.mkdir()
    (folders.report / "curate.json").write_text('{"broken": [], "clusters": []}')
    return folders


def draw(folders: Folders, name: str, size=(512, 512), text: str | None = None, seed: int = 0) -> Path:
    path = folders.dataset / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (seed * 9 % 256, 40, 90)).save(path)
    if text is not None:
        path.with_suffix(".txt").write_text(text)
    return path


def found(folders: Folders, **settings) -> dict[str, report.Point]:
    points = report.look(ReportConfig(str(folders.dataset), **settings)).points
    assert len({point.kind for point in points}) == len(points)
    return {point.kind: point for point in points}


def test_nothing_is_wrong_with_a_good_set(folders):
    points = found(folders)
    assert set(points) == {"length"}
    assert "thing to mend" not in report.in_words(report.look(ReportConfig(str(folders.dataset))))


def test_the_report_names_the_number_of_looks_that_the_trainer_fills_in(folders):
    said = found(folders, num_repeats=1)["length"].advice
    rule = lengths.USUAL
    assert f"{rule.looks(16)} looks in all" in said and f"num_repeats = {rule.repeats_of(16)} " in said
    assert f"{rule.looks(16)} in {rule.epochs} epochs" in rule.words(16)
    assert not found(folders, num_repeats=rule.repeats_of(16))["length"].advice


def few(folders):
    for path in sorted(folders.dataset.glob("1*.*")):
        path.unlink()


def unreadable(folders):
    (folders.dataset / "cut.png").write_bytes(b"\x89PNG\r\n")


def copies(folders):
    (folders.report / "curate.json").unlink()


def small(folders):
    draw(folders, "small.png", (300, 300), "ohwx, small")


def shape(folders):
    draw(folders, "wide.png", (3000, 400), "ohwx, wide")


def stems(folders):
    draw(folders, "00.jpg")


def lone_buckets(folders):
    draw(folders, "1_once/tall.png", (512, 700), "ohwx, tall")


def no_caption(folders):
    draw(folders, "bare.png")


def empty(folders):
    draw(folders, "empty.png", text="")


def unsure(folders):
    (folders.dataset / "03.txt").write_bytes(b"ohwx, \xe9\xf8\x81\x9d\xff")


def encoding(folders):
    (folders.dataset / "03.txt").write_bytes("ohwx, red, number".encode("utf-16"))


def orphans(folders):
    (folders.dataset / "alone.txt").write_text("nobody")


def doubled(folders):
    (folders.dataset / "03.txt").write_text("ohwx, Red, red")


def no_trigger(folders):
    handover.remember(folders, trigger_word="")


def trigger(folders):
    (folders.dataset / "03.txt").write_text("red, ohwx")


def too_long(folders):
    (folders.dataset / "03.txt").write_text("ohwx, " + ", ".join(f"word {n}" for n in range(100)))


def long(folders):
    (folders.dataset / "03.txt").write_text("ohwx, " + ", ".join(f"word {n}" for n in range(30)))


def mixed(folders):
    (folders.dataset / "03.txt").write_text("ohwx is a cat that sleeps all day long on a red sofa in the sun")


PLANTED = {
    few: HURTS, unreadable: SPOILS, copies: None, small: HURTS, shape: HURTS, stems: None, lone_buckets: None,
    no_caption: HURTS, empty: HURTS, unsure: SPOILS, encoding: None, orphans: None, doubled: None, no_trigger: HURTS,
    trigger: SPOILS, too_long: HURTS, long: KNOW, mixed: None,
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_what_is_planted_is_found_alone(folders, plant):
    plant(folders)
    points = found(folders)
    assert set(points) == {"length", plant.__name__}
    point = points[plant.__name__]
    assert PLANTED[plant] in (None, point.harm) and point.sentence.endswith(".")
    assert point.harm in HARMS and (point.mend is None or point.mend.verb in VERBS)


MENDED = ("encoding", "orphans", "trigger")


@pytest.mark.parametrize("kind", MENDED)
def test_one_press_mends_it(folders, kind, capsys):
    globals()[kind](folders)
    mend = found(folders)[kind].mend
    flags = [part for name, value in mend.settings.items() for part in (f"--{name}", str(value))]
    assert main([mend.verb, "--train_data_dir", str(folders.dataset), *flags]) == 0
    assert kind not in found(folders)
    assert main(["undo", "--train_data_dir", str(folders.dataset)]) == 0
    assert kind in found(folders)


def test_the_worst_stands_first(folders):
    for plant in (orphans, unreadable, no_caption):
        plant(folders)
    harms = [point.harm for point in report.look(ReportConfig(str(folders.dataset))).points]
    assert harms == sorted(harms, reverse=True) and harms[0] == SPOILS


def test_steps_are_counted_as_the_training_does(folders):
    small(folders)
    lone_buckets(folders)
    seen = report.look(
        ReportConfig(str(folders.dataset), num_repeats=3, train_batch_size=2, max_train_epochs=4)
    )
    assert [number for _, number in seen.buckets] == [17, 1]
    assert seen.steps_per_epoch == -(-17 * 3 // 2) + 1 and seen.steps == 4 * seen.steps_per_epoch
    config = ReportConfig(str(folders.dataset), resolution="512;768", num_repeats=3, train_batch_size=2)
    assert report.look(config).steps_per_epoch == 2 * seen.steps_per_epoch


def test_the_page_needs_nothing_else_and_the_report_comes_back_equal(folders):
    orphans(folders)
    (folders.dataset / "<b>.txt").write_text("x")
    seen, path = report.write(ReportConfig(str(folders.dataset), "style"))
    text = path.read_text(encoding="utf-8")
    assert path == folders.report / "dataset.html" and "<svg" in text and "prefers-color-scheme: dark" in text
    assert not re.search(r"<(script|link|img)\b|url\(|@import", text)
    assert "&lt;b&gt;.txt" in text and "<b>.txt" not in text
    assert report_record.read(folders) == seen
    for one in advice("style"):
        assert one.source and one.source in text
    (folders.report / "dataset.json").write_text("[]")
    assert report_record.read(folders) is None


def test_every_purpose_has_advice_with_a_source():
    kinds = next(
        each for each in VERBS["report"].config.__dataclass_fields__.values() if each.name == "purpose"
    )
    assert set(BY_PURPOSE) == set(kinds.type.__args__)
    assert all(one.source and one.sentence.endswith(".") for purpose in BY_PURPOSE for one in advice(purpose))


def test_what_else_was_found_is_read_whatever_it_is_called(folders):
    kept = {"broken": [], "clusters": [], "others": [{"kind": "blur", "new": 1}], "newer": 7}
    (folders.report / "curate.json").write_text(json.dumps(kept))
    assert "length" in found(folders)


def test_findings_of_one_kind_are_one_point_and_what_is_judged_here_is_not_said_twice(folders):
    pictures = sorted(folders.dataset.glob("*.*g"))[:2]
    others = tuple(
        Finding(kind, (path,), f"{kind} {path.name}", HURTS, "set_aside")
        for kind in ("blur", "small")
        for path in pictures
    )
    findings.write(folders, findings.Findings(others=others))
    seen = {point.kind: point for point in report.look(ReportConfig(str(folders.dataset))).points}
    assert seen["blur"].names == tuple(path.name for path in pictures)
    assert seen["blur"].sentence == f"2 pictures, the first: blur {pictures[0].name}"
    assert "small" not in seen, "512 x 512 is what the report itself takes for large enough"


def test_what_a_button_of_the_report_starts_is_a_subcommand_with_those_settings(folders):
    assert all(kind is VERBS[verb].config for verb, kind in CONFIGS.items())
    (folders.dataset / "00.txt").write_text("ohwx, red, red\n")
    points = report.look(ReportConfig(str(folders.dataset))).points
    mend = next(point.mend for point in points if point.kind == "doubled")
    assert (
        main([mend.verb, "--train_data_dir", str(folders.dataset), "--action", mend.settings["action"]]) == 0
    )
    assert (folders.dataset / "00.txt").read_text() == "ohwx, red\n"


def test_an_empty_folder_is_one_point(tmp_path):
    (tmp_path / "dataset").mkdir()
    seen = report.look(ReportConfig(str(tmp_path / "dataset")))
    assert [point.kind for point in seen.points] == ["no_pictures"] and report_page.whole(seen)
