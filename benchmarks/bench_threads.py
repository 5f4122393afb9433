"""Seconds of a training step of the demo base, by how long threads spin while they wait, on an idle and a busy machine.

python benchmarks/bench_threads.py. Each case runs in a process of its own; "busy" means one more process a core.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

# GNU OpenMP reads these once, when torch is loaded.
CASES = {
    "lora_nb's own": {"GOMP_SPINCOUNT": "10000"},
    "OpenMP's default": {},
    "asleep at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
STEPS = 12


def time_steps() -> None:
    """Print the median seconds of a step: forward, backward and optimizer on four 64 px latents."""
    import torch

    from lora_nb.bases.models import load_base
    from lora_nb.bases.sd15_parts import unet_targets
    from lora_nb.lora import inject

    base = load_base("demo")
    parameters = inject.inject(base.unet, unet_targets(base.unet), inject.LoraSpec(16, 8.0), 1)
    optimizer = torch.optim.AdamW(parameters)
    latents, states = torch.randn(4, 4, 16, 16), torch.randn(4, 77, base.unet.config.cross_attention_dim)
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        base.unet(latents, torch.tensor([5, 100, 500, 900]), states).sample.square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
    print(statistics.median(times[2:]))


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """One process a core that does nothing but work."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def main() -> None:
    """Print the seconds of every case, and their ratio to ours."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if name not in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "GOMP_SPINCOUNT")
    }
    for place, load in (("idle", contextlib.nullcontext()), ("busy", busy())):
        with load:
            seconds = {}
            for name, wanted in CASES.items():
                line = [sys.executable, __file__, "--steps"]
                done = subprocess.run(
                    line, env=plain | wanted, stdout=subprocess.PIPE, text=True, check=True, timeout=600
                )
                seconds[name] = float(done.stdout.split()[-1])
        ours = seconds["lora_nb's own"]
        for name, taken in seconds.items():
            print(f"{place}  {name:18}{taken:.3f} s a step, {taken / ours:.2f} of ours", flush=True)


if __name__ == "__main__":
    time_steps() if sys.argv[1:] == ["--steps"] else main()
