"""The step that changes the tags of many captions at once, and shows first what would change."""

import dataclasses
from html import escape

import ipywidgets as W

from lora_nb.captioning import bulk
from lora_nb.captioning.bulk import Change, EditPlan
from lora_nb.captioning.parts import tag_counts, take_apart
from lora_nb.config.captioning import ACTIONS, EditTagsConfig
from lora_nb.declare import settings_of
from lora_nb.forms import gallery, review
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.project import Folders
from lora_nb.wording import counted

MOST_SHOWN, MOST_TAGS = 40, 50
# The text keeps the colour of its theme, light or dark: what changes is told by signs and by what is behind it.
GONE = '<del style="background:#f4433640;padding:0 2px">{}</del>'
FRESH = '<ins style="background:#4caf5040;padding:0 2px;text-decoration:none">+ {}</ins>'


class EditTagsStep(Step):
    """Tags added, removed, replaced, sorted or cleaned in many captions.

    It is never due: an edit is made by a person who saw what it does, or not at all.
    """

    by_hand = True

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(EditTagsConfig())
        action = self.form.fields["action"].control
        action.options = [(words, name) for name, words in ACTIONS.items()]
        action.value = self.form.config.action
        action.observe(lambda _: project.presses.carry_out(self._show_needed), "value")
        self.preview = W.Button(
            description="Preview", icon="search", layout=W.Layout(width="auto", min_width="220px")
        )
        self.preview.on_click(lambda _: project.presses.carry_out(self._press_preview))
        parts = [self.form.widget, W.HBox([self.preview])]
        super().__init__("Apply", self._apply, parts, project.presses, icon="check")
        self.undo = self.followed_by(UndoStep(project, self._show_tags))
        self._show_needed()

    def preset(self) -> None:
        """Show the tags there are; nothing is changed unless a person presses the button."""
        folders = self.project.folders()
        if review.pictures(folders):
            self._show_tags(folders)

    def empty(self) -> None:
        """Go back to the first edit."""
        self.form.reset()
        self._show_needed()

    def _show_needed(self) -> None:
        """Show only the rows that matter for the chosen edit."""
        values = {"action": self.form.fields["action"].control.value}
        for setting in settings_of(EditTagsConfig):
            needs = setting.said.only_with
            if needs and setting.name in self.form.fields:
                self.form.fields[setting.name].widget.layout.display = "" if needs.hold(values) else "none"

    def _wanted(self, folders: Folders) -> EditTagsConfig:
        """The edit of the form; what belongs to other edits is left out."""
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        values = {"action": wanted.action}
        idle = {
            setting.name: setting.default
            for setting in settings_of(EditTagsConfig)
            if setting.said.only_with and not setting.said.only_with.hold(values)
        }
        return dataclasses.replace(wanted, **idle)

    def _press_preview(self) -> None:
        """Show what would change, at once: nothing is written and no model is needed."""
        try:
            folders = self.project.folders()
            review.need_pictures(folders)
            plan = bulk.plan_edit(self._wanted(folders), self.panel.take)
        except (ValueError, OSError) as error:
            self.panel.say(str(error), "bad")
            return
        self._show_plan(plan)
        words = (
            f"{len(plan.changes)} of {counted(plan.seen, 'caption')} would change. Nothing is written yet."
        )
        self.panel.say(f"{words} Press Apply to change them." if plan.changes else words)

    async def _apply(self) -> str:
        folders = self.project.folders()
        review.need_pictures(folders)
        wanted = self._wanted(folders)
        plan = bulk.plan_edit(wanted)
        end = await self.run("edit_tags", wanted, folders, quiet=True)
        self._show_plan(plan)
        return end.text.partition("\n")[0]

    def _show_plan(self, plan: EditPlan) -> None:
        self.result.children = [W.HTML(delta_table(plan)), W.HTML(difference_table(plan))]

    def _show_tags(self, folders: Folders) -> None:
        found = review.pictures(folders)
        counts = tag_counts(item.caption or "" for item in found).most_common(MOST_TAGS)
        self.result.children = [W.HTML(gallery.tag_table(counts, len(found)))] if counts else []


def delta_table(plan: EditPlan) -> str:
    """HTML of the tags whose number of pictures changes, with the numbers before and after."""
    deltas = list(plan.deltas.items())
    rows = "".join(
        f'<tr><td style="padding:0 10px 0 0">{escape(tag)}</td><td style="text-align:right">{before}</td>'
        f'<td style="padding:0 6px">&rarr;</td><td style="text-align:right">{after}</td>'
        f'<td style="text-align:right;padding-left:12px">{after - before:+d}</td></tr>'
        for tag, (before, after) in deltas[:MOST_TAGS]
    )
    head = (
        '<tr><th style="text-align:left">tag</th><th>before</th><th></th><th>after</th><th>change</th></tr>'
    )
    return f'<table class="lora-nb-deltas" style="line-height:1.35">{head}{rows}</table>' if deltas else ""


def difference_table(plan: EditPlan) -> str:
    """HTML of the captions that change: what goes is struck out, what comes is marked with +."""
    rows = "".join(
        f'<tr><td style="padding-right:12px;vertical-align:top">{escape(change.name)}</td>'
        f'<td style="overflow-wrap:anywhere">{marked(change)}</td></tr>'
        for change in plan.changes[:MOST_SHOWN]
    )
    rest = len(plan.changes) - MOST_SHOWN
    more = f'<div style="opacity:.7">and {rest} more captions</div>' if rest > 0 else ""
    return f'<table class="lora-nb-difference" style="line-height:1.4;width:100%">{rows}</table>{more}'


def marked(change: Change) -> str:
    """HTML of one caption after the change, with what went and what came; of a new order, both orders."""
    old, new = (take_apart(text).parts for text in (change.old, change.new))
    old_words, new_words = [part.text for part in old], [part.text for part in new]
    if sorted(old_words) == sorted(new_words):
        return f"{escape(change.old)}<br>&rarr; {escape(change.new)}"
    gone = [GONE.format(escape(word)) for word in old_words if word not in new_words]
    here = [FRESH.format(escape(word)) if word not in old_words else escape(word) for word in new_words]
    doubled = len(old_words) - len(gone) > len([word for word in new_words if word in old_words])
    return ", ".join(here + gone) + (" <i>(doubles removed)</i>" if doubled else "")
