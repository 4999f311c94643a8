"""Two runs on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.estimates.draws import Estimate, as_json, difference
from eval.scorers.base import Scorer

COMPARISONS = (
    "this run minus the other on the same rows; interval of the paired clustered bootstrap; exact McNemar "
    "test on the rows that only one of both has right, two-sided, taking rows as independent"
)


def compare(
    scorer: Scorer[Any],
    cases: Sequence[Any],
    others: Sequence[Any],
    this: dict[str, Estimate],
    other: dict[str, Estimate],
) -> dict[str, Any]:
    """The difference of each metric, and for tasks with an accuracy the exact McNemar test (McNemar 1947)."""
    found: dict[str, Any] = {"metrics": as_json({name: difference(this[name], other[name]) for name in this})}
    if "accuracy" not in scorer.metrics:
        return found
    from scipy.stats import binomtest

    pairs = [(a.right, b.right) for a, b in zip(cases, others, strict=True) if a.in_accuracy]
    gained, lost = pairs.count((True, False)), pairs.count((False, True))
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return found | {"mcnemar": {"n": len(pairs), "only_this": gained, "only_other": lost, "p_value": p_value}}


def mcnemar_text(title: str, compared: dict[str, Any]) -> str:
    test = compared["mcnemar"]
    p_value = f"{test['p_value']:.3g}"
    return (
        f"accuracy, {test['n']} rows: only this run right {test['only_this']}, only {title} {test['only_other']}; "
        f"exact McNemar p = {p_value}"
    )
