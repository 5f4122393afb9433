"""Flags, generated from a config class."""

from pathlib import Path

import pytest

from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.shell.flags import build_parser, read_arguments
from lora_nb.shell.verbs import VERBS


def read(*arguments: str) -> TrainConfig:
    return read_arguments(build_parser("train", TrainConfig), TrainConfig, list(arguments))[0]


class TestFlags:
    def test_every_setting_of_every_verb_is_a_flag(self):
        for name, verb in VERBS.items():
            words = build_parser(name, verb.config).format_help()
            assert all(f"--{each.name} " in words for each in settings_of(verb.config))

    def test_flags_win_over_the_file(self, tmp_path: Path):
        (tmp_path / "run.toml").write_text("rank = 4\nalpha = 2\nmin_snr_gamma = 3.0\n")
        config = read(
            str(tmp_path / "run.toml"), "--alpha", "1e0", "--min_snr_gamma", "none", "--resolution", "64"
        )
        assert (
            config.network.rank,
            config.network.alpha,
            config.loss.min_snr_gamma,
            config.pictures.resolution,
        ) == (4, 1.0, None, 64)

    @pytest.mark.parametrize(("flag", "value"), [(["--flip_aug"], True), (["--flip_aug", "true"], True), (["--flip_aug=false"], False)])  # fmt: skip
    def test_a_yes_or_no_setting(self, flag, value):
        assert read(*flag).pictures.flip_aug is value

    def test_a_list(self):
        prompts = ("ohwx --n bad --s 4", "a dog")
        assert read("--sample_prompts", "ohwx --n bad --s 4; a dog").samples.sample_prompts == prompts

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--rnk", "8"], 'unknown flag "--rnk"; did you mean --rank?'),
            (["--train-batch-size=2"], "did you mean --train_batch_size?"),
            (["--ran", "8"], "did you mean --rank?"),
            (["--network_dim", "8"], "did you mean --rank?"),
            (
                ["--in_json=x"],
                'unknown flag "--in_json=x"; sd-scripts has it and lora_nb has not: the dataset is train_data_dir',
            ),
            (["--xyz", "8"], "see train --help"),
            (["--rank"], "expected one argument"),
            (["--rank", "0"], "rank = 0 is not usable: it must be a whole number from 1 to 256"),
            (["--rank", "many"], "rank = 'many' is not usable"),
            (["missing.toml"], "missing.toml does not exist"),
            (["a.toml", "b.toml"], '"b.toml" is one argument too many'),
        ],
    )
    def test_what_is_not_usable_is_one_sentence(self, arguments, says):
        with pytest.raises(ValueError) as wrong:
            read(*arguments)
        assert says in str(wrong.value)

    def test_a_misspelt_key_in_the_file_is_refused(self, tmp_path: Path):
        (tmp_path / "run.toml").write_text("learning_rat = 1e-4")
        with pytest.raises(
            ValueError, match='run.toml: unknown setting "learning_rat"; did you mean "learning_rate"'
        ):
            read(str(tmp_path / "run.toml"))


def given(name: str, *arguments: str):
    verb = VERBS[name]
    return read_arguments(build_parser(name, verb.config), verb.config, list(arguments))[0]


class TestBare:
    def test_one_setting_of_a_verb_at_most_needs_no_name_and_the_help_shows_it(self):
        for name, verb in VERBS.items():
            bare = [each.name for each in settings_of(verb.config) if each.said.bare]
            assert len(bare) <= 1
            usage = build_parser(name, verb.config).format_usage()
            assert usage.split(name, 1)[1].split() == [*bare, "[file.toml]", "[--setting", "value", "...]"]

    def test_what_a_verb_is_about_is_given_as_one_types_it(self, tmp_path: Path):
        assert given("inspect", "a.safetensors").lora == given("inspect", "--lora", "a.safetensors").lora
        assert (
            given("tag", "Loras/cat/dataset", "--general_threshold", "0.5").train_data_dir
            == "Loras/cat/dataset"
        )
        assert (
            given("tag", "--general_threshold", "0.5", "Loras/cat/dataset").train_data_dir
            == "Loras/cat/dataset"
        )
        imported = given("import", "cats.zip", "--train_data_dir", "here")
        assert (imported.source, imported.train_data_dir) == ("cats.zip", "here")
        assert given("compare_runs", "runs/a", "runs/b, c").runs == ("runs/a", "runs/b, c")
        (tmp_path / "tag.toml").write_text('train_data_dir = "there"\ngeneral_threshold = 0.5\n')
        tagged = given("tag", str(tmp_path / "tag.toml"))
        assert (tagged.train_data_dir, tagged.general_threshold) == ("there", 0.5)
        assert given("tag", "here", str(tmp_path / "tag.toml")).train_data_dir == "here"

    @pytest.mark.parametrize(
        ("name", "arguments", "says"),
        [
            ("inspect", ["a", "b"], '"b" is one argument too many: one lora, one .toml file'),
            ("inspect", ["a.toml", "b.toml"], '"b.toml" is one argument too many'),
            ("inspect", ["a", "--lora", "b"], 'lora is given twice: "a" and "b"'),
            ("train", ["dataset"], "dataset does not exist"),
        ],
    )
    def test_what_is_not_meant_is_one_sentence(self, name, arguments, says):
        with pytest.raises(ValueError) as wrong:
            given(name, *arguments)
        assert says in str(wrong.value)
