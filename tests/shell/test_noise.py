"""What other libraries say is kept apart."""

from pathlib import Path

import pytest

from lora_nb.shell import jobs
from test_main import NOISY, as_command


class TestNoise:
    def test_only_our_own_sentences_are_seen(self, small_dataset: Path, tmp_path: Path):
        said = as_command(NOISY + "raise SystemExit(main())", small_dataset, tmp_path)
        assert (said.returncode, said.stderr) == (0, "")
        assert [line.split() for line in said.stdout.splitlines()] == [["1", "red"], ["1", "square"]]
        assert not list(tmp_path.glob("lora_nb-*.log"))

    @pytest.mark.parametrize(("more", "environment"), [(["--verbose"], {}), ([], {"LORA_NB_DEBUG": "1"})])
    def test_all_is_seen_when_asked_for(self, small_dataset: Path, tmp_path: Path, more, environment):
        said = as_command(NOISY + "raise SystemExit(main())", small_dataset, tmp_path, *more, **environment)
        assert said.stdout.count("NOISE") == 3 and said.stderr.count("NOISE") >= 7

    def test_in_a_job_it_is_in_the_output(self, small_dataset: Path, tmp_path: Path):
        said = as_command(
            NOISY + "raise SystemExit(main())", small_dataset, tmp_path, "--job_dir", str(tmp_path / "job")
        )
        assert "NOISE" not in said.stdout + said.stderr
        assert (tmp_path / "job" / jobs.OUTPUT).read_text().count("NOISE") >= 10
