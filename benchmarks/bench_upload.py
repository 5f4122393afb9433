"""Megabytes a second of one upload through the browser, with what the kernel and the server need of memory.

python benchmarks/bench_upload.py [MB] [--classic] [--python OTHER]     # OTHER runs the server and the kernel

A file of random bytes in a stored zip, every piece hashed; Chromium headless here. `--classic` is Notebook 6.
"""

import argparse
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zipfile
from pathlib import Path

import nbformat
import psutil
from playwright.sync_api import Page, sync_playwright

HOME = Path(__file__).parents[1]
CELL = """import sys
from pathlib import Path
from IPython.display import display
from lora_nb.forms.upload_widget import Upload
from lora_nb.project import Folders
upload = Upload()
upload.show()
upload.use(Folders(Path("Loras/up").absolute()))
display(upload.widget)"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main() -> None:
    """Print the figures of one upload."""
    wanted = argparse.ArgumentParser()
    wanted.add_argument("megabytes", nargs="?", type=int, default=500)
    wanted.add_argument("--classic", action="store_true")
    wanted.add_argument("--python", default=sys.executable)
    given = wanted.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-upload-"))
    try:
        file = make_file(folder / "large.zip", given.megabytes)
        server, address = start(given.python, folder, given.classic)
        try:
            run(server, address, file, folder, given.classic)
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_file(path: Path, megabytes: int) -> Path:
    """A zip of random bytes that nothing makes smaller."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed,
        packed.open("a.png", "w", force_zip64=True) as inner,
    ):
        for _ in range(megabytes):
            inner.write(os.urandom(10**6))
    return path


def start(python: str, folder: Path, classic: bool) -> tuple[subprocess.Popen, str]:
    """A server with one notebook, and its address."""
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)]), folder / "Up.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lab = ["jupyterlab", "--IdentityProvider.token="]
    app = ["notebook", "--NotebookApp.token=", "--NotebookApp.password="] if classic else lab
    line = [python, "-m", *app, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    path = os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH")]))
    own = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(folder)}
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(line, cwd=folder, env=own, stdout=log, stderr=log)
    address, until = f"http://127.0.0.1:{port}", time.monotonic() + 90
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=2).close()
            return server, address
        except OSError:
            time.sleep(0.3)
    raise SystemExit((folder / "server.log").read_text(errors="replace")[-3000:])


def run(server: subprocess.Popen, address: str, file: Path, folder: Path, classic: bool) -> None:
    """Upload the file and print how long it took and what it needed."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(120_000)
        (open_classic if classic else open_lab)(page, address)
        page.wait_for_selector(".lnu button")
        page.wait_for_timeout(2000)
        peak = Peak(server)
        heap = page.evaluate("() => performance.memory.usedJSHeapSize")
        begin = time.perf_counter()
        page.locator(".lnu input[type=file]").set_input_files(file)
        page.locator(".lnu [role=status]", has_text="1 file is here").wait_for()
        took = time.perf_counter() - begin
        heap = page.evaluate("() => performance.memory.usedJSHeapSize") - heap
        peak.stop()
        browser.close()
    size = file.stat().st_size / 1e6
    came = next(folder.glob("lora_nb-uploads/*/whole/large.zip"))
    same = digest(came) == digest(file)
    print(
        f"{'Notebook 6' if classic else 'JupyterLab'}: {size:.0f} MB in {took:.1f} s: {size / took:.1f} MB/s"
    )
    print(f"the same bytes: {same}; page heap {heap / 1e6:+.1f} MB")
    for name, (before, most) in peak.memory.items():
        print(f"{name}: {before / 1e6:.0f} MB before, {most / 1e6:.0f} MB at most")


def open_lab(page: Page, address: str) -> None:
    """Run the cell in JupyterLab."""
    page.goto(f"{address}/lab/tree/Up.ipynb")
    page.wait_for_selector(".jp-CodeCell")
    ready = page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
    select = page.locator(".jp-Dialog button", has_text="Select")
    ready.or_(select).first.wait_for()
    page.wait_for_timeout(2000)
    if select.is_visible():
        select.click()
    ready.wait_for()
    page.locator(".jp-Toolbar-kernelName", has_text="Python 3").first.wait_for()
    page.wait_for_timeout(1000)
    page.locator(".jp-CodeCell .jp-InputPrompt").first.click()
    page.keyboard.press("Shift+Enter")


def open_classic(page: Page, address: str) -> None:
    """Run the cell in Notebook 6."""
    page.goto(f"{address}/notebooks/Up.ipynb")
    page.wait_for_function("() => window.Jupyter?.notebook?.kernel?.is_connected()")
    page.wait_for_timeout(2000)
    page.evaluate("() => Jupyter.notebook.execute_all_cells()")


class Peak:
    """The resident memory of the server and its kernel, before and at most."""

    def __init__(self, server: subprocess.Popen) -> None:
        parent = psutil.Process(server.pid)
        self.processes = {"server": parent, "kernel": parent.children(recursive=True)[-1]}
        self.memory = {name: [each.memory_info().rss] * 2 for name, each in self.processes.items()}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        while not self.over.wait(0.2):
            for name, process in self.processes.items():
                self.memory[name][1] = max(self.memory[name][1], process.memory_info().rss)

    def stop(self) -> None:
        """Watch no more."""
        self.over.set()
        self.thread.join()


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
