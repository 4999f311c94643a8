"""A training row about a video or a frame of FaceForensics++."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converters.conversion.sources import Row, Sourced
from converters.layouts.ffpp import Medium, Video
from converters.rows.fakevlm import fakevlm_row
from swift_plugins.core.media import Media
from swift_plugins.core.tasks.fakevlm import Answer


def make_row(
    item: Sourced[Any],
    video: Video,
    medium: Medium,
    media: Mapping[str, Media | str],
    question: str,
    said: Answer | str,
    **own: Any,
) -> Row:
    """One training row about a frame or a video; ValueError says why there is none. `own` are further meta keys.

    `media` is what the files' check found, empty without one.
    """
    found = media.get(medium.path)
    if isinstance(found, str):
        raise ValueError(f"media: {found}: {medium.image!r}")
    size = {"width": found.width, "height": found.height} if found else {}
    return fakevlm_row(
        item.id or "",
        question,
        said,
        medium.path,
        {
            "media_id": video.name,
            "image": medium.image,
            "split": item.split,
            "source": f"FF++ {video.manipulation}",
            "label": video.label,
            "category": "deepfake",
            "manipulation": video.manipulation,
            "video": video.name,
            "frame": medium.number,
            **size,
            **own,
        },
        "video" if medium.number is None else "image",
    )
