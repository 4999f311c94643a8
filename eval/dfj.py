"""What the scorers of DeepfakeJudge's four tasks share: the parts of a row, checked, and what a page shows of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from eval.agreement import agreement
from eval.candidates import text_at
from eval.metrics import Draws, Estimate, number
from eval.scorer import Case
from swift_plugins.tasks.candidates import LABELS

__all__ = ["text_at"]


def grammar_of(rows: Iterable[dict[str, Any]]) -> str:
    """The grammar in which the rows were asked to answer."""
    return "trained"


def check_label(meta: Mapping[str, Any]) -> None:
    if meta.get("label") not in LABELS:
        raise ValueError(f"meta.label must be one of {', '.join(LABELS)}, got {meta.get('label')!r:.40}")


def number_within(row: Mapping[str, Any], key: str, low: float, high: float) -> float | None:
    """row[key], a number of low..high, or None where there is none."""
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{key} must be a number of {low:g}..{high:g}, got {value!r:.40}")
    return float(value)


def choice_probs(row: Mapping[str, Any], choices: Sequence[str]) -> dict[str, float] | None:
    """The probabilities of the choices, made to add up to 1, or None where the back end gave none."""
    stated = row.get("choice_probs")
    if stated is None:
        return None
    if not isinstance(stated, dict) or stated.keys() != set(choices):
        raise ValueError(f"choice_probs must name {', '.join(choices)}, got {stated!r:.80}")
    try:
        found = {choice: number_within(stated, choice, 0, 1) for choice in choices}
        total = math.fsum(value for value in found.values() if value is not None)
        if None in found.values() or total == 0:
            raise ValueError("they must be numbers that are not all 0")
    except ValueError as error:
        raise ValueError(f"choice_probs: {error}") from None
    return {choice: (value or 0.0) / total for choice, value in found.items()}


def ratings(meta: Mapping[str, Any], allowed: Collection[Any]) -> tuple[Any, ...]:
    """The single ratings of people; empty where only one judgement is known."""
    stated = meta.get("ratings") or []
    if not isinstance(stated, list) or not all(type(x) in (int, str) and x in allowed for x in stated):
        raise ValueError(f"meta.ratings must be a list of {', '.join(map(str, allowed))}, got {stated!r:.80}")
    return tuple(stated)


def slices(meta: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    return {key: (str(meta.get(key)),) for key in ("label", "source", "split")}


def missing(names: Iterable[str], n: int, reason: str) -> dict[str, Estimate]:
    return {name: Estimate(None, n, None, reason) for name in names}


def human(
    pairs: Sequence[tuple[int, int]], levels: int, names: Sequence[str], rows: np.ndarray, draws: Draws
) -> dict[str, Any]:
    """The report's entries on how two people rate the same row, if there are rows that two have rated."""
    if not pairs:
        return {}
    first, second = zip(*pairs, strict=True)
    estimates = agreement(first, second, levels, rows, draws)
    found = {name: estimates[name].as_json() for name in names}
    values = [f"{name} {number(found[name], 1 if name == 'raw_agreement' else 3)}" for name in names]
    remark = f"two people on the same row ({len(pairs)} rows): {', '.join(values)}"
    return {"human": {"n": len(pairs), **found}, "remarks": [remark]}


def reasoning(case: Case) -> str | None:
    """What a judge said before its decision, if anything; all that it said where there is no decision."""
    answer = case.parsed.answer
    return answer.reasoning if answer else case.row.get("response")


def all_of_people(cases: Sequence[Any]) -> bool:
    """Whether the rows are those that people rated (Meta-Human), for which the paper has tables of their own."""
    return all(case.row["meta"].get("split") == "human" for case in cases)
