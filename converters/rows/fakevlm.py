"""A training row of the task fakevlm, as all converters of real and fake images write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converters.conversion.sources import checked_row
from swift_plugins.core.tasks import fakevlm

# What a row tells where its dataset does not: every row of every dataset has the same keys.
UNKNOWN = {"category": "", "manipulation": "", "video": "", "part": "", "width": None, "height": None}


def read_answer(text: str, label: str) -> str:
    """The explanation in an answer's text; ValueError unless its verdict is the label and it can be written again."""
    parsed = fakevlm.parse_trained(text)
    if parsed.answer is None:
        raise ValueError(f"answer: {parsed.reason}: {text[:60]!r}")
    if parsed.answer.verdict != label:
        raise ValueError(f"contradiction: the answer says {parsed.answer.verdict}, the label is {label}")
    explanation = parsed.answer.explanation or ""
    if text != f"This is a {label} image. {explanation}":  # else it was read back already
        try:
            fakevlm.render(parsed.answer)  # reads back what it wrote
        except ValueError as error:
            raise ValueError(f"answer: {error}") from None
    return explanation


def fakevlm_row(
    row_id: str, question: str, answer: str, path: str, meta: Mapping[str, Any], medium: str = "image"
) -> dict[str, Any]:
    """The row; `meta` holds media_id, image, split, source, label, dataset and what else is known.

    ValueError, which begins with the class of the fault, says why there is none.
    """
    return checked_row(
        {
            "id": row_id,
            "task": fakevlm.NAME,
            "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
            f"{medium}s": [path],
            "meta": {
                **UNKNOWN,
                **meta,
                "explanation": read_answer(answer, meta["label"]),
                "task_version": fakevlm.VERSION,
            },
        }
    )
