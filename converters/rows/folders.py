"""Training rows of folders of images, whose answers are the project's own."""

from __future__ import annotations

from collections.abc import Mapping

from converters.conversion.media import image_size
from converters.conversion.sources import Row, Sourced
from converters.layouts.folders import Item
from converters.rows.explanations import agreeing
from converters.rows.fakevlm import fakevlm_row
from swift_plugins.core.media import Media
from swift_plugins.core.tables import worded
from swift_plugins.core.tasks import fakevlm


def answer_of(item: Item) -> fakevlm.Answer:
    """The answer that an image's label and explanation make; ValueError where the explanation is one to the contrary.

    It may be a whole answer, as FakeClue has them, whose verdict is not said twice.
    """
    answer = fakevlm.parse_trained(item.explanation).answer
    if answer is None or answer.form in fakevlm.PARTS:
        return fakevlm.Answer(item.label, agreeing(item.explanation, item.label) or None)
    if answer.verdict != item.label:
        raise ValueError(f"contradiction: the explanation says {answer.verdict}, the label is {item.label}")
    return fakevlm.Answer(item.label, worded(answer.explanation) or None)


def make_row(item: Sourced[Item], media: Mapping[str, Media | str], dataset: str) -> Row:
    """One training row; ValueError says why an image cannot become one. `media` is what the files' check found."""
    of = item.row
    size = image_size(media.get(item.path), of.image)
    return fakevlm_row(
        of.image,
        fakevlm.QUESTION,
        answer_of(of),
        item.path,
        {
            "media_id": of.video or of.image,
            "image": of.image,
            "split": item.split,
            "source": of.source,
            "label": of.label,
            "dataset": dataset,
            "category": of.category,
            "manipulation": of.manipulation,
            "video": of.video,
            **size,
        },
        fault="explanation: ",
    )
