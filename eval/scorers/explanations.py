"""Explanations as a judge has scored them against written ones: what eval/judge_explanations.py leaves in the rows.

A score is 0, 0.5 or 1 (DeepTraceReward, section 3.1 and appendix D). An explanation that was not given has 0, which
needs no judge. One to which the judge gave no score is unscored: it is left out and counted, and beside the value
stands a strict one, in which it has 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eval.estimates.agreement import krippendorff
from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.numbers import number
from eval.estimates.shares import Column, share
from eval.scorers.base import Case, Metric
from swift_plugins.core.measures.fields import explanation_scores

METRIC = Metric(note="a judge's 0, 0.5 or 1, in percent")
POLICY = (
    "mean explanation_score (0, 0.5 or 1) of a judge, on rows with a written explanation; 0 for an answer without one; "
    "what the judge gave no score to is left out and counted, and is 0 in the strict value beside it"
)


def has_pair(case: Case) -> bool:
    """Whether there are two explanations to hold against each other."""
    return bool(case.written and case.explanation)


def _unscored(case: Case) -> bool:
    return "explanation_unscored" in case.row and case.row.get("explanation_score") is None and has_pair(case)


def facts(case: Case) -> list[str]:
    """What a page says of a case: its explanation's score, or why the judge gave it none."""
    if has_pair(case) and (score := case.row.get("explanation_score")) is not None:
        return [f"explanation {score:g}"]
    return [f"explanation unscored: {str(case.row.get('explanation_unscored'))[:120]}"] if _unscored(case) else []


def column(cases: Sequence[Case], strict: bool = False) -> Column:
    """Scores 0..1 and flags, one a row, of the rows with a written explanation; an unscored one only where strict."""
    scores = [float(case.row.get("explanation_score") or 0.0) if case.explanation else 0.0 for case in cases]
    counted = [bool(case.written) and (strict or not _unscored(case)) for case in cases]
    return np.array(scores), np.array(counted, float)


def lacking(cases: Sequence[Case], judging: str) -> str | None:
    """Why there is no value: no judge was asked, which the command `judging` does, or it gave no score at all."""
    asked = [case for case in cases if has_pair(case)]
    unscored = sum(map(_unscored, asked))
    unjudged = sum(case.row.get("explanation_score") is None for case in asked) - unscored
    if unjudged:
        return f"{unjudged} explanations have no judge's score (explanation_score); this gives them one: {judging}"
    if asked and unscored == len(asked):
        return f"the judge gave a score to none of {unscored} explanations"
    return None


def with_strict(found: Estimate, strict: Estimate, cases: Sequence[Case]) -> Estimate:
    """The estimate, beside which stands what it is where an unscored explanation counts as 0."""
    unscored = sum(map(_unscored, cases))
    if not unscored:
        return found
    entry = strict.as_json()
    return replace(
        found, more={**found.more, "unscored": unscored, "strict": {key: entry[key] for key in ("value", "ci95")}}
    )


def metric(cases: Sequence[Case], rows: np.ndarray, clusters: Clusters, judging: str) -> dict[str, Estimate]:
    """The entry `explanation` of rows that were given to a judge; nothing for those that were not."""
    if not any("explanation_score" in case.row for case in cases):
        return {}
    if why := lacking(cases, judging):
        return {"explanation": Estimate(None, 0, why)}
    found, strict = (
        share((100 * up * down, down), clusters, rows) for up, down in (column(cases), column(cases, strict=True))
    )
    return {"explanation": with_strict(found, strict, cases)}


def extras(cases: Sequence[Case], clusters: Clusters, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The report's entries on the judge: what it gave no score to, and how far its repeated judgements agree."""
    remarks, found = [], {}
    strict = {name: entry["strict"] for name, entry in metrics.items() if "strict" in entry}
    if strict:
        counted = ", ".join(f"{name} {number(entry)}" for name, entry in strict.items())
        asked = sum(map(has_pair, cases))
        remarks.append(
            f"explanation: unscored, as the judge gave them no score, are {metrics['explanation']['unscored']} of "
            f"{asked} explanations; they are left out, and strictly, as 0, they make: {counted}"
        )
    ratings = [explanation_scores(case.row) for case in cases]
    if (most := max(map(len, ratings), default=0)) > 1:
        alpha = found["explanation_alpha"] = krippendorff(ratings, np.arange(len(cases)), clusters).as_json()
        said = number(alpha, 3) if alpha["value"] is not None else alpha["reason"]
        remarks.append(f"explanation: up to {most} judgements of each ({alpha['n']} rows), Krippendorff's alpha {said}")
    return {**found, "remarks": remarks}
