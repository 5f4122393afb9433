"""A text as the page shows it: settings by their labels, no token in it, and nothing that HTML would read."""

from html import escape

from lora_nb.redact import redact


def told(text: str) -> str:
    """The text as HTML."""
    return escape(in_words(text))


def in_words(text: str) -> str:
    """The same for where no HTML is read, such as a tooltip."""
    from lora_nb.config.labels import in_labels  # the first cell does not wait for every config there is

    return in_labels(redact(text))
