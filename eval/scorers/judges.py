"""What the scorers of DeepfakeJudge's four tasks share: the parts of a row, checked, and what a page shows of them; and
the scores that its pointwise judge gives to the explanations of any image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from eval.estimates.agreement import agreement
from eval.estimates.clusters import Clusters, Estimate, distinct
from eval.estimates.numbers import number
from eval.estimates.shares import mean
from eval.scorers.base import Case, Metric
from swift_plugins.core.measures.fields import number_within
from swift_plugins.core.measures.scores import HIGHEST, LOWEST
from swift_plugins.core.tasks.verdicts import LABELS

SCORE = Metric(LOWEST, HIGHEST, 2, f"{LOWEST} to {HIGHEST}")
SCORE_POLICY = (
    "mean score 1..5 of a pointwise judge (judge_score of the rows); 1 without an explanation, and where the judge has "
    "no answer"
)
DATASET, PAPER = "deepfakejudge", "The DeepfakeJudge paper"


def check_label(meta: Mapping[str, Any]) -> None:
    if meta.get("label") not in LABELS:
        raise ValueError(f"meta.label must be one of {', '.join(LABELS)}, got {meta.get('label')!r:.40}")


def ratings(meta: Mapping[str, Any], allowed: Collection[Any]) -> tuple[Any, ...]:
    """The single ratings of people; empty where only one judgement is known."""
    stated = meta.get("ratings") or []
    if not isinstance(stated, list) or not all(type(x) in (int, str) and x in allowed for x in stated):
        raise ValueError(f"meta.ratings must be a list of {', '.join(map(str, allowed))}, got {stated!r:.80}")
    return tuple(stated)


def slices(meta: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    return {key: (str(meta.get(key)),) for key in ("label", "source", "split")}


def human(
    pairs: Sequence[tuple[int, int]], levels: int, names: Sequence[str], rows: np.ndarray, clusters: Clusters
) -> dict[str, Any]:
    """The report's entries on how two people rate the same row, if there are rows that two have rated."""
    if not pairs:
        return {}
    first, second = zip(*pairs, strict=True)
    estimates = agreement(first, second, levels, rows, clusters)
    found = {name: estimates[name].as_json() for name in names}
    values = [f"{name} {number(found[name], 1 if name == 'raw_agreement' else 3)}" for name in names]
    media = distinct(clusters.index[rows])
    remark = f"two people on the same row ({len(pairs)} rows, {media} clusters): {', '.join(values)}"
    return {"human": {"n": len(pairs), **found}, "remarks": [remark]}


def reasoning(case: Case) -> str | None:
    """What a judge said before its decision, if anything; all that it said where there is no decision."""
    answer = case.parsed.answer
    return answer.reasoning if answer else case.row.get("response")


def all_of_people(cases: Sequence[Any]) -> bool:
    """Whether the rows are those that people rated (Meta-Human), for which the paper has tables of their own."""
    return all(case.row["meta"].get("split") == "human" for case in cases)


def score_of(row: Mapping[str, Any]) -> float | None:
    """The pointwise judge's score of a row's explanation, None where it was not asked or has no answer."""
    return number_within(row, "judge_score", LOWEST, HIGHEST)


def score_metric(cases: Sequence[Any], rows: np.ndarray, clusters: Clusters) -> Estimate:
    """The mean judge_score, in which an answer without an explanation, or an answer of the judge, has the lowest."""
    if all(case.judge_score is None for case in cases if case.explanation) and any(case.explanation for case in cases):
        return Estimate(None, 0, "no judge's scores: run eval/judge.py --data on this file")
    scores = [case.judge_score if case.explanation and case.judge_score else LOWEST for case in cases]
    return mean(np.array(scores, float), clusters, rows, LOWEST, HIGHEST)


def failed_judgements(cases: Sequence[Any], metrics: Mapping[str, Any]) -> list[str]:
    """The remark on the rows that the judge has no answer to, if it was asked and there are any."""
    failed = sum(bool(case.explanation) and case.judge_score is None for case in cases)
    if not failed or metrics.get("judge_score", {"value": None})["value"] is None:
        return []
    return [f"judge_score: the judge has no answer to {failed} of {len(cases)} rows, which count as {LOWEST}"]
