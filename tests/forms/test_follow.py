"""A job that is followed while its disk does not answer for a moment."""

import asyncio
import os
import socket
import subprocess
import sys

from lora_nb.events import Finished, Notice, to_line
from lora_nb.forms.follow import follow
from lora_nb.processes import creation_time
from lora_nb.shell import jobs


def test_a_drive_that_is_away_for_a_moment_does_not_end_the_following(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(jobs.EVENTS)  # opened as a file, it answers ENXIO
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    job = jobs.Job(tmp_path, "train", process.pid, creation_time(process.pid), process)
    told = []

    async def come_back() -> None:
        await asyncio.sleep(0.3)
        (tmp_path / "whole").write_text(f"{to_line(Notice('on'))}\n{to_line(Finished('done', 'well'))}\n")
        os.replace("whole", jobs.EVENTS)

    async def both() -> Finished | None:
        back = asyncio.ensure_future(come_back())
        end = await follow(job, told.append, lambda: None)
        await back
        return end

    try:
        assert asyncio.run(both()).text == "well" and told[0].text == "on"
    finally:
        process.kill()
        process.wait()
