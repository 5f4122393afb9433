"""The notebooks' forms: thin widgets over child processes."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lora_nb.forms.dataset_maker import DatasetMaker
    from lora_nb.forms.lora_trainer import LoraTrainer

__all__ = ["DatasetMaker", "LoraTrainer"]


def __getattr__(name: str) -> Any:
    """A notebook's class, with what that notebook alone needs: its first cell is to be there at once."""
    if name == "DatasetMaker":
        from lora_nb.forms.dataset_maker import DatasetMaker

        return DatasetMaker
    if name == "LoraTrainer":
        from lora_nb.forms.lora_trainer import LoraTrainer

        return LoraTrainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
