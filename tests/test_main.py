import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lora_nb import patience
from lora_nb.__main__ import explain, main
from lora_nb.dataset.captions import read_caption, write_caption
from lora_nb.project import lora_files
from lora_nb.shell import jobs
from lora_nb.shell.verbs import VERBS

TOKEN = "hf_AbCdEfGh1234567890"


class TestCommandLine:
    def test_help_names_every_verb(self, capsys):
        assert main([]) == main(["--help"]) == 0
        said = capsys.readouterr().out
        assert all(f"  {name} " in said for name in VERBS)

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["trian"], 'unknown verb "trian"; did you mean "train"?'),
            (["xyzzy"], "there are import, "),
            (["scan"], "train_data_dir is empty"),
            (["scan", "--train_data_dir", "nowhere"], "nowhere is not a folder"),
            (["train", "--rank", "0"], "rank = 0"),
            (["trigger", "--train_data_dir", "x"], "trigger_word is empty"),
        ],
    )
    def test_an_expected_error_is_one_sentence_and_exit_code_2(self, arguments, says, capsys, tmp_path: Path):
        assert main([*arguments, "--job_dir", str(tmp_path)]) == 2
        said = capsys.readouterr()
        assert says in said.err and said.err.count("\n") == 1 and said.out == ""
        assert (tmp_path / jobs.ERROR).read_text(encoding="utf-8") == said.err

    def test_scan(self, small_dataset: Path, capsys):
        (small_dataset / "bad.jpg").write_bytes(b"no picture")
        assert main(["scan", "--train_data_dir", str(small_dataset)]) == 0
        said = capsys.readouterr().out
        assert "3 pictures, 1 with a caption; 1 unreadable" in said
        assert "bad.jpg" in said

    def test_trigger_twice_then_top_tags(self, small_dataset: Path, capsys):
        line = ["trigger", "--train_data_dir", str(small_dataset), "--trigger_word", "ohwx"]
        assert main(line) == 0
        assert "3 of 3 captions changed" in capsys.readouterr().out
        assert main(line) == 0
        assert "0 of 3 captions changed" in capsys.readouterr().out
        assert read_caption(small_dataset / "0.png") == "ohwx, red, square"
        assert main(["top_tags", "--train_data_dir", str(small_dataset), "--number", "1"]) == 0
        assert capsys.readouterr().out.split() == ["3", "ohwx"]

    def test_import_tells_what_it_did(self, small_dataset: Path, tmp_path: Path, capsys):
        target = tmp_path / "other" / "dataset"
        job = tmp_path / "job"
        assert (
            main(
                [
                    "import",
                    "--source",
                    str(small_dataset),
                    "--train_data_dir",
                    str(target),
                    "--job_dir",
                    str(job),
                ]
            )
            == 0
        )
        assert "Imported 3 pictures and 1 caption " in capsys.readouterr().out
        events = [json.loads(line) for line in (job / jobs.EVENTS).read_text(encoding="utf-8").splitlines()]
        assert events[-1]["event"] == "Finished"
        assert not (job / jobs.ERROR).exists()

    def test_help_of_a_verb_is_quick_and_loads_no_torch(self):
        code = "import sys; from lora_nb.__main__ import main; code = main(['train', '--help']); print('torch' in sys.modules, code)"
        begin = time.monotonic()
        said = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
        )
        assert said.stdout.splitlines()[-1] == "False 0"
        assert time.monotonic() - begin < 3

    def test_a_verb_says_at_once_that_it_loads_its_libraries(self, tmp_path: Path):
        """The first line comes before torch & co are imported, and only where they are."""
        code = """
import io, json, sys
from lora_nb.__main__ import main
from lora_nb.shell.verbs import VERBS
class Terminal(io.StringIO):
    def write(self, text):
        said.append((text, "torch" in sys.modules or "onnxruntime" in sys.modules))
        return len(text)
seen = {}
light = [name for name in VERBS if not VERBS[name].loads]
for name in [*light, "train"]:
    said, sys.stdout = [], Terminal()
    main([name] + ([] if name == "import" else ["--train_data_dir", "nowhere"]))
    sys.stdout = sys.__stdout__
    seen[name] = said[:1]
print(json.dumps([seen, "torch" in sys.modules]))
"""
        line = [sys.executable, "-c", code]
        said = subprocess.run(
            line, capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, check=True
        )
        seen, loaded = json.loads(said.stdout)
        assert loaded and seen.pop("train") == [["Loading the libraries ...", False]]
        assert set(seen) == {
            "add_tags", "advise", "bases", "card", "check", "compare_runs", "compare_settings", "copy", "crop", "curate", "curve", "diff", "edit_caption",
            "edit_tags", "export", "import", "import_settings", "inspect", "keep_other", "list", "look", "pack", "prepare", "presets", "push", "queue add",
            "queue again", "queue cancel", "queue list", "queue move", "queue pause", "queue remove", "queue resume", "queue start", "queue sweep", "queue work",
            "ready", "recode", "remove_tags", "repeats", "report", "restore", "restore_version", "rotate", "save_preset", "scan", "set_aside", "set_orphans_aside",
            "snapshot", "suggest", "tensorboard", "top_tags", "trigger", "undo", "versions",
        }  # fmt: skip
        assert not any(heavy for first in seen.values() for _, heavy in first)
        assert not any("Loading" in text for first in seen.values() for text, _ in first)

    @pytest.mark.skipif(os.name == "nt", reason="Windows keeps a folder that is in use")
    @pytest.mark.parametrize("verb", ["curate", "top_tags"])
    def test_a_folder_that_is_gone_is_one_sentence(self, verb: str, tmp_path: Path):
        code = "import os, sys; from lora_nb.__main__ import main; os.rmdir(os.getcwd()); sys.exit(main())"
        (tmp_path / "gone").mkdir()
        line = [sys.executable, "-c", code, verb, "--train_data_dir", "dataset"]
        said = subprocess.run(line, cwd=tmp_path / "gone", capture_output=True, text=True, encoding="utf-8")
        assert (said.returncode, said.stdout) == (2, "")
        assert (
            said.stderr
            == "The folder this was started in was removed or renamed: change to one that is there (cd), and run again\n"
        )

    def test_emoji_pass_on_a_console_of_another_encoding(self, small_dataset: Path):
        write_caption(small_dataset / "1.png", "📈 köln")
        line = [sys.executable, "-m", "lora_nb", "top_tags", "--train_data_dir", str(small_dataset)]
        said = subprocess.run(
            line, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "cp1252"}, check=True
        )
        assert "📈 köln" in said.stdout.decode("utf-8")

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
    def test_signs_stay_away_where_they_cannot_be_shown(self, encoding: str, small_dataset: Path):
        code = (
            "import sys; from lora_nb import __main__ as m; from lora_nb.events import *; from lora_nb.shell.verb import Verb;"
            "from lora_nb.config.dataset import TopTagsConfig as C;"
            "m.VERBS['say'] = Verb(C, lambda c, tell, poll: tell(Notice('📈 Found 4')) or Finished('done', 'Ende, köln'));"
            "sys.exit(m.main(['say', '--train_data_dir', sys.argv[1]]))"
        )
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        line = [sys.executable, "-c", code, str(small_dataset)]
        said = subprocess.run(line, capture_output=True, env=environment, check=True).stdout.decode("utf-8")
        assert said.splitlines()[-2:] == ["📈 Found 4" if encoding == "utf-8" else "Found 4", "Ende, köln"]

    def test_a_reader_that_goes_away_is_no_fault(self, small_dataset: Path):
        line = [sys.executable, "-m", "lora_nb", "top_tags", "--train_data_dir", str(small_dataset)]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


# Ways in which foreign code speaks: a print, a warning, a logger of its own, compiled code; before and at the exit.
NOISY = """
import atexit, logging, os, sys, warnings
from lora_nb.dataset import captions
from lora_nb.__main__ import main
honest = captions.top_tags
def noisy(*given):
    print("NOISE"); print("NOISE", file=sys.stderr); warnings.warn("NOISE"); logging.getLogger("x").warning("NOISE")
    logging.getLogger("y").addHandler(logging.StreamHandler()); logging.getLogger("y").warning("NOISE")
    os.write(1, b"NOISE"); os.write(2, b"NOISE"); os.system("echo NOISE; echo NOISE >&2")
    atexit.register(lambda: (os.write(2, b"NOISE"), logging.getLogger("y").warning("NOISE")))
    return honest(*given)
captions.top_tags = noisy
"""


def as_command(code: str, small_dataset: Path, temporary: Path, *more: str, **environment: str):
    line = [sys.executable, "-c", code, "top_tags", "--train_data_dir", str(small_dataset), *more]
    environment = {**os.environ, "TMPDIR": str(temporary), **environment}
    return subprocess.run(line, capture_output=True, text=True, encoding="utf-8", env=environment)


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "says"),
        [
            (OSError(errno.ENOSPC, "No space left on device", "a.safetensors"), "The disk is full (a.safetensors could not be written)"),
            (OSError(errno.EDQUOT, "Disk quota exceeded", "a.safetensors"), "The disk is full (a.safetensors could not be written)"),
            (RuntimeError("PytorchStreamWriter failed: No space left on device"), "The disk is full: free some space"),
            (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied"),
            (ModuleNotFoundError("No module named 'bitsandbytes'", name="bitsandbytes"), 'The package "bitsandbytes" is missing'),
            (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x/a.png"), "/x/a.png: No such file or directory (was its folder renamed"),
            (ValueError("rank = 0"), "rank = 0"),
            (MemoryError(), "lower train_batch_size or resolution"),
            (RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"), "The machine has too little memory"),
            (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "lower train_batch_size"),
        ],
    )  # fmt: skip
    def test_what_a_person_can_mend_has_a_sentence(self, error, says):
        assert says in explain(error)

    def test_a_fault_of_the_program_has_none(self):
        assert explain(KeyError("x")) == explain(ModuleNotFoundError("no", name="lora_nb.nothing")) == ""

    def test_a_fault_of_the_program_shows_where_and_exits_with_1(self, monkeypatch, capsys, tmp_path: Path):
        monkeypatch.setattr("lora_nb.dataset.captions.top_tags", lambda *_: 1 / 0)
        assert main(["top_tags", "--train_data_dir", "x", "--job_dir", str(tmp_path)]) == 1
        assert "Traceback" in capsys.readouterr().err
        assert "Unexpected ZeroDivisionError" in (tmp_path / jobs.ERROR).read_text()

    def test_where_the_output_is_on_a_full_disk_the_sentence_is_written_all_the_same(self, tmp_path: Path):
        full = open("/dev/full", "w", buffering=1)  # noqa: SIM115 - to close it fails too
        with contextlib.redirect_stderr(full):
            assert (
                main(["top_tags", "--train_data_dir", str(tmp_path / "no"), "--job_dir", str(tmp_path)]) == 2
            )
        with contextlib.suppress(OSError):
            full.close()
        assert "is not a folder" in (tmp_path / jobs.ERROR).read_text()

    def test_a_sentence_waits_for_a_drive_that_is_away(self, tmp_path: Path, monkeypatch):
        replace, away = os.replace, [OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))] * 2

        def replace_later(*paths):
            if away:
                raise away.pop()
            replace(*paths)

        monkeypatch.setattr(os, "replace", replace_later)
        monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
        assert main(["top_tags", "--train_data_dir", str(tmp_path / "no"), "--job_dir", str(tmp_path)]) == 2
        assert "is not a folder" in (tmp_path / jobs.ERROR).read_text() and not away

    def test_the_details_of_a_fault_are_in_the_log_and_one_sentence_on_the_screen(
        self, small_dataset: Path, tmp_path: Path
    ):
        code = NOISY + "captions.top_tags = lambda *_: 1 / 0; raise SystemExit(main())"
        said = as_command(code, small_dataset, tmp_path)
        assert (said.returncode, said.stdout) == (1, "")
        sentence, _, log = said.stderr.strip().rpartition("; the details are in ")
        assert sentence == "Unexpected ZeroDivisionError: division by zero" and "\n" not in log
        assert "Traceback" in Path(log).read_text() and "captions.top_tags" in Path(log).read_text()

    def test_in_a_job_the_details_are_in_its_output(self, small_dataset: Path, tmp_path: Path):
        code = NOISY + "captions.top_tags = lambda *_: 1 / 0; raise SystemExit(main())"
        said = as_command(code, small_dataset, tmp_path, "--job_dir", str(tmp_path / "job"))
        assert said.stderr.strip().endswith(f"the details are in {tmp_path / 'job' / jobs.OUTPUT}")
        assert "Traceback" in (tmp_path / "job" / jobs.OUTPUT).read_text()
        assert (tmp_path / "job" / jobs.ERROR).read_text(encoding="utf-8") == said.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            ["import", "--source", f"https://me:{TOKEN}@huggingface.co/a.zip"],
            ["import", f"--source=https://civitai.com/m?api_key={TOKEN}"],
            ["train", "--pretrained_model_name_or_path", f"https://huggingface.co/a/b?token={TOKEN}"],
            ["train", "--sample_prompts", f"a cat; {TOKEN}"],
            ["train", f"--hf_token={TOKEN}"],
            [f"https://me:{TOKEN}@huggingface.co/a.zip"],
            ["top_tags", "--train_data_dir", "x"],
        ],
    )
    def test_a_token_is_never_repeated(self, arguments, monkeypatch, capsys, tmp_path: Path):
        def fail(*_):
            raise RuntimeError(f"401 for https://huggingface.co/a with Authorization: Bearer {TOKEN}")

        monkeypatch.setattr("lora_nb.dataset.captions.top_tags", fail)
        assert main([*arguments, "--job_dir", str(tmp_path)]) in (1, 2)
        said = "".join(capsys.readouterr())
        written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
        assert said and written and TOKEN not in said + "".join(written)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
    def test_a_full_disk_is_one_sentence(self, small_dataset: Path, tmp_path: Path, capsys):
        (tmp_path / jobs.EVENTS).symlink_to("/dev/full")
        assert main(["scan", "--train_data_dir", str(small_dataset), "--job_dir", str(tmp_path)]) == 2
        assert "The disk is full" in capsys.readouterr().err

    def test_ctrl_c_is_exit_code_130(self, monkeypatch, capsys, tmp_path: Path):
        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("lora_nb.dataset.captions.top_tags", interrupt)
        assert main(["top_tags", "--train_data_dir", str(tmp_path)]) == 130
        assert capsys.readouterr().err.startswith("Interrupted")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows hands Ctrl-C to a whole console")
class TestTraining:
    @pytest.fixture
    def line(self, tiny_base: Path, small_dataset: Path) -> list[str]:
        settings = f"""
            --pretrained_model_name_or_path {tiny_base} --train_data_dir {small_dataset} --trigger_word ohwx --rank 2
            --max_train_epochs 2 --num_repeats 8 --train_batch_size 1 --enable_bucket false --resolution 32
            --sample_every_n_epochs 0 --save_state_every_n_steps 0 --job_dir {small_dataset.parent / "job"}
        """
        return [sys.executable, "-m", "lora_nb", "train", *settings.split()]

    def test_ctrl_c_saves_the_state_and_the_same_line_goes_on(self, line, small_dataset: Path):
        events = small_dataset.parent / "job" / jobs.EVENTS
        process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        wait_for(lambda: events.exists() and '"StepLog"' in events.read_text(encoding="utf-8"))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "Interrupted; run the same line again to go on." in err and "Traceback" not in err
        assert "Stopped after step" in out
        said = subprocess.run(line, capture_output=True, text=True, encoding="utf-8")
        assert said.returncode == 0, said.stderr
        assert "Going on with the run that stopped after step" in said.stdout
        folders = small_dataset.parent
        assert [path.name for path in lora_files(folders / "output", "cat")] == [
            "cat-01.safetensors",
            "cat-02.safetensors",
        ]
        assert (
            str(folders / "runs" / "cat" / "grid.png") in said.stdout
            and (folders / "runs" / "cat" / "grid.png").exists()
        )
        again = subprocess.run(line, capture_output=True, text=True, encoding="utf-8")
        assert again.returncode == 0 and "already finished" in again.stdout
        assert [path.name for path in (folders / "runs" / "cat").glob("grid*.png")] == ["grid.png"]


def wait_for(holds, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
