"""The list of runs: what each is at, its buttons, the queue they wait in, and the comparison of some."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ipywidgets as W
from IPython.display import display

from lora_nb import project, settings
from lora_nb.config.training import TrainConfig
from lora_nb.forms import download
from lora_nb.forms.follow import sentence
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.run_row import RunRow
from lora_nb.forms.step import keys_of_runs
from lora_nb.forms.sweep_row import SweepRow
from lora_nb.forms.watch import watch
from lora_nb.shell import colab, jobs, queue, queue_file, queue_worker, run_rows
from lora_nb.shell.queue_file import Entry
from lora_nb.shell.run_rows import Row

GPUS = (("a run on each GPU", "each"), ("all GPUs for one run at a time", "all"))
BUSY, QUIET = 1.0, 3.0  # seconds between two looks, while something is trained and else
HEAD = "<b>Runs</b>: they train one after the other, and go on when this page or the kernel is closed."
RELEASE = "Give the Colab runtime back when all runs have ended (what is not on the Drive is lost)"
EMPTY = "No run yet: add the settings above to the queue, or run the next cell to train them at once."


class RunsPanel:
    """The runs of a project and of its queue. `config` gives the form's run, `load` fills the form with another."""

    def __init__(
        self, chosen: ProjectStep, config: Callable[[], TrainConfig], load: Callable[[TrainConfig], None]
    ) -> None:
        self.project, self.config, self.load, self.presses = chosen, config, load, chosen.presses
        self.add = self._button("Add to the queue", "plus", self.queue_it)
        self.start = self._button("Start the queue", "play-circle", self.start_queue)
        self.compare = self._button("Compare the ticked runs", "line-chart", self.compare_ticked)
        self.several = W.ToggleButton(
            description="Several at once ...", icon="list-ol", layout=W.Layout(width="auto")
        )
        self.sweep = SweepRow(config, self._added, self.presses)
        self.sweep.press = lambda: self._try(self.sweep.queue_all)
        self.several.observe(lambda change: self._fold(change["new"]), "value")
        self.gpus = W.Dropdown(options=GPUS, layout=W.Layout(width="auto", display="none"))
        self.said, self.state, self.compared, self.rows = W.HTML(), W.HTML(), W.HTML(), W.VBox()
        self.given, self.release = (
            W.VBox(),
            W.Checkbox(description=RELEASE, indent=False, layout=W.Layout(width="auto")),
        )
        self.release.layout.display = "" if colab.is_colab() else "none"
        self.worked = False
        wrap = W.Layout(flex_flow="row wrap", align_items="center", width="100%")
        self.widget = W.VBox(
            [
                W.HTML(HEAD), W.HBox([self.add, self.several], layout=wrap), self.sweep.widget, self.said,
                W.HBox([self.start, self.gpus, self.state], layout=wrap), self.rows, self.given, self.release,
                W.HBox([self.compare]), self.compared,
            ],
            layout=W.Layout(width="100%"),
        )  # fmt: skip
        self.shown: dict[tuple[int, Path], RunRow] = {}
        self.task: asyncio.Task | None = None
        self.listens = False

    def _button(self, words: str, icon: str, act: Callable[[], None]) -> W.Button:
        button = W.Button(description=words, icon=icon, layout=W.Layout(width="auto"))
        button.on_click(lambda _: self.presses.carry_out(lambda: self._try(act)))
        return button

    def _fold(self, is_open: bool) -> None:
        self.sweep.widget.layout.display = "" if is_open else "none"

    def show(self) -> None:
        """Put the list under the cell that runs, and keep it up to date from now on."""
        if not self.listens:
            self.widget.children += (watch(),)
            self.listens = True
        self.gpus.layout.display = "" if len(queue_worker.devices()) > 1 else "none"
        self._try(self.refresh)
        display(self.widget)
        if self.task is None or self.task.done():
            self.task = asyncio.ensure_future(self._keep_up())

    def forget(self) -> None:
        """Show another project's runs from now on."""
        self.said.value = self.compared.value = ""
        self._try(self.refresh)

    async def _keep_up(self) -> None:
        while True:
            busy = any(each.row and each.row.state == "running" for each in self.shown.values())
            await asyncio.sleep(BUSY if busy else QUIET)
            try:
                folder, folders = self._place()
                found = await asyncio.to_thread(run_rows.rows, folder, folders)
                self._draw(found)
                self._rest(found)
            except (ValueError, OSError) as error:
                self.state.value = sentence(str(error), "bad")

    def _rest(self, found: list[Row]) -> None:
        """Give the runtime back, where that was asked for, when the last of what was trained here has ended."""
        busy = any(row.state in ("running", "waiting") for row in found)
        if self.worked and not busy and self.release.value:
            self.said.value = sentence(colab.release_runtime())
        self.worked = busy

    def _place(self) -> tuple[Path, project.Folders]:
        folders = self.project.folders()
        return project.queue_of(folders), folders

    def refresh(self) -> None:
        """Show the runs as they are now."""
        self._draw(run_rows.rows(*self._place()))

    def _draw(self, found: list[Row]) -> None:
        keys = [(row.number, row.run.base) for row in found]
        for key, row in zip(keys, found, strict=True):
            if key not in self.shown:
                self.shown[key] = RunRow(self.press, self.presses)
            self.shown[key].show(row)
        for gone in self.shown.keys() - set(keys):
            self.shown.pop(gone).widget.close()
        children = tuple(self.shown[key].widget for key in keys)
        if children != self.rows.children:
            self.rows.children = children
        self.compare.layout.display = "" if len(keys) > 1 else "none"
        self._draw_queue(found)

    def _draw_queue(self, found: list[Row]) -> None:
        """Say whether the queue is at work, and offer to begin where something waits and nobody is."""
        working = [each for each in queue_file.read(self._place()[0]).workers.values() if each.works()]
        waiting = [row for row in found if row.state == "waiting" or row.lost]
        self.start.layout.display = "" if waiting and not working else "none"
        if working:
            text = f"The queue is at work; {len(waiting)} wait." if waiting else "The queue is at work."
        else:
            text = f"The queue rests; {len(waiting)} wait." if waiting else "" if found else EMPTY
        self.state.value = sentence(text) if text else ""

    def _try(self, act: Callable[[], Any]) -> None:
        """Do it, or say why not."""
        try:
            act()
        except (ValueError, OSError) as error:
            self.said.value = sentence(str(error), "bad")

    def queue_it(self) -> None:
        """Put the form's run at the end of the queue."""
        self._added([queue.add(self.config())[1]])

    def at_work(self) -> str:
        """The run of the queue that is trained now; "" for none."""
        entries = queue_file.read(self._place()[0]).listed
        return next((each.name for each in entries if each.state == "running"), "")

    def start_queue(self) -> None:
        """Begin to train what waits."""
        begun = queue_worker.start(self._place()[0], keys_of_runs(), self._together())
        self._say("The queue begins." if begun else "The queue is at work already.")

    def _together(self) -> bool:
        return self.gpus.value == "all"

    def _added(self, entries: Iterable[Entry]) -> None:
        names = ", ".join(f"{each.number} {each.name}" for each in entries)
        self._say(f"Added to the queue: {names}.")

    def _say(self, text: str) -> None:
        self.said.value = sentence(text, "good")
        self.refresh()

    def compare_ticked(self) -> None:
        """Show the ticked runs beside each other."""
        ticked = list(dict.fromkeys(place for (_, place), each in self.shown.items() if each.tick.value))
        if len(ticked) < 2:
            raise ValueError("tick the boxes of the runs that are to be compared, two or more")
        begun = [place for place in ticked if (place / "run.toml").is_file()]
        waiting = [place.name for place in ticked if place not in begun]
        if waiting:
            raise ValueError(f"{', '.join(waiting)} has not begun yet: there is nothing to compare")
        from lora_nb.training import comparison  # a notebook's first cell is not to wait for it

        self.compared.value = comparison.block(comparison.read_all(begun))
        self.said.value = ""

    def press(self, act: str, row: Row) -> None:
        """Carry out what was pressed beside a run."""
        self._try(lambda: getattr(self, f"_{act}")(row))

    def _up(self, row: Row) -> None:
        queue.move(self._place()[0], row.number, "up")
        self.refresh()

    def _down(self, row: Row) -> None:
        queue.move(self._place()[0], row.number, "down")
        self.refresh()

    def _pause(self, row: Row) -> None:
        if row.number:
            queue.pause(self._place()[0], row.number)
        elif job := jobs.latest(self._place()[1], "train"):
            queue.hand_on(job)
        self._say(
            f"{row.name} pauses after this step." if row.state == "running" else f"{row.name} is paused."
        )

    def _cancel(self, row: Row) -> None:
        queue.cancel(self._place()[0], row.number)
        self._say(f"{row.name} is called off; what was finished stays.")

    def _go_on(self, row: Row) -> None:
        folder = self._place()[0]
        if row.number:
            queue.resume(folder, row.number)
        else:
            queue.add(self._config_of(row))
        queue_worker.start(folder, keys_of_runs(), self._together())
        self._say(f"{row.name} goes on as soon as it is its turn.")

    def _config_of(self, row: Row) -> TrainConfig:
        """The settings of a run, whose folders lead from its project."""
        folder, folders = self._place()
        if row.number:
            return queue.config_of(folder, queue_file.read(folder).entry(row.number))
        config, place = settings.load_known(TrainConfig, row.run.settings)[0], folders.base.absolute()
        own = {"train_data_dir": str(place / config.place.train_data_dir), "output_dir": str(row.output)}
        return settings.replace(config, **own, output_name=row.name)

    def _download(self, row: Row) -> None:
        if not row.files:
            raise ValueError(f"{row.name} has no LoRA file yet")
        self.said.value = ""
        self.given.children = (download.offer(row.files[-1], self.said, self.presses),)

    def _again(self, row: Row) -> None:
        self.load(self._config_of(row))
        self._say(
            f"The settings of {row.name} are in the form above: change some, and add them to the queue."
        )

    def _remove(self, row: Row) -> None:
        folder = self._place()[0]
        if row.number:
            queue.remove(folder, row.number)
        else:
            queue.hide(folder, row.run)
        self._say(f"{row.name} is off the list; its files stay in {row.output}.")
