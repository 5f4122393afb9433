"""Seconds and frames of the gallery in a browser: first screen, scrolling, after a fling; memory of the kernel.

python benchmarks/bench_gallery.py [--pictures 10000] [--classic PYTHON], where PYTHON has notebook 6.5.7, ipywidgets
7.7 and anywidget; without it JupyterLab of this environment. Playwright and a Chromium are needed here.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import psutil
from PIL import Image, ImageFilter
from playwright.sync_api import Page, sync_playwright

HOME = Path(__file__).resolve().parents[1]
KINDS = 50  # pictures that are drawn; the others are second names of them
CELLS = [
    """from lora_nb.forms.gallery_step import GalleryStep
from lora_nb.forms.project_step import ProjectStep
from lora_nb.overview.thumbnails import Thumbnails
import lora_nb.overview.gallery as held, pathlib
held.Thumbnails = lambda: Thumbnails(pathlib.Path("{root}/small"))
project = ProjectStep("Use", create=True)
project.form.write(project="bench", root="{root}")
gallery = GalleryStep(project)""",
    "gallery.show()",
]
WATCH = """() => {
  window.bench = {begun: performance.now()};
  const filled = () => {
    const box = document.querySelector('.lng .grid');
    if (!box) return false;
    const frame = box.getBoundingClientRect();
    const tiles = [...box.querySelectorAll('.tile')].filter(tile => {
      const at = tile.getBoundingClientRect();
      return at.height && at.bottom > frame.top + 4 && at.top < frame.bottom - 4 && !tile.classList.contains('off');
    });
    const images = tiles.map(tile => tile.querySelector('img'));
    return images.length > 0 && images.every(image => image.src && image.complete && image.naturalWidth);
  };
  const look = () => {
    if (!bench.there && document.querySelector('.lng')) bench.there = performance.now();
    if (!bench.filled && filled()) bench.filled = performance.now();
    requestAnimationFrame(look);
  };
  look();
  window.benchFilled = filled;
}"""
CHANGED = "before => document.querySelector('.lng .counts').textContent !== before && window.benchFilled()"
SCROLL = """([step, frames]) => new Promise(done => {
  const box = document.querySelector('.lng .grid'), deltas = [];
  let last = performance.now();
  const go = now => {
    deltas.push(now - last); last = now;
    box.scrollTop += step;
    if (deltas.length < frames) requestAnimationFrame(go); else {
      const begun = performance.now();
      const end = () => done({deltas: deltas.slice(1), filled: performance.now() - begun});
      const wait = () => window.benchFilled() ? end() : requestAnimationFrame(wait);
      wait();
    }
  };
  requestAnimationFrame(go);
})"""


def make_pictures(root: Path, number: int) -> None:
    """A project of so many pictures of one megapixel with captions."""
    folder = root / "Loras" / "bench" / "dataset"
    folder.mkdir(parents=True)
    for at in range(number):
        path = folder / f"{at:05}.jpg"
        if at < KINDS:
            noise = (
                Image.effect_noise((102, 102), 90).resize((1024, 1024)).filter(ImageFilter.GaussianBlur(3))
            )
            Image.merge("RGB", [noise, noise.rotate(90), noise.rotate(180)]).save(path, quality=90)
        else:
            os.link(folder / f"{at % KINDS:05}.jpg", path)
        words = ", ".join(f"tag {at % most}" for most in (2, 3, 7, 20, 100, 1000))
        path.with_suffix(".txt").write_text(f"ohwx, {words}\n")


@contextmanager
def served(root: Path, python: str, classic: bool) -> Iterator[str]:
    """The address of a server on `root`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kind = ["notebook", "--NotebookApp.token="] if classic else ["jupyterlab", "--IdentityProvider.token="]
    head = "NotebookApp" if classic else "ServerApp"
    line = [
        python,
        "-m",
        *kind,
        "--no-browser",
        "--allow-root",
        f"--{head}.ip=127.0.0.1",
        f"--{head}.port={port}",
    ]
    line += (
        ["--notebook-dir" if classic else "--ServerApp.root_dir", str(root)]
        if classic
        else [f"--ServerApp.root_dir={root}"]
    )
    if not classic:
        plain = root / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
        plain.parent.mkdir(parents=True)
        plain.write_text(json.dumps({"windowingMode": "none", "autoStartDefaultKernel": True}))
        line += [
            f"--LabApp.workspaces_dir={root / 'workspaces'}",
            f"--LabApp.user_settings_dir={root / 'settings'}",
        ]
    paths = os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH")]))
    own = {**os.environ, "PYTHONPATH": paths, "JUPYTER_CONFIG_DIR": str(root / "config")}
    with open(root / "server.log", "wb") as log:
        server = subprocess.Popen(line, cwd=root, env=own, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status", timeout=2).close()
                break
            except OSError:
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
    finally:
        for child in psutil.Process(server.pid).children(recursive=True):
            child.kill()
        server.kill()


def kernel_memory() -> float:
    """Megabytes of the youngest kernel."""
    kernels = [
        one
        for one in psutil.process_iter(["cmdline", "create_time"])
        if "ipykernel_launcher" in " ".join(one.info["cmdline"] or [])
    ]
    return max(kernels, key=lambda one: one.info["create_time"]).memory_info().rss / 1e6


def run_first(page: Page, classic: bool) -> None:
    """Run the first cell, and make the page watch."""
    if classic:
        page.wait_for_function("() => window.Jupyter?.notebook?.kernel?.is_connected()")
        page.evaluate("() => Jupyter.notebook.execute_cells([0])")
        page.wait_for_function("() => Jupyter.notebook.get_cell(0).input_prompt_number > 0")
    else:
        page.locator(".jp-Toolbar-kernelName", has_text="Python 3").first.wait_for()
        page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").first.wait_for()
        page.wait_for_timeout(3000)
        page.locator(".jp-CodeCell").first.locator(".jp-InputPrompt").click()
        page.keyboard.press("Shift+Enter")
        page.locator(".jp-InputPrompt").get_by_text("[1]:").wait_for()
    page.wait_for_timeout(1500)
    page.evaluate(WATCH)


def run_second(page: Page, classic: bool) -> None:
    """Run the cell that shows the gallery."""
    if classic:
        page.evaluate("() => Jupyter.notebook.execute_cells([1])")
    else:
        page.locator(".jp-CodeCell").nth(1).locator(".jp-InputPrompt").click()
        page.evaluate("() => (bench.begun = performance.now())")
        page.keyboard.press("Control+Enter")
    page.wait_for_function("() => window.bench.filled", timeout=120_000)


def measure(page: Page) -> dict[str, float]:
    """What a person would notice, by name."""
    found = page.evaluate("() => [bench.filled - bench.begun, bench.filled - bench.there]")
    figures = {
        "run to first screen, s": found[0] / 1000,
        "first screen from the gallery's frame, s": found[1] / 1000,
    }
    page.evaluate("() => document.querySelector('.lng .grid').scrollIntoView()")
    slow = page.evaluate(SCROLL, [120, 300])
    figures["frame while scrolling, median ms"] = statistics.median(slow["deltas"])
    figures["frame while scrolling, 95 % ms"] = statistics.quantiles(slow["deltas"], n=20)[-1]
    fast = page.evaluate(SCROLL, [800, 200])
    figures["frame of a fling, median ms"] = statistics.median(fast["deltas"])
    figures["frame of a fling, worst ms"] = max(fast["deltas"])
    figures["view filled after a fling, s"] = fast["filled"] / 1000
    figures["kernel after scrolling, MB"] = kernel_memory()
    figures["tiles in the page"] = page.evaluate("() => document.querySelectorAll('.lng .tile').length")
    before, begun = page.locator(".lng .counts").text_content(), time.perf_counter()
    page.locator(".lng .tag", has_text="tag 6").first.click()
    page.wait_for_function(CHANGED, arg=before)
    figures["a click on a tag to its pictures, s"] = time.perf_counter() - begun
    return figures


def save(page: Page, path: Path, classic: bool) -> float:
    """Kilobytes of the saved notebook."""
    before = path.stat().st_mtime_ns
    page.evaluate("() => Jupyter.notebook.save_notebook()") if classic else page.keyboard.press("Control+s")
    until = time.monotonic() + 15
    while path.stat().st_mtime_ns == before and time.monotonic() < until:
        time.sleep(0.2)
    return path.stat().st_size / 1000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--classic", default="")
    given = parser.parse_args()
    classic = bool(given.classic)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_pictures(root, given.pictures)
        path = root / "Bench.ipynb"
        cells = [nbformat.v4.new_code_cell(text.format(root=root)) for text in CELLS]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
        python = given.classic or sys.executable
        chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
        with served(root, python, classic) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1180, "height": 1000})
            page.set_default_timeout(120_000)
            page.goto(f"{address}/notebooks/Bench.ipynb" if classic else f"{address}/lab/tree/Bench.ipynb")
            run_first(page, classic)
            before = kernel_memory()
            run_second(page, classic)
            page.wait_for_timeout(2000)  # the tokens are counted after the pictures are there
            first = kernel_memory()
            figures = measure(page)
            figures |= {
                "kernel before, MB": before,
                "kernel at the first screen, MB": first,
                "kernel at the end, MB": kernel_memory(),
            }
            figures["saved notebook, kB"] = save(page, path, classic)
            if place := os.environ.get("LORA_NB_SCREENSHOTS"):
                page.screenshot(path=str(Path(place) / f"bench_{'classic' if classic else 'lab'}.png"))
            browser.close()
    print(f"{given.pictures} pictures, {'Notebook' if classic else 'JupyterLab'}")
    for name, value in figures.items():
        print(f"  {name:45} {value:8.2f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
