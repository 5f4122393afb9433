"""The subcommands on the files of a run: a config in, the work done, what came of it out."""

from pathlib import Path

from lora_nb.config.results import CardConfig, CopyConfig, InspectConfig, PackConfig, PushConfig
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.results import card, inspection, push, taking
from lora_nb.shell.verb import Verb
from lora_nb.wording import counted


def look_inside(config: InspectConfig, tell: Tell, poll: Poll) -> Finished:
    """Say what a LoRA file is, and what it says of itself."""
    if not config.lora.strip():
        raise ValueError("lora is empty: give a LoRA file (.safetensors)")
    seen = inspection.inspect(Path(config.lora))
    for line in seen.lines:
        tell(Notice(line))
    return Finished("done", f"{seen.path.name} is a readable {seen.kind}.")


def pack(config: PackConfig, tell: Tell, poll: Poll) -> Finished:
    """Put the files of a run into one zip."""
    made = taking.pack(config, tell)
    return Finished("done", f"All of it is in {made} ({made.stat().st_size / 1e6:.1f} MB).", (str(made),))


def copy(config: CopyConfig, tell: Tell, poll: Poll) -> Finished:
    """Copy files of a run to another folder or into a WebUI; nothing is overwritten."""
    done = taking.copy(config, tell)
    if not done.new:
        return Finished(
            "nothing", f"{done.folder} has these {counted(len(done.there), 'file')} already, byte for byte."
        )
    there = f"; {len(done.there)} were there already" if done.there else ""
    return Finished(
        "done",
        f"{counted(len(done.new), 'file is', 'files are')} in {done.folder}{there}.",
        tuple(map(str, done.new)),
    )


def write_card(config: CardConfig, tell: Tell, poll: Poll) -> Finished:
    """Write a model card (README.md) from what the files say of themselves, with the samples of the run."""
    made = card.write(config)
    return Finished("done", f"The model card is {made}.", (str(made),))


def publish(config: PushConfig, tell: Tell, poll: Poll) -> Finished:
    """Put files of a run with their card on the Hugging Face Hub."""
    done = push.push(config, tell)
    seen = " It is private." if done.is_new and config.private else ""
    return Finished("done", f"{counted(done.files, 'file is', 'files are')} at {done.address}.{seen}")


VERBS = {
    "inspect": Verb(InspectConfig, look_inside),
    "pack": Verb(PackConfig, pack),
    "copy": Verb(CopyConfig, copy),
    "card": Verb(CardConfig, write_card),
    "push": Verb(PushConfig, publish),
}
