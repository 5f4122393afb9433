"""The list before the start: what stops, what warns, what is to be known, and what one press mends."""

import json
from dataclasses import replace as change
from pathlib import Path

import pytest

from lora_nb import project
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make, replace, values_of
from lora_nb.training import kept_settings, ready, ready_run
from lora_nb.training.machine import Machine
from lora_nb.training.plan import resolve
from lora_nb.training.ready_row import Places, Row

GIGA = 10**9
MACHINE = Machine(ram=64 * GIGA, ram_free=60 * GIGA, cores=2, flops=1e11)
T4 = Machine(12 * GIGA, 11 * GIGA, 2, "Tesla T4", 16 * GIGA, 15 * GIGA, "fp16", 16e12, (4.0, 12.0))


@pytest.fixture
def config(demo_run):
    return demo_run(6, num_repeats=40)


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path, tmp_path)


@pytest.fixture
def look(config, places):
    return lambda machine=MACHINE, **values: ready.look(replace(config, **values), machine, places)


def of(rows, kind):
    return [row for row in rows if row.kind == kind]


def test_a_good_run_may_start_and_is_told_of_memory_disk_and_time(look, config):
    rows = look()
    assert ready.is_free(rows) and not [row for row in rows if row.harm == "red"]
    assert [of(rows, kind)[0].harm for kind in ("memory", "disk", "time")] == ["grey"] * 3
    assert ready.in_words(rows).startswith("It can start")


def test_the_worst_comes_first_and_is_said(look):
    rows = look(pretrained_model_name_or_path="/no/such.safetensors")
    harms = [ready.HARMS.index(row.harm) for row in rows]
    assert harms == sorted(harms) and rows[0].harm == "red"
    assert "/no/such.safetensors" in ready.in_words(rows) and not ready.is_free(rows)


def test_what_cannot_be_planned_is_red(config, places, tmp_path):
    empty = tmp_path / "Loras" / "none" / "dataset"
    empty.mkdir(parents=True)
    rows = ready.look(replace(config, train_data_dir=str(empty)), MACHINE, places)
    assert rows[0].kind == "settings" and "holds no pictures" in rows[0].sentence


def test_too_little_memory_is_red_with_what_would_fit(look, config):
    small = change(T4, gpu_free=int(0.75 * GIGA))
    row = of(look(small, train_batch_size=16, resolution=128), "memory")[0]
    assert row.harm == "red" and dict(row.mend)["gradient_checkpointing"] is True
    mended = of(look(small, train_batch_size=16, resolution=128, **{
        name: value for name, value in row.mend if name != "train_batch_size"}), "memory")[0]  # fmt: skip
    assert mended.sentence != row.sentence
    none = of(look(change(T4, gpu_free=10**8)), "memory")[0]
    assert none.harm == "red" and not none.mend and "nothing cheaper is left" in none.sentence


def test_a_full_disk_is_red(look, monkeypatch):
    from lora_nb.training import forecast_disk

    free = of(look(), "disk")[0]
    monkeypatch.setattr(forecast_disk.Writes, "free", property(lambda self: self.total - 1))
    row = of(look(), "disk")[0]
    assert (free.harm, row.harm) == ("grey", "red") and "make room" in row.sentence


def test_a_long_run_on_a_free_session_is_told_to_keep_a_state(look):
    slow = change(T4, flops=1e9)
    row = of(look(slow), "time")[0]
    assert row.harm == "yellow" and dict(row.mend) == {"save_state_every_n_minutes": 10.0}
    assert "start the same run again" in of(look(slow, save_state_every_n_minutes=5.0), "time")[0].sentence
    assert of(look(T4), "time")[0].harm == "grey"


def test_an_earlier_run_of_the_name_is_gone_on_with_or_stops(look, config):
    assert not of(look(), "overwritten")
    kept_settings.keep(resolve(config))
    own = project.folders_of_output(Path(config.place.output_dir)).runs / "cat"
    (own / "cat.state").write_bytes(b"x")
    assert of(look(), "overwritten")[0].harm == "grey"
    other = of(look(rank=5), "overwritten")[0]
    assert (
        other.harm == "red"
        and "rank 16 -> 5" in other.sentence
        and dict(other.mend) == {"output_name": "cat-2"}
    )
    assert of(look(rank=5, on_existing="restart"), "overwritten")[0].harm == "yellow"
    assert not of(look(rank=5, output_name="cat-2"), "overwritten")


def test_a_file_without_a_state_stops_too(look, config):
    output = Path(config.place.output_dir)
    output.mkdir(parents=True)
    (output / "cat-01.safetensors").write_bytes(b"")
    assert of(look(), "overwritten")[0].harm == "red"


def test_a_missing_library_is_red_with_what_learns_the_same(look, monkeypatch):
    monkeypatch.setattr(ready_run, "find_spec", lambda name: None)
    row = of(look(optimizer="AdamW8bit"), "optimizer")[0]
    assert row.harm == "red" and dict(row.mend) == {"optimizer": "AdamW"}


def test_captions_that_are_cut_are_named(look, config):
    path = next(Path(config.place.train_data_dir).glob("*.txt"))
    path.write_text(", ".join(f"word{number}" for number in range(120)))
    row = of(look(max_token_length=75), "tokens")[0]
    assert path.stem in row.sentence and dict(row.mend) == {"max_token_length": 225}


@pytest.mark.parametrize(("repeats", "wanted"), [(1, 34), (400, 34)])
def test_repeats_out_of_the_rule_are_mended(look, repeats, wanted):
    row = of(look(num_repeats=repeats), "length")[0]
    assert row.harm == "yellow" and dict(row.mend) == {"num_repeats": wanted}
    assert not of(look(num_repeats=wanted), "length")


def test_a_real_base_without_a_gpu_is_warned_of(look, tiny_base):
    assert not of(look(), "gpu")
    assert of(look(pretrained_model_name_or_path=str(tiny_base)), "gpu")[0].harm == "yellow"


def test_a_folder_that_is_no_folder_is_red(look, tmp_path):
    (tmp_path / "file").write_text("")
    assert of(look(output_dir=str(tmp_path / "file" / "output")), "folders")[0].harm == "red"


def test_what_the_report_found_is_said_again(look, config):
    from lora_nb.config.report import ReportConfig
    from lora_nb.overview import report

    assert "Nobody has looked" in of(look(), "report")[0].sentence
    report.write(make(ReportConfig, train_data_dir=config.place.train_data_dir))
    assert not any("Nobody has looked" in row.sentence for row in of(look(), "report"))


def test_a_check_that_fails_stops_nobody(look, monkeypatch):
    def broken(asked):
        raise KeyError("odd")
        yield

    monkeypatch.setattr(ready, "CHECKS", (broken,))
    assert [row.harm for row in look()] == ["grey"]


def test_the_list_is_kept_as_json(look, config):
    rows = look(num_repeats=1)
    kept = json.loads(ready.write(config, rows).read_text())
    assert kept["can_start"] and [row["kind"] for row in kept["rows"]] == [row.kind for row in rows]
    assert {name: value for row in kept["rows"] for name, value in row["mend"].items()} == {"num_repeats": 34}


def test_every_mend_is_a_setting(look):
    names = values_of(TrainConfig()).keys()
    found = [row for row in look(num_repeats=1, max_token_length=75) if row.mend]
    assert found and all(name in names and row.label for row in found for name, _ in row.mend)
    assert ready.sort([Row("a", "grey", "x"), Row("b", "red", "y"), Row("c", "red", "y")])[0].kind == "b"


def test_figures_that_would_reach_nobody_are_told_before(config, places, monkeypatch):
    def row(places, **values):
        rows = ready.look(replace(config, **values), MACHINE, places)
        assert ready.is_free(rows)
        return of(rows, "figures")

    wanted = {"log_with": "wandb"}
    monkeypatch.setattr(ready_run, "find_spec", lambda name: name != "wandb")
    (found,) = row(places, **wanted)
    assert found.harm == "yellow" and "pip install wandb" in found.sentence
    assert found.mend == (("log_with", "tensorboard"),)
    monkeypatch.setattr(ready_run, "find_spec", lambda name: name)
    (found,) = row(places, **wanted)
    assert found.harm == "yellow" and "WANDB_API_KEY" in found.sentence
    assert not row(change(places, logins=frozenset({"wandb"})), **wanted) and not row(places)
