"""The subcommand that puts runs beside each other: a config in, the work done, what came of it out."""

from pathlib import Path

from lora_nb import files, project
from lora_nb.config.queue import CompareConfig
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.shell.verb import Verb
from lora_nb.training import comparison


def compare_runs(config: CompareConfig, tell: Tell, poll: Poll) -> Finished:
    """Compare runs: curves over one another, settings that differ, samples side by side, as one HTML page."""
    found = comparison.read_all([Path(folder) for folder in config.runs])
    for name, texts in comparison.differences(found).items():
        tell(Notice(f"{name}: {' | '.join(texts)}"))
    for run in found:
        tell(
            Notice(
                f"{run.name}: "
                + (f"loss {run.last:.4f} in its last epoch" if run.last else "no epoch finished")
            )
        )
    path = Path(config.output).expanduser() if config.output else _place(Path(config.runs[0]))
    files.write_text(path, comparison.page(found))
    return Finished("done", f"{len(found)} runs beside each other: {path}", (str(path),))


def _place(run: Path) -> Path:
    """A new file in the folder of runs."""
    return files.free_name(run.absolute().parent / project.COMPARED)


VERBS = {"compare_runs": Verb(CompareConfig, compare_runs)}
