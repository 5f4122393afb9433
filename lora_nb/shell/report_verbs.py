"""The subcommands that look at a whole dataset: a config in, the work done, what came of it out."""

from typing import Any

from lora_nb.config.dataset import DatasetConfig
from lora_nb.config.report import FiftyoneConfig, ReportConfig
from lora_nb.dataset import handover, orphans
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.shell.given import folder_of, folders_of, name_some
from lora_nb.shell.interrupts import stop_on_signals
from lora_nb.shell.verb import Verb
from lora_nb.wording import counted, some

OPEN = "FiftyOne is open at"
HINT = (
    "Tag pictures `set aside`, edit `caption`, or tag a label of `tags_wd` with `remove`; Ctrl-C closes it."
)


def report_dataset(config: ReportConfig, tell: Tell, poll: Poll) -> Finished:
    """Say all that is wrong with a dataset or worth knowing, worst first, and write it as a page."""
    from lora_nb.overview import report
    from lora_nb.overview.report_points import HARMS

    folder_of(config)
    found, path = report.write(config, tell)
    for point in found.points:
        words = [point.sentence, *([f"({some(point.names, 5)})"] if point.names else []), point.advice]
        words += [f"(mended by `{point.mend.verb}`)"] if point.mend else []
        tell(Notice(f"{HARMS[point.harm]}: {' '.join(filter(None, words))}"))
    return Finished("done", f"{report.in_words(found)} The whole report is in {path}.", (str(path),))


def set_orphans_aside(config: DatasetConfig, tell: Tell, poll: Poll) -> Finished:
    """Set captions aside that belong to no picture."""
    number = orphans.set_aside(folder_of(config))
    handover.refresh(folders_of(config), tell)
    if not number:
        return Finished("nothing", "Every caption belongs to a picture: none is set aside.")
    return Finished(
        "done",
        f"{counted(number, 'caption')} without a picture set aside in {folders_of(config).set_aside}; "
        "`undo` brings such captions back.",
    )


def open_fiftyone(config: FiftyoneConfig, tell: Tell, poll: Poll) -> Finished:
    """Open the dataset in FiftyOne's App; what is decided there is carried out here."""
    from lora_nb.overview import fiftyone_view

    folder_of(config)

    def opened(address: str) -> None:
        tell(Notice(f"{OPEN} {address}"))
        tell(Notice(HINT))

    with stop_on_signals() as stopping:
        done = fiftyone_view.show(
            config, tell, lambda: poll() | ({"stop"} if stopping() else frozenset()), opened
        )
    return _taken_over(config, done, tell)


def take_over_fiftyone(config: DatasetConfig, tell: Tell, poll: Poll) -> Finished:
    """Carry out what was decided in FiftyOne's App."""
    from lora_nb.overview import fiftyone_view

    return _taken_over(config, fiftyone_view.take_over(folder_of(config), tell), tell)


def _taken_over(config: Any, done: Any, tell: Tell) -> Finished:
    from lora_nb.overview.fiftyone_view import in_words

    name_some(tell, "Left as it is", done.left)
    if not done.away and not done.captions:
        return Finished("nothing", in_words(done))
    handover.refresh(folders_of(config), tell)
    return Finished("done", f"{in_words(done)} `undo` takes this back.")


VERBS = {
    "report": Verb(ReportConfig, report_dataset),
    "set_orphans_aside": Verb(DatasetConfig, set_orphans_aside),
    "fiftyone": Verb(FiftyoneConfig, open_fiftyone, loads=True),
    "fiftyone_decisions": Verb(DatasetConfig, take_over_fiftyone, loads=True),
}
