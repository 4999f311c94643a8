"""What the scorers of DeepfakeJudge's four tasks share: the parts of a row, checked, and what a page shows of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from eval.estimates.agreement import agreement
from eval.estimates.clusters import Clusters
from eval.estimates.numbers import number
from eval.scorers.base import Case
from swift_plugins.core.tasks.verdicts import LABELS

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
    media = len(set(clusters.index[rows]))
    remark = f"two people on the same row ({len(pairs)} rows, {media} clusters): {', '.join(values)}"
    return {"human": {"n": len(pairs), **found}, "remarks": [remark]}


def reasoning(case: Case) -> str | None:
    """What a judge said before its decision, if anything; all that it said where there is no decision."""
    answer = case.parsed.answer
    return answer.reasoning if answer else case.row.get("response")


def all_of_people(cases: Sequence[Any]) -> bool:
    """Whether the rows are those that people rated (Meta-Human), for which the paper has tables of their own."""
    return all(case.row["meta"].get("split") == "human" for case in cases)
