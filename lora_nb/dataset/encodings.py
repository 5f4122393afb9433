"""Text of unknown encoding: read where it is sure what it says, else left alone.

A short text is valid in many encodings, and a detector's first guess is often wrong. So a guess counts only where
it gives words that people write (one script a word, common characters) and no other reading does so as well.
"""

import codecs
import re
import unicodedata
from dataclasses import dataclass

UTF8, AUTO = "utf-8", "auto"
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does, so it comes first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WITHOUT_BOM = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# Where the characters of everyday texts stand in the East Asian encodings (lead bytes): signs and kana, then the
# common half of the ideographs or syllables. The rest are rare ones, which a wrong reading is full of.
COMMON = {
    "cp932": (range(0x81, 0x84), range(0x88, 0x99)),
    "euc_jp": (range(0xA1, 0xA6), range(0xB0, 0xD0)),
    "gb18030": (range(0xA1, 0xA4), range(0xB0, 0xD8)),
    "big5": (range(0xA1, 0xA4), range(0xA4, 0xC7)),
    "cp949": (range(0xA1, 0xA4), range(0xB0, 0xC9)),
}
# The letters that make up more than half of any longer text in a script.
FREQUENT = {"CYRILLIC": "оеаинтсрвлі", "GREEK": "αοιετσνηυρά"}
CODE_PAGES = {
    "cp1251": "CYRILLIC", "koi8-r": "CYRILLIC", "mac-cyrillic": "CYRILLIC", "cp866": "CYRILLIC",
    "iso8859-5": "CYRILLIC", "cp1253": "GREEK", "iso8859-7": "GREEK",
}  # fmt: skip
WESTERN = ("cp1252", "cp1250", "cp1254", "cp1257", "iso8859-2", "iso8859-15")
SUPERSETS = {"shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949", "cp950": "big5"}
FEWEST, MANY = 6, 10  # different letters for a detector's word to count: alone, and against another reading
LEAST, MARGIN = 0.4, 0.2  # share of frequent letters, and by how much it is to exceed that of another reading
EAST = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "IDEOGRAPHIC"}
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffd]")
RARE = re.compile(r"[\u0180-\u02ff]")
SIGN_IN_WORD = re.compile(r"(?<=\w)(?!\u2019(?:s|t|d|m|re|ve|ll)\b)[^\w\s\x00-\x7f](?=\w)")
STRANGE_SIGN = re.compile(
    r"[^\w\n\r\t\x20-\x7e\u2013\u2014\u2018\u2019\u201c\u201d\u2026]"  # beyond the dashes and quotes of text editors
    r"|(?<![\w.,!?])[\u2019\u201d\u2026]|(?<=\w)[\u2018\u201c]|[\u2018\u201c](?!\w)|[\u2013\u2014](?![\s\d])"
)
FOREIGN_IN_EAST = re.compile(r"[a-z][^\x00-\x7f]|[^\W\d_\x00-\x7f][A-Za-z]|[A-Z]{4,}[^\x00-\x7f]")


@dataclass(frozen=True)
class Text:
    """What some bytes say, and the encoding they were read in; "utf-8" for plain ones."""

    text: str
    encoding: str


def read(content: bytes, encoding: str = AUTO) -> Text | None:
    """The text, or None when it is not sure what it says.

    `encoding` is the codec a person named for what is not Unicode; "auto" recognises it.
    """
    marked = next((name for bom, name in BOMS if content.startswith(bom)), "")
    if marked:
        return _strictly(content, marked)
    return _unicode(content) or (_recognised(content) if encoding == AUTO else _strictly(content, encoding))


def check(name: str) -> str:
    """`name`, if it is "auto" or the name of a text encoding. Raises ValueError."""
    try:
        known = name == AUTO or "".encode(name) == "".encode(name)
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ValueError(
            f'caption_encoding = "{name}" is not an encoding: write auto, or its name (cp1252, shift_jis, gb18030, ...)'
        )
    return name


def _strictly(content: bytes, encoding: str) -> Text | None:
    try:
        text = content.decode(encoding)
    except (UnicodeError, LookupError):
        return None
    return None if _is_unwritten(text) else Text(text.removeprefix("\ufeff"), encoding.removesuffix("-sig"))


def _is_unwritten(text: str) -> bool:
    """Whether the text holds control characters or code points that stand for nothing."""
    return bool(CONTROL.search(text)) or (
        not text.isascii() and any(unicodedata.category(c) in ("Cn", "Co", "Cs") for c in text)
    )


def _unicode(content: bytes) -> Text | None:
    plain = _strictly(content, UTF8)
    if plain and b"\x1b" not in content and _is_one_script(plain.text) and not RARE.search(plain.text):
        return plain
    if b"\0" in content:
        return next((text for name in WITHOUT_BOM if (text := _unmarked(content, name))), None)
    return None


def _unmarked(content: bytes, encoding: str) -> Text | None:
    """Wide text without a mark: its spaces, commas and line ends tell the order of its bytes."""
    found = _strictly(content, encoding)
    told = found and re.search(r"[\w\s,.]", found.text, re.ASCII)
    return found if told and _is_one_script(found.text) else None


def _is_one_script(text: str) -> bool:
    """Whether each word of the text is written in one script; those of East Asia stand together."""
    return text.isascii() or all(len(_scripts(word)) <= 1 for word in _words(text))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def _scripts(word: str) -> set[str]:
    names = {unicodedata.name(letter, "?").split()[0] for letter in word}
    east = names & EAST and names <= EAST | {"LATIN", "FULLWIDTH", "BOPOMOFO"}
    return {"EAST"} if east else names - {"MODIFIER"}


def _recognised(content: bytes) -> Text | None:
    if _is_damaged_utf8(content) or b"\0" in content:
        return None
    western = _western(content)
    guess = "" if western else _guess(content)
    if guess in COMMON:
        return _east_asian(content, guess)
    return _code_page(content, guess) if guess in CODE_PAGES else western


def _is_damaged_utf8(content: bytes) -> bool:
    """Whether most of what is not ASCII is UTF-8: one bad byte does not make it another encoding."""
    whole = content.decode(UTF8, errors="ignore")
    high = sum(byte > 127 for byte in content)
    return sum(len(letter.encode()) for letter in whole if letter > "\x7f") > 0.6 * high


def _guess(content: bytes) -> str:
    import chardet  # takes a fifth of a second, and most captions are in UTF-8

    try:
        name = codecs.lookup(chardet.detect(content)["encoding"] or "").name
    except LookupError:
        return ""
    return SUPERSETS.get(name, name)


def _western(content: bytes) -> Text | None:
    """Latin letters with accents, where every code page of Europe says the same."""
    found = {
        name: text.text for name in WESTERN if (text := _strictly(content, name)) and _is_western(text.text)
    }
    alone = len(set(found.values())) == 1 and not any(_east_text(content, name) for name in COMMON)
    return Text(found[WESTERN[0]], WESTERN[0]) if alone and WESTERN[0] in found else None


def _is_western(text: str) -> bool:
    """Whether accents stand within words of Latin letters, and signs where people put them."""
    accented = [word for word in _words(text) if not word.isascii()]
    whole = all(2 * sum(c > "\x7f" for c in word) <= len(word) and _is_cased(word) for word in accented)
    latin = all(_scripts(word) == {"LATIN"} for word in accented)
    # The accents of 0x80-0x9f stand elsewhere in each family of code pages.
    late = any(letter in "ŠšŽžŒœŸƒˆ" for letter in text)
    return whole and latin and not late and not SIGN_IN_WORD.search(text) and not STRANGE_SIGN.search(text)


def _is_cased(word: str) -> bool:
    return word.islower() or word.istitle() or word.isupper()


def _east_asian(content: bytes, encoding: str) -> Text | None:
    """A text of East Asia: Korean before Chinese, since each syllable is an ideograph elsewhere and not the reverse."""
    text = _east_text(content, encoding)
    if not text or (encoding in ("cp932", "euc_jp") and not re.search("[\u3041-\u30fa]", text)):
        return None
    rivals = [name for name in COMMON if name != encoding and _east_text(content, name)]
    if (encoding != "cp949" and "cp949" in rivals) or any(_paged(content, name) for name in CODE_PAGES):
        return None
    letters = {letter for letter in text if letter > "\x7f"}
    return Text(text, encoding) if len(letters) >= (MANY if rivals else 2) else None


def _east_text(content: bytes, encoding: str) -> str:
    """The text if all of it is in the common part of an East Asian encoding, else ""."""
    try:
        text = content.decode(encoding)
        pairs = [letter.encode(encoding) for letter in text if letter > "\x7f"]
    except UnicodeError:
        return ""
    common = all(len(pair) == 2 and any(pair[0] in part for part in COMMON[encoding]) for pair in pairs)
    east = all(_scripts(word) == {"EAST"} for word in _words(text) if not word.isascii())
    wide = any(unicodedata.name(letter, "").startswith(("FULLWIDTH LATIN", "BOPOMOFO")) for letter in text)
    return text if common and east and not wide and not FOREIGN_IN_EAST.search(text) else ""


def _code_page(content: bytes, encoding: str) -> Text | None:
    """Cyrillic or Greek in a code page of its own: the reading whose letters are the frequent ones by far."""
    share, found = _paged(content, encoding), _strictly(content, encoding)
    others = [_paged(content, name) for name in CODE_PAGES if _differs(content, name, encoding)]
    if not found or share < max(LEAST, MARGIN + max(others)):
        return None
    rivals = any(_east_text(content, name) for name in COMMON)
    letters = {letter for letter in found.text if letter > "\x7f"}
    return found if len(letters) >= (MANY if rivals else FEWEST) else None


def _differs(content: bytes, name: str, other: str) -> bool:
    return content.decode(name, errors="replace") != content.decode(other, errors="replace")


def _paged(content: bytes, encoding: str) -> float:
    """The share of frequent letters among those of the code page's script; 0 for what is no text of it."""
    found, script = _strictly(content, encoding), CODE_PAGES[encoding]
    words = [word for word in _words(found.text) if not word.isascii()] if found else []
    if not words or STRANGE_SIGN.search(found.text) or SIGN_IN_WORD.search(found.text):
        return 0
    letters = "".join(words).lower()
    fits = all(_scripts(word) == {script} and _is_cased(word) for word in words)
    return sum(letter in FREQUENT[script] for letter in letters) / len(letters) if fits else 0
