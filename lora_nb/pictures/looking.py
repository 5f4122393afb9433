"""One look at each picture of a dataset: what tells copies from others, and good ones from bad."""

from pathlib import Path

import numpy as np
from imagededup.methods import AHash, DHash, PHash, WHash

from lora_nb.config.pictures import CurateConfig
from lora_nb.dataset import images
from lora_nb.dataset.images import Broken
from lora_nb.events import Tell
from lora_nb.pictures.merits import Looked, measure_sharpness

METHODS = {"phash": PHash, "dhash": DHash, "ahash": AHash, "whash": WHash}


def look_at_all(config: CurateConfig, tell: Tell) -> tuple[list[Looked], list[Broken]]:
    """The pictures that can be read, as seen, and those that cannot."""
    found = images.scan(Path(config.train_data_dir).absolute(), verify=False, tell=tell)
    hasher = METHODS[config.method](verbose=False)
    paths = sorted([*(item.path for item in found.items), *(broken.path for broken in found.broken)])
    captioned = {item.path for item in found.items if item.caption} | set(found.unsure)

    def look(path: Path) -> Looked | Broken:
        try:
            picture = images.open_upright(path)
        except ValueError as error:
            return Broken(path, str(error).removeprefix(f"{path}: "))
        code = int(hasher.encode_image(image_array=np.asarray(picture)), 16)
        size = path.stat().st_size
        return Looked(path, code, *picture.size, measure_sharpness(picture), size, path in captioned)

    looked = [one for _, one in images.each(look, paths, "Looking at pictures", tell)]
    return [one for one in looked if isinstance(one, Looked)], [
        one for one in looked if isinstance(one, Broken)
    ]
