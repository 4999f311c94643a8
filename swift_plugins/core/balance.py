"""Weights of verdicts that make each of them count the same in the loss, however often it is trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from swift_plugins.core.mixtures import sampled
from swift_plugins.core.records import read_rows
from swift_plugins.core.tasks import TASKS, Task, get_task
from swift_plugins.core.tasks.verdicts import LABELS

VERDICT_KINDS = ("verdict", "answer")  # the parts of an answer in which a verdict can stand


def verdict_in(piece: str, kind: str) -> str | None:
    """The verdict that a piece of an answer is, one of LABELS; None for any other piece."""
    word = piece.strip().lower()
    return word if kind in VERDICT_KINDS and word in LABELS else None


def verdict_of(task: Task, answer: str) -> str | None:
    """The verdict that an answer's text states; None where it states none, as a judge's."""
    return next(filter(None, (verdict_in(*piece) for piece in task.segments(answer))), None)


def count_verdicts(stated: Iterable[str]) -> Counter[str]:
    """How often each verdict is trained on; datasets as ms-swift takes them: `file`, or `file#n` for n of its rows."""
    found: Counter[str] = Counter()
    for file, drawn in map(sampled, stated):
        rows, verdicts = 0, Counter[str]()
        for _, row in read_rows(file):
            rows += 1
            if row.get("task") in TASKS and (said := verdict_of(get_task(row["task"]), row["messages"][-1]["content"])):
                verdicts[said] += 1
        for verdict, count in verdicts.items():
            found[verdict] += count if drawn is None else round(count * drawn / rows)
    return found


def balanced(counts: Mapping[str, int]) -> dict[str, float]:
    """verdict -> n / (number of verdicts · its count), with n all of them: the mean weight of a row stays 1.

    King and Zeng, Logistic Regression in Rare Events Data (2001), section 4, for equal shares. ValueError where there
    are fewer than two verdicts.
    """
    seen = {verdict: count for verdict, count in counts.items() if count}
    if len(seen) < 2:
        raise ValueError(f"the data state {', '.join(seen) or 'no verdict'}: there is nothing to balance")
    return {verdict: sum(seen.values()) / (len(seen) * count) for verdict, count in seen.items()}
