"""What differs between two sets of settings."""

import pytest

from lora_nb import differences, presets, settings
from lora_nb.__main__ import main
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make


def test_each_setting_that_differs_stands_once_with_both_values():
    found = differences.differences({"rank": 4, "seed": 42}, {"rank": 8, "sample_prompts": ("a", "b")})
    assert [(each.name, each.first, each.second) for each in found] == [
        ("rank", "4", "8"), ("sample_prompts", "", "a; b"),
    ]  # fmt: skip
    assert differences.differences({"rank": 16}, {}) == ()


def test_presets_files_and_runs_are_read(tmp_path, capsys):
    settings.save(make(TrainConfig, rank=5), tmp_path / "run.toml", "# lora_nb run")
    (tmp_path / "kohya.json").write_text(
        '{"network_dim": 5, "LoRA_type": "Standard", "max_resolution": "512,512"}'
    )
    assert (
        differences.read(str(tmp_path))["rank"] == differences.read(str(tmp_path / "run.toml"))["rank"] == 5
    )
    assert differences.read(str(tmp_path / "kohya.json"))["rank"] == 5
    assert differences.read("t4") == presets.put_together(["t4"])
    with pytest.raises(ValueError, match="nothing_there is neither a preset nor a file"):
        differences.read("nothing_there")
    assert main(["compare_settings", "--first", "style_sd15", "--second", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "rank" in said and "32  ->  5" in said and "settings differ: left style_sd15" in said
    assert main(["compare_settings", "--first", "t4", "--second", "t4"]) == 0
    assert "say the same" in capsys.readouterr().out


def test_a_preset_of_ones_own_is_kept_found_used_and_never_written_over(tmp_path, capsys):
    own, source = tmp_path / "_presets", tmp_path / "run.toml"
    settings.save(
        make(TrainConfig, rank=5, train_data_dir="/me/cats", output_name="cat", trigger_word="ohwx"), source
    )
    line = ["save_preset", "--source", str(source), "--folder", str(own), "--name"]
    assert main([*line, "mine", "--title", "for\nhorses"]) == 0
    (made,) = (preset for preset in presets.presets(own) if preset.kind == "own")
    assert (made.name, made.title) == ("mine", "for horses")
    kept = presets.put_together(["mine"], own)
    assert kept["rank"] == 5 and not {"train_data_dir", "output_name", "trigger_word"} & kept.keys()
    before = made.path.read_bytes()
    for name, words in {
        "mine": "is there already",
        "style_sd15": "comes with lora_nb",
        "a/b": "is not usable",
    }.items():
        assert main([*line, name]) == 2
        assert words in capsys.readouterr().err
    assert made.path.read_bytes() == before
    assert main(["presets", "--folder", str(own)]) == 0 and "mine" in capsys.readouterr().out
    assert presets.put_together([str(made.path)])["rank"] == 5, "by its path, as after --preset"
    assert main(["presets", "--folder", str(tmp_path / "none")]) == 2
    assert main(["save_preset", "--name", "x"]) == 2
