"""A training row of the task fakevlm, as all converters of real and fake images write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converters.conversion.sources import Row, checked_row
from swift_plugins.core.tables import worded
from swift_plugins.core.tasks import fakevlm
from swift_plugins.core.tasks.fakevlm import Answer
from swift_plugins.core.tasks.verdicts import VERDICTS

OPENINGS = {(form, verdict): text.format(verdict) for form, text in fakevlm.FORMS.items() for verdict in VERDICTS}
# What a row tells where its dataset does not: every row of every dataset has the same keys.
UNKNOWN = {"category": "", "manipulation": "", "video": "", "part": "", "width": None, "height": None}


def read_answer(text: str, label: str) -> Answer:
    """What a dataset's own text says; ValueError unless its verdict is the label and it can be written again."""
    parsed = fakevlm.parse_trained(text)
    answer: Answer = parsed.answer
    if answer is None:
        raise ValueError(f"answer: {parsed.reason}: {text[:60]!r}")
    if answer.verdict != label:
        raise ValueError(f"contradiction: the answer says {answer.verdict}, the label is {label}")
    if answer.explanation and not worded(answer.explanation):
        raise ValueError(f"answer: nothing explains it: {text[-60:]!r}")
    if text != f"{OPENINGS[answer.form, label]} {answer.explanation}":  # else it was read back already
        try:
            fakevlm.render(answer)  # reads back what it wrote
        except ValueError as error:
            raise ValueError(f"answer: {error}") from None
    return answer


def write_answer(answer: Answer, fault: str) -> str:
    """The text of an answer; ValueError, which begins with `fault`, for one that would not read back."""
    try:
        return fakevlm.render(answer)
    except ValueError as error:
        raise ValueError(f"{fault}{error}") from None


def fakevlm_row(
    row_id: str,
    question: str,
    said: Answer | str,
    path: str,
    meta: Mapping[str, Any],
    medium: str = "image",
    fault: str = "",
) -> Row:
    """The row; `said` is an answer or a dataset's own text, which is kept to the letter.

    `meta` holds media_id, image, split, source, label, dataset and what else is known. ValueError, which begins with
    the class of the fault, says why there is none: with `fault` where it is that an answer would not read back.
    """
    if isinstance(said, str):
        text, answer = said, read_answer(said, meta["label"])
    else:
        text, answer = write_answer(said, fault), said
    return checked_row(
        {
            "id": row_id,
            "task": fakevlm.NAME,
            "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": text}],
            f"{medium}s": [path],
            "meta": {**UNKNOWN, **meta, "explanation": answer.explanation or "", "task_version": fakevlm.VERSION},
        }
    )
