"""Which captions an edit is about: tags with AND, OR and NOT."""

import fnmatch
import re
from collections.abc import Callable, Collection, Iterable

from lora_nb.dataset.captions import same_tag

Scope = Callable[[Collection[str]], bool]  # of the tags of a caption
TOKEN = re.compile(r'(?:^|(?<=[\s()]))(AND|OR|NOT)(?=[\s(]|$)|("[^"]*")')


def read_scope(text: str) -> Scope:
    """Whether a caption with these tags is meant by `text`, such as `cat AND (hat OR *glasses) AND NOT dog`.

    NOT binds closest, then AND, then OR; * stands for any letters; "..." keeps a tag together that looks otherwise.
    An empty text means every caption. Raises ValueError saying what is missing.
    """
    if not text.strip():
        return lambda tags: True
    words = _words(text)
    scope = _either(words, text)
    if words:
        raise _wrong(text, f'"{words[0]}" stands where AND or OR is needed')
    return scope


def _wrong(text: str, why: str) -> ValueError:
    return ValueError(f'where = "{text}" is not usable: {why}, as in: cat AND (hat OR scarf) AND NOT dog')


def _words(text: str) -> list[str]:
    """The text as (, ), AND, OR, NOT and tags; the brackets of `saber (fate)` belong to the tag."""
    found: list[str] = []
    at = 0
    for match in TOKEN.finditer(text):
        found += _operand(text[at : match.start()])
        found.append(match[1] or match[2])
        at = match.end()
    return found + _operand(text[at:])


def _operand(text: str) -> list[str]:
    text = text.strip()
    opened, closed = 0, 0
    while text.startswith("("):
        text, opened = text[1:].strip(), opened + 1
    while text.endswith(")") and text.count(")") > text.count("("):
        text, closed = text[:-1].strip(), closed + 1
    return ["("] * opened + [text] * bool(text) + [")"] * closed


def _either(words: list[str], text: str) -> Scope:
    return _joined(words, text, "OR", _both, any)


def _both(words: list[str], text: str) -> Scope:
    return _joined(words, text, "AND", _one, all)


def _joined(
    words: list[str],
    text: str,
    word: str,
    part: Callable[[list[str], str], Scope],
    join: Callable[[Iterable[bool]], bool],
) -> Scope:
    """The scopes that `word` stands between, read off the front of `words`."""
    scopes = [part(words, text)]
    while words and words[0] == word:
        words.pop(0)
        scopes.append(part(words, text))
    return lambda tags: join(scope(tags) for scope in scopes)


def _one(words: list[str], text: str) -> Scope:
    word = words.pop(0) if words else ""
    if word == "NOT":
        inner = _one(words, text)
        return lambda tags: not inner(tags)
    if word == "(":
        inner = _either(words, text)
        if not words or words.pop(0) != ")":
            raise _wrong(text, "a bracket is not closed")
        return inner
    if word in ("", ")", "AND", "OR"):
        raise _wrong(text, "a tag is missing")
    return _has(word.strip('"') if len(word) > 1 else word)


def _has(tag: str) -> Scope:
    wanted = same_tag(tag)
    if "*" in wanted:
        pattern = re.compile(fnmatch.translate(re.sub(r"([\[\]?])", r"[\1]", wanted)))
        return lambda tags: any(pattern.match(same_tag(each)) for each in tags)
    return lambda tags: any(same_tag(each) == wanted for each in tags)
