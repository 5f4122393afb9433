"""The demo's steps, short, where only lora_nb and its runtime packages are installed: run by `run.py test`.

Standard library only: pytest and what it brings are what a newcomer does not have.
"""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HOME))

from run import DEMO_STEPS  # noqa: E402

SHORT = {"train": ["--max_train_steps", "4", "--sample_every_n_epochs", "0", "--grid", "false"]}
AWAY = {"HF_ENDPOINT": "http://127.0.0.1:1", "HF_HUB_OFFLINE": "0"}
SAYS = '"nobody/never-seen" is not on this machine and Hugging Face cannot be reached'


def main():
    """0 when every step works and an absent Hub is one sentence; else 1, with a sentence."""
    more = [name for name in ("pytest", "jupyterlab") if find_spec(name)]
    if more:
        return fail(f"{more[0]} is installed here, which a newcomer does not have")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        dataset = Path(folder) / "Loras" / "demo" / "dataset"
        where = ["--train_data_dir", str(dataset)]
        for step in DEMO_STEPS:
            line = [step, f"configs/demo/{step}.toml", *where, *SHORT.get(step, [])]
            said = lora_nb(*line)
            if said.returncode:
                return fail(
                    "python -m lora_nb {} ended with {}".format(" ".join(line), said.returncode), said
                )
        if not list((Path(folder) / "Loras" / "demo" / "output").glob("*.safetensors")):
            return fail("the training left no file")
        return absent_hub(where, Path(folder))


def absent_hub(where, folder):
    """Whether a tagger of a Hub that cannot be reached is one sentence."""
    tag = ["tag", *where, "--tagger", "nobody/never-seen", "--existing", "overwrite"]
    said = lora_nb(*tag, HF_HOME=str(folder / "hf"), **AWAY)
    if said.returncode != 2 or SAYS not in said.stderr or "Traceback" in said.stderr:
        return fail("an absent Hugging Face is not told in a sentence", said)
    print("The newcomer's check passes.", flush=True)
    return 0


def lora_nb(*line, **environment):
    """What a command said."""
    command = [sys.executable, "-m", "lora_nb", *line]
    return subprocess.run(
        command,
        cwd=str(HOME),
        env=dict(os.environ, **environment),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def fail(sentence, said=None):
    """Say it, and return 1."""
    if said:
        print(said.stdout + said.stderr)
    print(f"The newcomer's check failed with the runtime packages alone: {sentence}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
