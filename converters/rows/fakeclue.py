"""Training rows of FakeClue, whose questions and answers are kept to the letter."""

from __future__ import annotations

from collections.abc import Mapping

from converters.conversion.media import image_size
from converters.conversion.sources import Row, Sourced
from converters.layouts.fakeclue import LABELS, Raw, origin_of
from converters.rows.fakevlm import fakevlm_row
from swift_plugins.core.media import Media


def make_row(item: Sourced[Raw], media: Mapping[str, Media | str]) -> Row:
    """One training row; ValueError says why a raw row cannot become one. `media` is what the files' check found."""
    raw = item.row
    if (label := LABELS.get(raw.label)) is None:
        raise ValueError(f"label: must be 0 (fake) or 1 (real), got {raw.label}")
    image_size(media.get(item.path), raw.image)  # refuses what is no image
    question, answer = raw.conversations
    if (question.sender, answer.sender) != ("human", "gpt"):
        raise ValueError(f"conversations: must be human, then gpt, got {question.sender!r:.40}, {answer.sender!r:.40}")
    origin = origin_of(raw.image.rpartition("/")[0], label)
    tag = "" if "<image>" in question.value else "<image>"
    return fakevlm_row(
        item.id or "",
        tag + question.value,
        answer.value,
        item.path,
        {
            "media_id": origin.video or raw.image.removeprefix("./"),
            "image": raw.image,
            "split": item.split,
            "source": origin.source,
            "label": label,
            "dataset": "fakeclue",
            "category": raw.cate,
            "manipulation": origin.manipulation,
            "video": origin.video,
            "width": raw.width,
            "height": raw.height,
        },
    )
