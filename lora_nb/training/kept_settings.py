"""The settings a run is started with, kept in its folder."""

from pathlib import Path

from lora_nb import project, runs, settings
from lora_nb.config.training import TrainConfig
from lora_nb.runs import RunFolder
from lora_nb.training import holder

HEAD = "# lora_nb run 1: what this run was started with"  # the number is that of the file's format


def keep(config: TrainConfig) -> None:
    """Write the settings of a run whose names are filled in, so that the same file goes on with it.

    Folders in the project are told relative to it: `python -m lora_nb train runs/<name>/run.toml` works in there.
    """
    place, folders = config.place, project.folders_of_output(Path(config.place.output_dir))
    again = settings.replace(
        config,
        on_existing="resume",
        train_data_dir=runs.inside(place.train_data_dir, folders),
        output_dir=runs.inside(place.output_dir, folders),
        reg_data_dir=runs.inside(config.pictures.reg_data_dir, folders),
        dataset_config=runs.inside(config.pictures.dataset_config, folders),
    )
    settings.save(again, _folder(config).settings, HEAD)


def keep_early(config: TrainConfig) -> None:
    """`keep` before it is known whether the run can be started: only where none was begun and none is at work."""
    own = _folder(config)
    held = holder.noted(own)
    if not own.state.exists() and (held is None or held.is_gone()):
        keep(config)


def _folder(config: TrainConfig) -> RunFolder:
    return runs.run_folder(Path(config.place.output_dir), config.place.output_name)
