"""The forms of LoRA Trainer: the run, the grid, a try."""

from dataclasses import replace
from pathlib import Path

import ipywidgets as W

from lora_nb import presets, project, runs, settings, upgrade
from lora_nb.bases import lookup, suggested
from lora_nb.config.drawing import GridConfig, SampleConfig
from lora_nb.config.project import Handover
from lora_nb.config.training import PURPOSES, TrainConfig
from lora_nb.dataset import handover
from lora_nb.events import Finished, Notice, Tell
from lora_nb.forms import gallery, review
from lora_nb.forms.follow import sentence
from lora_nb.forms.form import Form
from lora_nb.forms.preset_row import PresetRow
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.questions import ANY, Questions
from lora_nb.forms.run_form import YES, RunForm
from lora_nb.forms.step import Step
from lora_nb.project import Folders
from lora_nb.runs import RunFolder
from lora_nb.shell import graphics_card, jobs
from lora_nb.training import advice
from lora_nb.training.advice import BASE

DEMO_RUN = review.DEMO / "train.toml"
BASES = suggested.SUGGESTED
WITHOUT_GPU = (
    "No base is filled in: this machine has no NVIDIA GPU, and without one a real base takes days. Choose one all the "
    'same, or "demo" and tick "allow demo base", which only shows how things work.'
)


class SettingsStep(Step):
    """The settings of the run: three questions, ten settings, the others folded. The button counts the steps."""

    def __init__(self, chosen: ProjectStep) -> None:
        self.project = chosen
        self.form = RunForm({BASE: BASES})
        self.seen, self.known, self.kind = advice.Seen(), Handover(), ""
        self.own_pictures = self.first = True
        other = self.form.fields[BASE]
        self.questions = Questions(other.widget, lambda: chosen.presses.carry_out(self._answer))
        self.presets = PresetRow(
            self.form, lambda text, level: self.panel.say(text, level), self._own_presets, self._filled
        )
        allow = self.form.fields[YES].widget
        parts = [self.questions.widget, allow, self.presets.widget, self.form.widget]
        super().__init__("Count the steps", self._count, parts, chosen.presses, icon="calculator")
        row = self.presets
        for button, act in (
            (row.button, row.fill),
            (row.compare, row.show_differences),
            (row.keep, row.save),
            (row.both, row.show_two),
        ):
            button.on_click(lambda _, act=act: chosen.presses.carry_out(lambda: row.press(act)))
        other.control.observe(lambda _: chosen.presses.carry_out(self._other_base), "value")

    def preset(self) -> None:
        """Take over the last run of this project, or else what Dataset Maker learnt."""
        folders = self.project.folders()
        upgrade.take_over(folders, self.panel.take)
        self.known = handover.read(folders, self.panel.take)
        self.own_pictures = not review.is_example(folders)
        self.seen = advice.look(folders.dataset)
        last = runs.newest(folders)
        self.first, self.kind = last is None, advice.kind_of(self.known, self.seen.paths)
        self.form.config = _start(folders, self.known, self.kind, self.panel.take)
        self.panel.redraw()
        run, here = self.form.config, graphics_card.find()
        base = run.base.pretrained_model_name_or_path
        self.questions.ask(run.about.purpose or PURPOSES[0], base, here, self.kind, not self.own_pictures)
        self.form.write_all()
        self.presets.offer()
        self._advise(fill=self.first and self.own_pictures)
        if not self.own_pictures:
            self.form.compare_with(settings.values_of(run))
        self._say_what_is_known()

    def again(self) -> None:
        """See how many pictures there are now: repeats and epochs follow, where nobody changed them."""
        self.seen = advice.look(self.project.folders().dataset)
        self.presets.offer()
        self._advise(fill=self.own_pictures)

    def _say_what_is_known(self) -> None:
        """Under the form: what Dataset Maker left, and why this base, or that there is none yet."""
        lines = [sentence(review.summary(self.known))] if self.known.project else []
        base = self.form.fields[BASE].control.value.strip()
        if self.own_pictures and not base:
            lines.append(sentence(WITHOUT_GPU, "warning"))
        elif self.own_pictures and self.first and base in (suggested.USUAL, suggested.FOR_DRAWINGS):
            words = (f"the pictures look like {self.kind}: " if self.kind else "") + suggested.why(base)
            lines.append(sentence(words[:1].upper() + words[1:]))
        self.result.children = [W.HTML("".join(lines))] if lines else []

    def load(self, config: TrainConfig) -> None:
        """Fill the form with the settings of another run."""
        self.form.config = config
        self.form.write_all()

    def _own_presets(self) -> Path:
        return presets.own_folder(self.project.folders().base)

    def _answer(self) -> None:
        """A question was answered: fill in what follows."""
        if self.questions.base.value is not ANY:
            self.form.fields[BASE].control.value = self.questions.base.value
        self._advise(fill=True)
        self._say_what_is_known()

    def _other_base(self) -> None:
        """A base was written, or filled in by something else than its question."""
        base = self.form.fields[BASE].control.value
        if base != self.questions.base.value:
            self.questions.take_base(base)
            self._advise(fill=True)
        self._ask_for_a_yes()

    def _filled(self) -> None:
        """A preset was filled in: its base and purpose are the answers."""
        run = self.form.config
        self.questions.take_base(run.base.pretrained_model_name_or_path)
        self._ask_for_a_yes()

    def _advise(self, fill: bool) -> None:
        """Let the form know what suits the answers; `fill` it in where nobody changed anything."""
        base = self.form.fields[BASE].control.value.strip()
        answers = advice.Answers(
            self.questions.purpose.value, base, self.questions.machine_name(), self.seen.unsaid, self.known
        )
        try:
            self.form.suit(advice.advise(answers), fill)
        except ValueError as error:
            self.panel.say(str(error), "bad")
        self._ask_for_a_yes()

    def _ask_for_a_yes(self) -> None:
        """Show the box that allows the demo base only where there is something to allow."""
        asked = self.own_pictures and self.form.fields[BASE].control.value == suggested.DEMO
        self.form.fields[YES].widget.layout.display = "" if asked else "none"

    async def _count(self) -> str:
        from lora_nb.training import plan  # with much behind it, and wanted by a press

        planned = plan.plan_run(self.config())
        self.result.children = [W.HTML("".join(sentence(text) for text in planned.lines))]
        lookup.check_base(planned.config.base.pretrained_model_name_or_path)
        return "These settings can be trained."

    def config(self) -> TrainConfig:
        """The form's settings with the project's folders and name. Raises ValueError for a bad one."""
        folders = self.project.folders()
        wanted = self.form.read(train_data_dir=str(folders.dataset), output_dir=str(folders.output))
        return settings.replace(wanted, output_name=wanted.place.output_name.strip() or folders.base.name)

    def run_folder(self) -> RunFolder:
        """The folder of this run. Raises ValueError for a bad setting."""
        wanted = self.config()
        return runs.run_folder(Path(wanted.place.output_dir), wanted.place.output_name)

    def lora_files(self) -> list[Path]:
        """The numbered files of this run, the newest last. Raises ValueError for a bad setting."""
        wanted = self.config()
        return project.lora_files(Path(wanted.place.output_dir), wanted.place.output_name)


def _start(folders: Folders, known: Handover, kind: str, tell: Tell) -> TrainConfig:
    """The last run, or the defaults, with what Dataset Maker learnt since."""
    last = runs.newest(folders)
    if last is None:
        return _suited(_first_run(folders, kind), known)
    run, said = settings.load_known(TrainConfig, last.settings)
    for text in said:
        tell(Notice(text, "warning"))
    learnt = folders.handover.is_file() and folders.handover.stat().st_mtime > last.settings.stat().st_mtime
    return _suited(run, known) if learnt else run


def _first_run(folders: Folders, kind: str) -> TrainConfig:
    """The base that suits pictures and machine; for the example that ships here the demo's short run."""
    if DEMO_RUN.is_file() and review.is_example(folders):
        return settings.load(TrainConfig, DEMO_RUN)
    return settings.make(
        TrainConfig, pretrained_model_name_or_path=advice.base_for(kind) if jobs.gpu_count() else ""
    )


def _suited(run: TrainConfig, known: Handover) -> TrainConfig:
    """The run with what suits its dataset."""
    return replace(run, captions=handover.for_training(known, run.captions))


def _as_in_the_run(run: TrainConfig) -> dict[str, str | int | float]:
    """What a picture takes over from the training, so that it looks like the samples."""
    return {
        **settings.values_of(run.base),
        "clip_skip": run.captions.clip_skip,
        "guidance": run.samples.guidance,
        "sampler": run.samples.sample_sampler,
    }


class GridStep(Step):
    """The X/Y grid of checkpoints and strengths."""

    by_hand = True

    def __init__(self, chosen: ProjectStep, run: SettingsStep) -> None:
        self.project, self.run_settings = chosen, run
        self.form = Form(GridConfig(), {BASE: BASES})
        super().__init__("Draw the grid", self._draw, [self.form.widget], chosen.presses, icon="th")

    def preset(self) -> None:
        """Take over the run's base, and show the grid that was drawn after the training."""
        upgrade.take_over(self.project.folders(), self.panel.take)
        self.form.write(**_as_in_the_run(self.run_settings.config()))
        drawn = runs.newest_grid(self.run_settings.run_folder().base, self.run_settings.lora_files())
        if drawn:
            self.done = True
            self._show_grid(drawn)

    async def _draw(self) -> str:
        folders, run = self.project.folders(), self.run_settings.config()
        wanted = self.form.read(
            lora_dir=run.place.output_dir, output_name=run.place.output_name, trigger_word=run.captions.trigger_word,
            output_dir=str(self.run_settings.run_folder().base),
        )  # fmt: skip
        if not any(Path(run.place.output_dir).glob("*.safetensors")):
            raise ValueError(f"{run.place.output_dir} holds no LoRA file: train first")
        end = await self.run("grid", wanted, folders)
        for path in _pictures(end)[-1:]:
            self._show_grid(path)
        return end.text

    def _show_grid(self, path: Path) -> None:
        self.result.children = [W.HTML(f"<div>{gallery.large(path)}</div>{sentence(str(path))}")]


class TryStep(Step):
    """Pictures with a prompt of one's own."""

    by_hand = True

    def __init__(self, chosen: ProjectStep, run: SettingsStep) -> None:
        self.project, self.run_settings = chosen, run
        self.form = Form(SampleConfig(), {BASE: BASES})
        super().__init__("Draw", self._draw, [self.form.widget], chosen.presses, icon="image")

    def preset(self) -> None:
        """Take over the run's base, its newest file and the trigger word."""
        run = self.run_settings.config()
        self.form.write(
            **_as_in_the_run(run),
            lora=str(next(iter(self.run_settings.lora_files()[::-1]), "")),
            prompts=(run.captions.trigger_word,) if run.captions.trigger_word else (),
        )

    async def _draw(self) -> str:
        folders = self.project.folders()
        wanted = self.form.read(output_dir=str(self.run_settings.run_folder().samples))
        if not wanted.base.pretrained_model_name_or_path.strip():
            raise ValueError("pretrained_model_name_or_path is empty: choose the base to draw with")
        end = await self.run("sample", wanted, folders)
        thumbs = [gallery.Thumb(path, path.name) for path in _pictures(end)]
        self.result.children = [W.HTML(gallery.thumbnails(thumbs, side=256))]
        return end.text


def _pictures(end: Finished) -> list[Path]:
    return [Path(file) for file in end.files if file.endswith(".png")]
