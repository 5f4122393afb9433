"""The subcommands on the steps of a dataset: a config in, the work done, what came of it out."""

from lora_nb import project
from lora_nb.config.dataset import DatasetConfig
from lora_nb.dataset import handover, history
from lora_nb.events import Finished, Poll, Tell
from lora_nb.shell import outcomes
from lora_nb.shell.given import dataset_of, folder_of, name_some
from lora_nb.shell.verb import Verb


def undo_step(config: DatasetConfig, tell: Tell, poll: Poll) -> Finished:
    """Take back the last step: captions written, pictures imported, set aside or brought back."""
    folders = project.folders_of_dataset(folder_of(config))
    undone = history.undo(dataset_of(config))
    if undone is None:
        return Finished(
            "nothing", f"There is nothing to undo: no step that changed {config.train_data_dir} is left."
        )
    name_some(tell, "Left as it is", undone.left)
    earlier = undone.note.get("trigger_word")
    handover.refresh(folders, tell, **({"trigger_word": earlier} if isinstance(earlier, str) else {}))
    if isinstance(words := undone.note.get("subset_triggers"), dict):
        handover.remember_subsets(folders, {name: str(word) for name, word in words.items()}, tell)
    return Finished("done", outcomes.of_undo(undone))


VERBS = {
    "undo": Verb(DatasetConfig, undo_step),
}
