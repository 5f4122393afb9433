"""What settings are called before people, in sentences that name them as files and flags do."""

import re
from collections.abc import Mapping
from functools import cache

from lora_nb.config import (
    advice,
    board,
    captioning,
    catalogue,
    dataset,
    drawing,
    intake,
    overview,
    pictures,
    presets,
    project,
    queue,
    report,
    results,
    training,
    validation,
    versions,
)
from lora_nb.declare import Setting, settings_of

RUN = training.TrainConfig
OTHERS = (
    advice.AdviceConfig, board.TensorboardConfig, captioning.CaptionConfig, captioning.EditTagsConfig,
    captioning.SuggestConfig, captioning.TagConfig, catalogue.BasesConfig, dataset.DatasetConfig, dataset.RecodeConfig,
    dataset.RestoreConfig, dataset.TopTagsConfig, dataset.TriggerConfig, drawing.GridConfig, drawing.SampleConfig,
    intake.ImportConfig, intake.LookConfig, overview.CropConfig, overview.EditCaptionConfig, overview.ListConfig,
    overview.PictureTagsConfig, overview.RepeatsConfig, overview.RotateConfig, overview.SetAsideConfig,
    pictures.CheckConfig, pictures.CurateConfig, pictures.KeepOtherConfig, pictures.PrepareConfig,
    presets.CompareSettingsConfig, presets.ImportSettingsConfig, presets.PresetsConfig, presets.SavePresetConfig,
    project.ProjectConfig, queue.CompareConfig, queue.QueueAgainConfig, queue.QueueConfig, queue.QueueListConfig,
    queue.QueueMoveConfig, queue.QueueStartConfig, queue.QueueWorkConfig, queue.SweepConfig, report.FiftyoneConfig,
    report.ReportConfig, results.CardConfig, results.CopyConfig, results.InspectConfig, results.PackConfig,
    results.PushConfig, validation.CurveConfig, versions.DiffConfig, versions.ExportConfig,
    versions.RestoreVersionConfig, versions.SnapshotConfig,
)  # fmt: skip
# In front of these a word is the name of a setting, and behind this one as well; elsewhere it may be just a word.
AFTER, BEFORE = r"(?= = | has no effect\b| is empty\b| is not usable\b)", r"(?<=has no effect without )"


@cache
def labels() -> Mapping[str, str]:
    """The label of each setting by its name. Of several of one name a run's own counts, then one that is declared."""
    found: dict[str, Setting] = {}
    for setting in (setting for config in (RUN, *OTHERS) for setting in settings_of(config)):
        known = found.get(setting.name)
        if known is None or (setting.said.label and not known.said.label):
            found[setting.name] = setting
    return {name: setting.label for name, setting in found.items()}


@cache
def _names() -> re.Pattern:
    """Names of settings in a sentence, not as parts of paths, addresses, file names or longer words."""
    known = sorted(labels(), key=len, reverse=True)
    long = "|".join(re.escape(name) for name in known if "_" in name)
    short = "|".join(re.escape(name) for name in known if "_" not in name and labels()[name] != name)
    return re.compile(
        rf'"(?P<quoted>{long})"|(?<![\w./\\=&?-])(?:--)?'
        rf"(?:(?P<long>{long})|(?P<short>(?:{short}){AFTER}|{BEFORE}(?:{short})))(?![\w/\\=-]|\.\w)"
    )


def in_labels(text: str) -> str:
    """The sentence with each setting's label, in quotes, where it says its name."""
    return _names().sub(lambda found: f'"{labels()[found["quoted"] or found["long"] or found["short"]]}"', text)
