"""Signs at the beginning of a sentence, such as 📈: for the eye alone, taken off where they cannot be shown."""

import codecs
import re

KNOWN = "📈📉🔮🎯"  # the four lines that people know from kohya-colab
TERMINALS = ("linux", "dumb")  # they have no font with such signs
OURS = KNOWN + "⚖🔍🔎🧷🎲⏩⏳"  # no others: a file's name may begin with a sign too
_SIGN = re.compile(f"[{OURS}]\ufe0f?\\s+")


def parted(text: str) -> tuple[str, str]:
    """The sign that a sentence begins with ("" for none), and its words."""
    found = _SIGN.match(text)
    return (found[0].strip(), text[found.end() :]) if found else ("", text)


def can_be_shown(encoding: str, terminal: str, is_terminal: bool) -> bool:
    """Whether what is written there shows signs: in an encoding that has them, on no terminal without a font."""
    try:
        codecs.lookup(encoding)
        KNOWN.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return not is_terminal or terminal not in TERMINALS
