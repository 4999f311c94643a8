"""Score verdicts on the images of DeepfakeJudge: real or fake, and how well P(fake) is calibrated.

An edited image, and an answer that says "edited", count as fake (the task's FOLD). An unparsed answer counts as the
opposite of the truth. So every error lowers both F1s, accuracy is the mediant of real_f1 and fake_f1,
2 (TP + TN) / (2 TP + E + 2 TN + E) with E errors, and lies between them: where it does not, a report is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.estimates.draws import Draws
from eval.scorers import judges
from eval.scorers.base import grammar_of, libraries, parse
from eval.scorers.tables import published_rows
from eval.scorers.verdicts import (
    ANSWERS,
    BASELINES,
    METRICS,
    POLICY,
    SLICE_METRICS,
    UNPARSED,
    Verdict,
    describe,
    figures,
    majority,
    measure,
    p_fake_of,
)
from swift_plugins.core.tasks.dfj_detect import GRAMMARS

__all__ = ["ANSWERS", "METRICS", "POLICY", "SLICE_METRICS", "UNPARSED", "describe", "figures", "grammar_of", "measure"]


def read_case(row: dict[str, Any], grammar: str) -> Verdict:
    judges.check_label(row["meta"])
    parsed = parse(GRAMMARS, row, grammar)
    return Verdict(row, parsed, p_fake_of(row, parsed))


def slices(case: Verdict) -> dict[str, Sequence[str]]:
    return judges.slices(case.row["meta"])


def simple_baselines(cases: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    constant = majority(cases)
    return {BASELINES[0]: [replace(case, parsed=constant, p_fake=None) for case in cases]}


def between(values: Mapping[str, float | None], rounding: float = 0.0) -> bool | None:
    """Whether accuracy lies between real_f1 and fake_f1, as it must; None where one of them has no value."""
    accuracy, *scores = (values.get(name) for name in ("accuracy", "real_f1", "fake_f1"))
    if accuracy is None or None in scores:
        return None
    low, high = sorted(score for score in scores if score is not None)
    return low - rounding <= accuracy <= high + rounding


def published(cases: Sequence[Verdict]) -> dict[str, Any]:
    """The paper's table. A row whose accuracy is not between its F1s (each printed to 0.1) gets a note."""
    rows = published_rows("deepfakejudge_detect.csv")
    for row in rows:
        if not between({name: float(row[name]) for name in ("accuracy", "real_f1", "fake_f1")}, rounding=0.1):
            row["note"] = (
                f"accuracy {row['accuracy']} is not between real_f1 {row['real_f1']} and fake_f1 "
                f"{row['fake_f1']}: no two-class verdicts give these three"
            )
    return {"file": "deepfakejudge_detect.csv", "title": "DeepfakeJudge-Detect, all 2,000 images", "rows": rows}


def extras(cases: Sequence[Verdict], draws: Draws, metrics: dict[str, Any]) -> dict[str, Any]:
    """The check that accuracy lies between the two F1s."""
    holds = between({name: metrics[name]["value"] for name in ("accuracy", "real_f1", "fake_f1")}, rounding=1e-3)
    said = {True: "holds", False: "DOES NOT HOLD: do not trust this report", None: "cannot be checked without both F1s"}
    return {
        "invariant": {"text": "accuracy lies between real_f1 and fake_f1", "holds": holds},
        "remarks": [f"check that accuracy lies between real_f1 and fake_f1: {said[holds]}"],
        "versions": libraries("scikit-learn"),
    }


# -------------------------------------------------------------------------------------------------------- for the page
