import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
HEAVY = [
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "peft",
    "accelerate",
    "onnxruntime",
    "imagededup",
    "fiftyone",
    "tensorboard",
    "numpy",
    "anywidget",
    "requests",
    "gdown",
    "tokenizers",
]


def python(code: str, where: Path = HOME) -> str:
    own = {**os.environ, "PYTHONPATH": str(HOME)}
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=where, env=own, check=True
    )
    return said.stdout.strip()


def test_the_imports_keep_their_contracts():
    """Layers from the ground up, widgets in the forms alone, nothing heavy in the kernel's side."""
    line = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as go; sys.exit(go())",
    ]
    said = subprocess.run(
        [*line, "--no-cache", "--no-logo"], capture_output=True, text=True, encoding="utf-8", cwd=HOME
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "17 kept, 0 broken" in said.stdout


def test_the_style_is_kept():
    said = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."], capture_output=True, text=True, cwd=HOME
    )
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize(("name", "seconds"), [("LoraTrainer", 0.5), ("DatasetMaker", 0.5)])
def test_the_forms_are_there_at_once_and_leave_torch_out(name, seconds):
    """Importing what a notebook's first cell imports takes half a second of a core at most where nothing is loaded yet."""
    code = (
        f"import time; begin = time.process_time(); from lora_nb.forms import {name}; "
        "took = time.process_time() - begin; "
        f"import sys; print(took, *[name for name in {HEAVY} if name in sys.modules])"
    )
    runs = [python(code).split() for _ in range(3)]
    assert [heavy for _, *heavy in runs] == [[], [], []]
    assert min(float(took) for took, *_ in runs) < seconds


@pytest.mark.parametrize(
    "module",
    [
        "shell.jobs",
        "shell.colab",
        "shell.verbs",
        "shell.flags",
        "shell.reporter",
        "intake.importer",
        "dataset.aside",
        "training.plan",
        "bases.lookup",
    ],
)
def test_what_a_kernel_or_a_help_text_needs_leaves_torch_out(module):
    assert (
        python(f"import sys, lora_nb.{module}; print([name for name in {HEAVY} if name in sys.modules])")
        == "[]"
    )


def test_an_import_does_nothing_else(tmp_path: Path):
    assert python("import lora_nb, lora_nb.shell.verbs, lora_nb.forms", tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


MODULES = sorted(
    path for path in HOME.glob("lora_nb/**/*.py") if path.stat().st_size or path.name != "__init__.py"
)


def test_what_is_where_has_a_line_for_each_wing_and_module():
    """In the README: the wings, and each module with the first line of its docstring."""
    text = (HOME / "README.md").read_text(encoding="utf-8")
    listed = text.partition("    lora_nb/\n")[2].partition("    notebooks/ ")[0]
    purposes = [
        f"{path.name} {path.read_text(encoding='utf-8').partition(chr(10))[0][3:].rstrip(chr(34)).rstrip('.')}"
        for path in MODULES
        if path.name != "__init__.py"
    ]
    wings = {f"{path.name}/" for path in (HOME / "lora_nb").iterdir() if (path / "__init__.py").is_file()}
    lines = [" ".join(line.split()) for line in listed.splitlines()]
    assert sorted(line for line in lines if line.partition(" ")[0].endswith(".py")) == sorted(purposes)
    assert {line.partition(" ")[0] for line in lines if ".py " not in line} - {"", "demo/"} == wings


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_says_its_purpose_and_has_a_name_that_says_something(path: Path):
    text = path.read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    assert first.startswith('"""') and first.rstrip('"').rstrip().endswith((".", "?")), first
    assert not {"utils", "util", "helpers", "helper", "common", "misc", "manager"} & set(path.stem.split("_"))


OF_A_FAMILY = re.compile(
    r"text.?encoder|unet\b|u-net|epsilon|sd.?1\.?5|sd_v1|stable.?diffusion|\bclip\b", re.I
)
# Where the words of one family are also somebody else's: names that people, files and programs know, and may not change.
KNOWN_NAMES = {
    "lora_nb/__init__.py": {"LoRA training for Stable Diffusion, from"},
    "lora_nb/drawing/sample.py": {
        "<lora:name:te:unet>",
        'named.get("unet"',
        '"Clip skip": clip_skip',
    },  # A1111's
    "lora_nb/events.py": {"lr_unet: float", "lr_text_encoder: float"},  # metrics.jsonl
    "lora_nb/training/log.py": {
        "lr_unet=rates.denoiser, lr_text_encoder=rates.text",
        '"lr/unet"',
        '"lr/textencoder"',
    },  # TensorBoard, as sd-scripts calls them
    "lora_nb/training/metadata.py": {"ss_fp8_base_unet"},
    "lora_nb/training/divergence.py": {"clip = ", "{rates}: try a third{clip}"},  # of gradients
}


def test_only_bases_names_a_family():
    """Settings, their help and sd-scripts' own names apart, which are declared in config/ and kohya*.py."""
    found = set()
    for path in (HOME / "lora_nb").rglob("*.py"):
        name = path.relative_to(HOME).as_posix()
        if name.startswith(("lora_nb/bases/", "lora_nb/config/")) or name.startswith("lora_nb/kohya"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            rest = line.replace("text_encoder_lr", "")
            if OF_A_FAMILY.search(rest) and not any(known in rest for known in KNOWN_NAMES.get(name, ())):
                found.add(f"{name}:{number}: {line.strip()}")
    assert not found
    for name, known in KNOWN_NAMES.items():
        text = (HOME / name).read_text(encoding="utf-8")
        assert all(words in text for words in known), name


def test_functions_and_files_are_as_short_as_they_were():
    """Lines of a function, its signature among them: median 7, 9 of 10 within 16, none above 50; of a file 300."""
    lengths = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 300, path
        nodes = ast.walk(ast.parse(text))
        lengths += [
            n.end_lineno - n.lineno + 1
            for n in nodes
            if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
    lengths.sort()
    assert lengths[len(lengths) // 2] <= 7 and lengths[len(lengths) * 9 // 10] <= 16 and lengths[-1] <= 50
