"""Memory that is let go of is the system's again."""

import subprocess
import sys

import pytest

KEPT = """
import sys, torch
from lora_nb.training.letting_go import give_back
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
give_back()
before = resident()
held = [torch.ones(25_000) for _ in range(4_000)]  # 400 MB in blocks that come from the heap
last = torch.ones(25_000)  # the heap's end, which stays in use
del held
kept = resident() - before
give_back()
print(kept, resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap and /proc are Linux's")
def test_what_nothing_refers_to_goes_back_to_the_system():
    said = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    kept, left = map(int, said.stdout.split())
    assert kept > 300e6 and left < 50e6
