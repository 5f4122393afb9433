"""Base models by name: where they lie and of which family they are. Reads no weights, imports no torch."""

from contextlib import suppress
from pathlib import Path

from lora_nb import hub
from lora_nb.bases import base_file, catalogue, web_base
from lora_nb.bases.families import FAMILIES, USUAL, Family
from lora_nb.bases.file_kind import OtherKind
from lora_nb.bases.folder import HUB_ID
from lora_nb.bases.stable_files import DEMO, place_of


def located(name: str) -> str:
    """What a base's name stands for: of one in the catalogue its source, of a web address the file it came as.

    Any other name stands for itself, and so does an address that was not downloaded yet.
    """
    source = catalogue.source_of(name)
    found = web_base.find(source) if web_base.knows(source) else None
    return str(found) if found else source


def resolve_base(name: str) -> Path | str:
    """The folder or file called `name`, or the Hugging Face id or web address it is.

    Raises ValueError for anything else.
    """
    name = located(name)
    path = place_of(name)
    if web_base.knows(name):
        return name
    if name and path.exists():
        return family_of(name).check(path)
    if HUB_ID.fullmatch(name) and path.suffix not in base_file.SUFFIXES:
        return name
    raise ValueError(
        f'base model "{name}" was not found: give a Hugging Face id (owner/name), a diffusers folder, '
        f'a .safetensors or .ckpt file or its web address, a name that `bases` lists, or "{DEMO}"'
    )


def family_of(name: str) -> Family:
    """The family that knows the base called `name`; the usual one where none does, to say what is wrong with it.

    Of a base on the Hub it is known once its index has been fetched (`check_base`, `find_family`),
    of one at a web address once that was downloaded.
    """
    entry, name = catalogue.find(name), located(name)
    path, usual = place_of(name), FAMILIES.get(entry.family if entry else USUAL, FAMILIES[USUAL])
    if web_base.knows(name):
        return usual
    if not path.exists() and HUB_ID.fullmatch(name):
        folder = hub.cached_folder(name, FAMILIES[USUAL].layout)
        return _family_of_download(folder, name) if folder else usual
    families = FAMILIES.values() if path.exists() else ()
    known = next((family for family in families if family.knows(path)), None)
    return known or next((family for family in families if family.likely(path)), FAMILIES[USUAL])


def find_family(name: str, seconds: float = hub.SECONDS_TO_ANSWER) -> Family:
    """As `family_of`; of a base on the Hub, what tells its family is fetched first. Raises ValueError."""
    found = resolve_base(name)
    if isinstance(found, Path) or web_base.knows(found):
        return family_of(name)
    return family_of_download(hub.find_base(found, FAMILIES[USUAL].layout, seconds), found)


def _family_of_download(folder: Path, name: str) -> Family:
    with suppress(ValueError):
        return family_of_download(folder, name)
    return FAMILIES[USUAL]


def family_of_download(folder: Path, name: str) -> Family:
    """The family of what was asked of a repository called `name`. Raises ValueError when none knows it."""
    for family in FAMILIES.values():
        with suppress(OtherKind):
            family.check_download(folder, name)
            return family
    raise ValueError(f"{name} is of no family that can be trained")


def check_base(name: str, seconds: float = 5.0) -> None:
    """Raises ValueError, in one sentence, when the base `name` is not there to be loaded or is of another family.

    Headers and configurations are read, no weights. Hugging Face has `seconds` to answer; else its cache is asked.
    """
    found, family = resolve_base(name), find_family(name, seconds)
    if isinstance(found, str) and web_base.knows(found):
        web_base.check(found, seconds)
    elif isinstance(found, str):
        hub.find_base(found, family.layout, seconds)
    elif found.is_dir():
        family.check_weights(found)


def public_name(name: str) -> str:
    """What to call a base before others: a Hugging Face id as it is, of a path or an address the last part."""
    name = located(name)
    path = Path(name.partition("?")[0] if web_base.knows(name) else name).expanduser()
    is_id = HUB_ID.fullmatch(name) and path.suffix not in base_file.SUFFIXES and not path.exists()
    return name if is_id else path.name
