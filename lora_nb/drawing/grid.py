"""LoRA files compared in an X/Y grid."""

import difflib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from lora_nb import files, project, runs, seeds, settings
from lora_nb.bases.weighted_text import escape
from lora_nb.config.drawing import GridConfig
from lora_nb.drawing import sheet
from lora_nb.drawing.sample import (
    BlackPicture,
    LoraCall,
    Prompt,
    load_for_drawing,
    parameters_text,
    picture_size,
    sample_images,
    save_png,
    split_lora_calls,
)
from lora_nb.events import Drawn, Finished, Notice, Progress, Tell, silent
from lora_nb.lora import inject, lora_file
from lora_nb.wording import counted

EPOCHS, STRENGTHS = "NUM", "STRENGTH"
PLACEHOLDER = re.compile(r"[A-Z]+")
NUMBERED_CALL = re.compile(rf"<lora:([^:>]+)-{EPOCHS}\b")


@dataclass(frozen=True)
class Axis:
    """Prompt S/R: `search` is replaced by each of `values`; an empty `search` by nothing."""

    search: str
    values: tuple[str, ...]

    def put(self, text: str, value: str) -> str:
        return text.replace(self.search, value) if self.search else text


@dataclass(frozen=True)
class Cell:
    """One picture of the grid. `written` is the prompt with its `<lora:...>`, `prompt` without."""

    x: str
    y: str
    prompt: Prompt
    call: LoraCall | None
    written: str


@dataclass(frozen=True)
class GridPlan:
    """What a grid will draw, before anything heavy is loaded. `cells` run down each column in turn."""

    prompt: str
    x: Axis
    y: Axis
    cells: tuple[Cell, ...]


def plan_grid(config: GridConfig, tell: Tell = silent) -> GridPlan:
    """The cells of the grid. Raises ValueError for values not in the prompt or a missing LoRA file."""
    prompt = _whole_prompt(config, tell)
    x = _axis(
        "x_values", config.x_values or _every_checkpoint(config, prompt), prompt, config.draw.negative_prompt
    )
    y = _axis("y_values", config.y_values, prompt, config.draw.negative_prompt)
    cells = tuple(_cell(config, prompt, (x, column), (y, row)) for column in x.values for row in y.values)
    for name in dict.fromkeys(cell.call.name for cell in cells if cell.call):
        find_lora(Path(config.lora_dir), name)
    return GridPlan(prompt, x, y, cells)


def _whole_prompt(config: GridConfig, tell: Tell) -> str:
    """The prompt with a call of the LoRA in it."""
    if "<lora:" in config.prompt:
        return config.prompt
    strength = STRENGTHS if config.y_values[:1] == (STRENGTHS,) else "1"
    number = EPOCHS if not config.x_values or config.x_values[0] == EPOCHS else _newest(config)
    prompt = f"{config.prompt or escape(config.trigger_word)} <lora:{config.output_name}-{number}:{strength}>".strip()
    if config.prompt:
        tell(Notice(f"The prompt calls no LoRA, so this was added to it: {prompt.rsplit(' ', 1)[1]}"))
    return prompt


def _numbers(config: GridConfig, name: str) -> list[str]:
    """The numbers of the checkpoints of run `name` as their files have them. Raises ValueError when there is none."""
    found = project.lora_files(Path(config.lora_dir), name)
    if not found:
        first = project.lora_file_name(name, 1)
        raise ValueError(f"there is no LoRA file {first} or the like in {config.lora_dir}: train first")
    return [path.stem.rpartition("-")[2] for path in found]


def _newest(config: GridConfig) -> str:
    return _numbers(config, config.output_name)[-1]


def _every_checkpoint(config: GridConfig, prompt: str) -> tuple[str, ...]:
    called = NUMBERED_CALL.search(prompt)
    name = called[1].strip() if called else config.output_name
    return (EPOCHS, *_numbers(config, name)) if EPOCHS in prompt else ()


def _axis(setting: str, values: Sequence[str], prompt: str, negative: str) -> Axis:
    """A first value in capital letters is a placeholder and not drawn; any other is, as in A1111."""
    if not values:
        return Axis("", ("",))
    search = values[0]
    if search not in prompt and search not in negative:
        raise ValueError(f'{setting} begins with "{search}", which is not in the prompt: {prompt}')
    drawn = tuple(values[1:]) if PLACEHOLDER.fullmatch(search) else tuple(values)
    if not drawn:
        raise ValueError(
            f'{setting} = {search} holds the placeholder alone: write its values after it, e.g. "{search}, 1"'
        )
    return Axis(search, drawn)


def _cell(config: GridConfig, prompt: str, *choices: tuple[Axis, str]) -> Cell:
    written, negative = prompt, config.draw.negative_prompt
    for axis, value in choices:
        written, negative = axis.put(written, value), axis.put(negative, value)
    text, calls = split_lora_calls(written)
    if len(calls) > 1:
        raise ValueError(
            f"the prompt calls {len(calls)} LoRAs, and the grid compares one at a time: {written}"
        )
    drawn = Prompt.of(text, replace(config.draw, negative_prompt=negative))
    return Cell(choices[0][1], choices[1][1], drawn, calls[0] if calls else None, written)


def find_lora(folder: Path, name: str) -> Path:
    """The file a `<lora:name:...>` calls. Raises ValueError with the nearest name there is."""
    path = folder / f"{name.removesuffix('.safetensors')}.safetensors"
    if path.is_file():
        return path
    there = sorted(file.stem for file in folder.glob("*.safetensors"))
    near = difflib.get_close_matches(name, there, n=1)
    hint = (
        f'; did you mean "{near[0]}"?'
        if near
        else f"; there are {', '.join(there)}"
        if there
        else ": train first"
    )
    raise ValueError(f"there is no LoRA file {path.name} in {folder}{hint}")


class Drawer:
    """A base with at most one LoRA in it, drawing one cell after another."""

    def __init__(self, config: GridConfig, tell: Tell = silent) -> None:
        self.config, self.folder = config, Path(config.lora_dir)
        self.base = load_for_drawing(config.base, tell)
        self.file, self.shapes = "", {}
        self.known: dict[tuple[Prompt, LoraCall | None], Image.Image] = {}

    def draw(self, cell: Cell, clip_skip: int, tell: Tell) -> Image.Image:
        """The cell's picture, black with a warning if the model gives NaN. Equal cells are drawn once."""
        call = cell.call if cell.call and (cell.call.strength or cell.call.of_text) else None
        key = (cell.prompt, call)
        if key not in self.known:
            self._set(call)
            try:
                self.known[key] = sample_images(self.base, [cell.prompt], clip_skip)[0]
            except BlackPicture as error:
                tell(Notice(f"{cell.written}: {error}", "warning"))
                self.known[key] = Image.new("RGB", picture_size(self.base, cell.prompt))
        return self.known[key]

    def _set(self, call: LoraCall | None) -> None:
        if call and call.name != self.file:
            self._put_in(call.name)
        strengths = (call.strength, call.of_text) if call else (0.0, 0.0)
        inject.set_strength(self.base.parts, *strengths)

    def _put_in(self, name: str) -> None:
        update = lora_file.read_lora(find_lora(self.folder, name))
        shapes = {
            layer: [part.shape for part in module.tensors.values()]
            for layer, module in update.modules.items()
        }
        if self.file and shapes != self.shapes:
            self.base = load_for_drawing(self.config.base)
        put = inject.load if shapes == self.shapes else inject.apply
        try:
            put(self.base.parts, update)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        self.file, self.shapes = name, shapes


def unasked() -> frozenset[str]:
    """Ask for nothing."""
    return frozenset()


def grid(config: GridConfig, tell: Tell = silent, poll: Callable[[], frozenset[str]] = unasked) -> Finished:
    """Draw grid.png in `output_dir`, its single pictures in grid/, and grid.json that says which is which.

    Nothing is overwritten: the next ones are called grid-2, grid-3, ... Raises ValueError, before the base is
    loaded, for prompts and files that do not go together. When `poll` returns "stop", the pictures drawn so far
    stay and no sheet is made of them.
    """
    if seeds.is_open(config.draw.seed):
        config = settings.replace(config, seed=seeds.draw("seed", tell))
    plan = plan_grid(config, tell)
    sheet_path = _free_grid(Path(config.output_dir))
    drawer = Drawer(config, tell)
    folder, pictures, paths = sheet_path.with_suffix(""), [], []
    for done, cell in enumerate(plan.cells):
        if "stop" in poll():
            text = (
                f"The grid was stopped after {done} of its {len(plan.cells)} pictures, which are in {folder}."
            )
            return Finished("stopped", text)
        tell(Progress("Drawing the grid", done, len(plan.cells)))
        pictures.append(drawer.draw(cell, config.draw.clip_skip, tell))
        text = parameters_text(drawer.base, replace(cell.prompt, text=cell.written), config.draw.clip_skip)
        paths.append(str(save_png(pictures[-1], folder / _file_name(cell), text)))
        tell(Drawn((paths[-1],), 0, 0, "cell"))
    _save_sheet(config, plan, pictures, sheet_path)
    legend_path = sheet_path.with_suffix(".json")
    files.write_text(legend_path, json.dumps(_legend(config, plan, paths), indent=2, ensure_ascii=False))
    tell(Progress("Drawing the grid", len(plan.cells), len(plan.cells)))
    tell(Drawn((str(sheet_path),), 0, 0, "grid"))
    return Finished(
        "done", f"The grid compares {counted(len(paths), 'picture')}.", (str(sheet_path), str(legend_path))
    )


def _free_grid(folder: Path) -> Path:
    number = 1
    while any(
        (folder / runs.grid_file_name(number)).with_suffix(end).exists() for end in ("", ".png", ".json")
    ):
        number += 1
    return folder / runs.grid_file_name(number)


def _file_name(cell: Cell) -> str:
    parts = [re.sub(r"[^\w.-]+", "_", part)[:40] for part in (cell.x, cell.y) if part]
    return "_".join(parts or ["picture"]) + ".png"


def _save_sheet(config: GridConfig, plan: GridPlan, pictures: Sequence[Image.Image], path: Path) -> None:
    rows = len(plan.y.values)
    columns = [list(pictures[start : start + rows]) for start in range(0, len(pictures), rows)]
    shown = [plan.prompt]
    if config.draw.negative_prompt:
        shown.append(f"Negative prompt: {config.draw.negative_prompt}")
    shown.append(f"seed {config.draw.seed}, {config.draw.steps} steps, guidance {config.draw.guidance:g}")
    image = sheet.draw_sheet(columns, _labels(plan.x), _labels(plan.y), shown)
    with files.replacing(path) as temporary:
        image.save(temporary, format="PNG")


def _labels(axis: Axis) -> list[str]:
    words = {EPOCHS: "epoch ", STRENGTHS: "strength "}
    return [f"{words.get(axis.search, '')}{value}" for value in axis.values]


def _legend(config: GridConfig, plan: GridPlan, paths: Sequence[str]) -> dict:
    return {
        "prompt": plan.prompt,
        "negative_prompt": config.draw.negative_prompt,
        "seed": config.draw.seed,
        "x": {"search": plan.x.search, "values": list(plan.x.values)},
        "y": {"search": plan.y.search, "values": list(plan.y.values)},
        "pictures": [
            {
                "x": cell.x,
                "y": cell.y,
                "prompt": cell.written,
                "file": f"{Path(path).parent.name}/{Path(path).name}",
            }
            for cell, path in zip(plan.cells, paths, strict=True)
        ],
    }
