"""The whole recipe from one command: python demo_world/make.py [--stage NAME ...]."""

import argparse
import subprocess

import torch

from settings import NPM

PACKAGES = ("@dicebear/core@9.4.3", "@dicebear/collection@9.4.3")


def fetch() -> None:
    """Install the avatar generator."""
    if not (NPM / "node_modules" / "@dicebear").exists():
        subprocess.run(["npm", "install", "--prefix", str(NPM), *PACKAGES], check=True)


def world() -> None:
    """Draw the pictures of all purposes."""
    from base import PICTURES
    from render import pictures
    from tagger import HELD_OUT, TRAINING

    for purpose in (PICTURES, HELD_OUT, TRAINING):
        pictures(*purpose)


def examples() -> None:
    """Write the example sets."""
    from examples import write_examples

    write_examples()


def vae() -> None:
    """Train the VAE."""
    from vae import train

    train()


def text() -> None:
    """Write the tokenizer and pre-train the text encoder."""
    from text import pretrain

    pretrain()


def tagger() -> None:
    """Train the tagger."""
    from tagger import train

    train()


def judge() -> None:
    """Train the judge."""
    from judge import train

    train()


def base() -> None:
    """Train the base."""
    from base import train

    train()


def figures() -> None:
    """Measure everything."""
    from measure import measure

    measure()


STAGES = {
    stage.__name__: stage for stage in (fetch, world, examples, vae, text, tagger, judge, base, figures)
}


def main() -> None:
    """Run the chosen stages in order; each goes on where it was stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", nargs="+", choices=STAGES, default=list(STAGES), help="all by default")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    for name, stage in STAGES.items():
        if name in chosen.stage:
            print(f"== {name}", flush=True)
            torch.manual_seed(0)
            stage()


if __name__ == "__main__":
    main()
