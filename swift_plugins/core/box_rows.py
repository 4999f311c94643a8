"""Rows whose answers have boxes, stated in the space that a training wants: that of its base, or the paper's.

A converter states boxes in pixels of the source and keeps the exact ones in `meta`. A recipe's BOX_SPACE says in what
training and prediction state them; it travels with the checkpoint, and a predicted row says in what its answer is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from swift_plugins.core import boxes
from swift_plugins.core.records import Row
from swift_plugins.core.settings import BOX_SPACE
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.vision import Vision


def space_of(row: Mapping[str, Any]) -> str | None:
    """The space of a row's boxes; None for a row of another task, or of another form."""
    meta = row.get("meta")
    if row.get("task") != deeptrace.NAME or not isinstance(meta, Mapping):
        return None
    return meta.get("box_space") or boxes.PIXEL


def restated(row: Row, settings: Mapping[str, Any]) -> Row:
    """The row with its answer and its meta in the space of the settings, as a converter would write them.

    Rows in pixels of the source can be stated in any. ValueError for one in another space, which was made for another
    base, or whose meta does not tell where its box lies.
    """
    space, stated = settings.get(BOX_SPACE), space_of(row)
    if not space or stated in (space, None):
        return row
    if stated != boxes.PIXEL:
        raise ValueError(
            f"its boxes are stated in {stated}, for another base; here they are to be in {space} ({BOX_SPACE}): "
            "convert without --box-space"
        )
    meta = row["meta"]
    try:
        width, height = meta["width"], meta["height"]
        seen = None
        if space == "resized":
            seen = Vision(settings).frame(width, height, meta["duration"], meta["fps"])
        return _stated(row, space, boxes.span(space, width, height, seen))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"its box cannot be stated in {space}: its meta lacks what that takes: {error!r:.80}"
        ) from None


def moved(row: Row, box: boxes.Box | None, width: int, height: int) -> Row:
    """The row of a copy of its video, of width x height px, in which its box, in px, lies elsewhere; the space stays.

    ValueError for a row whose space spans the frame that one base sees, which this frame's size alone does not tell.
    """
    space = space_of(row)
    assert space is not None
    meta = row["meta"] | {"bbox": list(box or ()), "width": width, "height": height}
    return _stated(row | {"meta": meta}, space, boxes.span(space, width, height))


def _stated(row: Row, space: str, span: tuple[int, int]) -> Row:
    """The row with the box of its meta stated in this space, in its answer too."""
    meta = row["meta"]
    box = meta.get("bbox") and boxes.from_pixels(meta["bbox"], meta["width"], meta["height"], *span)
    return row | {
        "messages": [_answered(message, box) for message in row.get("messages") or ()],
        "meta": meta | {"box_space": space, "box_width": span[0], "box_height": span[1]},
    }


def _answered(message: Mapping[str, Any], box: boxes.Box | None) -> Mapping[str, Any]:
    """A message with this box in the place of its answer's, where it is an answer with one."""
    answer = deeptrace.parse_trained(message["content"]).answer if message["role"] == "assistant" else None
    if answer is None or answer.bbox is None or not box:
        return message
    return {**message, "content": deeptrace.render(dataclasses.replace(answer, bbox=box))}
