"""A step that opens another program's page in a frame of the notebook, until it is closed."""

from collections.abc import Awaitable, Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as W

from lora_nb.events import Event, Finished, Notice
from lora_nb.forms.follow import follow
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.project import Folders
from lora_nb.shell import colab, jobs


class FramedStep(Step):
    """The server that a verb runs, shown in a frame. It is never due: only a person presses it.

    `called` is the program's name, `verb` runs its server, `told` begins the sentence that ends with its address.
    """

    by_hand = True
    called, verb, told = "", "", ""
    height = 640

    def __init__(
        self, act: Callable[[], Awaitable[str]], parts: Sequence[W.Widget], project: ProjectStep, icon: str
    ) -> None:
        self.project = project
        super().__init__(f"Open {self.called}", act, parts, project.presses, icon=icon)
        self.cancel.description = f"Close {self.called}"
        self.cancel.layout.width = "auto"

    def stop(self) -> None:
        """Close it."""
        if self.job is not None:
            jobs.request(self.job, "stop")
            self.panel.say("Closing ...")

    async def until_closed(self, config: Any, folders: Folders) -> Finished | None:
        """Its end, once it is closed; one that is open already is shown again. Raises ValueError for its error."""
        open_one = jobs.latest(folders, self.verb)
        if open_one is None or not jobs.is_running(open_one):
            open_one = jobs.start(self.verb, config, folders)
        self.job = open_one
        self.cancel.layout.display = ""
        try:
            end = await follow(self.job, self.hear, self.panel.redraw)
        finally:
            self.cancel.layout.display = "none"
            self.result.children = []
        if error := jobs.last_error(self.job):
            raise ValueError(error)
        return end

    def hear(self, event: Event) -> None:
        """Show the frame when the address is told, and anything else in words."""
        if isinstance(event, Notice) and event.text.startswith(self.told):
            self.panel.say(f"{self.called} is open.", "good")
            self.result.children = [W.HTML(self.frame(event.text.removeprefix(self.told).strip()))]
        else:
            self.panel.take(event)

    def frame(self, address: str) -> str:
        """HTML of the program, with a link to it for where a frame cannot show it."""
        address = escape(colab.reachable(address))
        link = f'<a href="{address}" target="_blank" rel="noopener">Open it in a tab</a>'
        style = f"width:100%;height:{self.height}px;border:1px solid #8886"
        return (
            f'<div class="lora-nb-{self.verb}" style="line-height:1.5">{self.words(link)}</div>'
            f'<iframe src="{address}" title="{self.called}" style="{style}"></iframe>'
        )

    def words(self, link: str) -> str:
        """HTML of what stands above the frame."""
        return link
