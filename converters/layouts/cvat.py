"""CVAT's export "CVAT for video 1.1": one XML file a task or job, its tracks with a box for each frame.

Frames are the video's own, from 0, whatever the task's frame filter; from `outside` on a track is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from converters.conversion.sources import Sourced, unusable
from converters.layouts.consensus import Label, Marked, Trace
from swift_plugins.core.label_maps import meaning
from swift_plugins.core.markup import Begun, Element, read_xml
from swift_plugins.core.tables import worded

_SIDES = ("xtl", "ytl", "xbr", "ybr")
_TASK = ("task", "job")


def read_export(path: Path, labels: Mapping[str, str]) -> list[Sourced[Marked]]:
    """The one video of a file, or why it has no usable form."""
    task = _Task(labels)
    try:
        with open(path, "rb") as file:
            for part in read_xml(file, path.name):
                task.begin(part) if isinstance(part, Begun) else task.end(part)
        if not task.names:
            raise ValueError("it names no source of one task")
    except ValueError as error:
        what = "" if task.names else "no export of CVAT for video 1.1: "
        return [unusable(path.name, None, "", f"{what}{error}")]
    if len(task.verdicts) > 1:
        return [unusable(path.name, task.names[0], "", "contradiction: its tags say both real and fake")]
    label = Label(next(iter(task.verdicts), ""), task.traces)
    marked = Marked(task.names[::-1], [label], task.size.get("width"), task.size.get("height"))
    return [Sourced(path.name, task.names[-1], "", marked)]


class _Task:
    """What the parts of a file tell; ValueError for what is not read. `names` are the task's and its video's."""

    def __init__(self, labels: Mapping[str, str]):
        self.labels = labels
        self.names: list[str] = []
        self.size: dict[str, int] = {}
        self.traces: list[Trace] = []
        self.verdicts: set[str] = set()
        self.free: set[str] = set()  # attributes that are free text
        self.attribute = ""  # that is described
        self.boxes: list[tuple[int, bool, list[str]]] = []  # of the track: frame, whether it is outside, its sides
        self.texts: dict[str, str] = {}  # of the track by attribute, the first that is given

    def begin(self, part: Begun) -> None:
        if part.name == "image":
            raise ValueError("it is one for images; export the task as CVAT for video 1.1")
        if part.name == "track":
            self.boxes, self.texts = [], {}

    def end(self, part: Element) -> None:
        above = part.above[-1] if part.above else ""
        if part.name in ("source", "name") and above in _TASK and part.text.strip():
            self.names.append(part.text.strip())
        elif part.name in ("width", "height") and above == "original_size":
            self.size[part.name] = int(_number(part.name, part.text))
        elif part.name == "name" and above == "attribute":
            self.attribute = part.text
        elif part.name == "input_type" and part.text == "text":
            self.free.add(self.attribute)
        elif part.name == "attribute" and "track" in part.above and worded(part.text):
            self.texts.setdefault(part.attributes.get("name", ""), worded(part.text))
        elif part.name == "box" and above == "track":
            self._box(part.attributes)
        elif part.name == "track":
            self._track(part.attributes)
        elif part.name == "tag" and (key := meaning(part.attributes.get("label", ""), self.labels)):
            self.verdicts.add(self.labels[key])

    def _box(self, stated: Mapping[str, str]) -> None:
        if _number("rotation", stated.get("rotation", "0")):
            raise ValueError("box: it is turned, which is not read")
        frame = int(_number("frame", stated.get("frame", "")))
        self.boxes.append((frame, stated.get("outside") == "1", [stated.get(side, "") for side in _SIDES]))

    def _track(self, stated: Mapping[str, str]) -> None:
        """Add a track's trace; none for one of other shapes, or that is outside throughout."""
        seen = sorted((frame, sides) for frame, outside, sides in self.boxes if not outside)
        if not seen:
            return
        x0, y0, x1, y1 = (_number("box", side) for side in seen[0][1])
        if not (x0 < x1 and y0 < y1):
            raise ValueError(f"box: {seen[0][1]!r:.80} is none")
        gone = [frame for frame, outside, _ in self.boxes if outside and frame > seen[-1][0]]
        reason = " ".join(text for name, text in self.texts.items() if name in self.free)
        kinds = [worded(stated.get("label")), *(text for name, text in self.texts.items() if name not in self.free)]
        end = float(min(gone) - 1) if gone else None
        tags = tuple(tag for tag in dict.fromkeys(kinds) if tag)
        self.traces.append(Trace((x0, y0, x1, y1), float(seen[0][0]), end, reason, tags))


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < 1e9:
        raise ValueError(f"{name}: {text[:40]!r} is no number")
    return number
