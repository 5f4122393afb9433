"""The report of a dataset as it is kept, from report/dataset.json to the screen in one shape."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from lora_nb import files
from lora_nb.overview.report_advice import Advice
from lora_nb.overview.report_points import KNOW, Mend, Point
from lora_nb.project import Folders

RECORD, PAGE = "dataset.json", "dataset.html"
Numbers = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Report:
    """What a look at the whole dataset says.

    `sizes` are of the pictures and `buckets` of the training, as (`512 x 512`, how many); `lengths` the tokens of each
    caption, in order; `tags` the most frequent ones with their counts.
    """

    project: str
    purpose: str
    points: tuple[Point, ...]
    pictures: int
    captioned: int
    sizes: Numbers
    buckets: Numbers
    lengths: tuple[int, ...]
    tags: Numbers
    kind: str
    steps_per_epoch: int
    steps: int
    advice: tuple[Advice, ...]

    @property
    def bad(self) -> int:
        """How many points are more than worth knowing."""
        return sum(point.harm > KNOW for point in self.points)


def write(folders: Folders, found: Report) -> None:
    """Keep a report, for `read`."""
    folders.report.mkdir(parents=True, exist_ok=True)
    files.write_text(folders.report / RECORD, json.dumps({"version": 1, **asdict(found)}, indent=1))


def read(folders: Folders) -> Report | None:
    """The last report; None when there is none, or it is damaged."""
    try:
        fields = files.from_json((folders.report / RECORD).read_bytes())
        known = {name: fields[name] for name in Report.__dataclass_fields__}
        known |= {name: tuple(map(tuple, known[name])) for name in ("sizes", "buckets", "tags")}
        known["points"] = tuple(map(_point, known["points"]))
        known["advice"] = tuple(Advice(**each) for each in known["advice"])
        return Report(**{**known, "lengths": tuple(known["lengths"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _point(fields: dict[str, Any]) -> Point:
    mend = Mend(**fields["mend"]) if fields.get("mend") else None
    return Point(**{**fields, "names": tuple(fields["names"]), "mend": mend})
