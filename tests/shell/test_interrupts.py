"""Ctrl-C, asked for once and meant twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lora_nb.shell.interrupts import raised_on_ctrl_c, stop_on_signals


class TestInterrupts:
    @pytest.fixture(autouse=True)
    def listening(self):
        """What is started here hears Ctrl-C even where pytest itself runs in the background."""
        former = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, former)

    def test_the_first_ctrl_c_asks_and_a_later_one_interrupts(self, monkeypatch):
        monkeypatch.setattr("lora_nb.shell.interrupts.SECOND_THOUGHT", 0.05)
        with stop_on_signals() as interrupted:
            assert not interrupted()
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert interrupted()
            time.sleep(0.06)
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)

    @pytest.mark.skipif(os.name == "nt", reason="Windows hands Ctrl-C to a whole console")
    @pytest.mark.parametrize("module", ["lora_nb.settings", "PIL.Image", "torch.types", "torch.nn"])
    def test_in_the_first_moments_ctrl_c_is_one_sentence(self, module: str, small_dataset: Path):
        """Sent as soon as Python has said that it has imported `module`, in the middle of the next import."""
        line = [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "lora_nb",
            "train",
            "--verbose",
            "--train_data_dir",
            str(small_dataset),
        ]
        process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        while (said := process.stderr.readline()) and said.rpartition("|")[2].strip() != module:
            pass
        process.send_signal(signal.SIGINT)
        rest = [line for line in process.stderr.read().splitlines() if not line.startswith("import time:")]
        assert rest == ["Interrupted; run the same line again to go on."]
        loading = "Loading the libraries ...\n"  # before torch; earlier the signal may come before or after this line
        assert process.stdout.read() in ((loading,) if module.startswith("torch") else ("", loading))
        assert process.wait() == 130

    def test_what_a_library_makes_of_ctrl_c_is_still_one(self):
        with pytest.raises(KeyboardInterrupt), raised_on_ctrl_c():
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("numpy._core failed to import") from None
        with pytest.raises(ImportError), raised_on_ctrl_c():
            raise ImportError("of its own")

    def test_afterwards_ctrl_c_is_what_it_was(self):
        before = signal.getsignal(signal.SIGINT)
        with stop_on_signals():
            assert signal.getsignal(signal.SIGINT) is not before
        assert signal.getsignal(signal.SIGINT) is before
