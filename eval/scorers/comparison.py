"""Two runs on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.estimates.clusters import Estimate
from eval.estimates.permutation import SEED, SWAPS, differences

COMPARISONS = (
    "this run minus the other on the same rows; interval by Student's t from the differences of what each cluster adds "
    "to both; p by a permutation test that exchanges the answers of both runs cluster by cluster, two-sided, of every "
    f"exchange where they differ in few clusters, else of {SWAPS} random ones (seed {SEED}), not adjusted for the "
    "number of tests"
)


def compare(
    cases: Sequence[Any], others: Sequence[Any], this: Mapping[str, Estimate], other: Mapping[str, Estimate]
) -> dict[str, Any]:
    """The difference of each metric with its test, and for accuracy the rows that only one of both has right."""
    found: dict[str, Any] = {"metrics": differences(this, other)}
    if "accuracy" in this:
        pairs = [(a.right, b.right) for a, b in zip(cases, others, strict=True) if a.in_accuracy]
        only_this, only_other = pairs.count((True, False)), pairs.count((False, True))
        found["accuracy"] = {"n": len(pairs), "only_this": only_this, "only_other": only_other}
    return found


def accuracy_text(title: str, compared: Mapping[str, Any]) -> str:
    """The rows that only one of two runs has right, and the test of their accuracies."""
    rows, tested_on = compared["accuracy"], compared["metrics"]["accuracy"]
    apart = f"only this run right {rows['only_this']}, only {title} {rows['only_other']}"
    p_value, clusters = tested_on["p_value"], tested_on.get("clusters")
    tested = "" if p_value is None else f"; p = {p_value:.3g} (exchanges of the {clusters} clusters)"
    return f"accuracy, {rows['n']} rows: {apart}{tested}"
