"""Training rows of folders of images, whose answers are the project's own."""

from __future__ import annotations

from collections.abc import Mapping

from converters.conversion.media import image_size
from converters.conversion.sources import Row, Sourced, said
from converters.layouts.folders import Item
from converters.rows.fakevlm import fakevlm_row
from swift_plugins.core.media import Media
from swift_plugins.core.tasks import fakevlm
from swift_plugins.core.tasks.verdicts import OPPOSITE, stated_verdicts


def answer_of(item: Item) -> fakevlm.Answer:
    """The answer that an image's label and explanation make; ValueError where the explanation is one to the contrary.

    It may be a whole answer, as FakeClue has them, whose verdict is not said twice.
    """
    answer = fakevlm.parse_trained(item.explanation).answer
    whole = answer is not None and answer.form not in fakevlm.PARTS
    if answer.verdict != item.label if whole else stated_verdicts(item.explanation).contradicts(item.label):
        raise ValueError(f"contradiction: the explanation says {OPPOSITE[item.label]}, the label is {item.label}")
    return fakevlm.Answer(item.label, said(answer.explanation if whole else item.explanation) or None)


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
