"""A temperature of P(fake) that is fitted on validation rows and applied to those that are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eval.estimates.calibration import fit_temperature, tempered
from eval.estimates.clusters import Clusters, as_json, rounded
from eval.estimates.numbers import number
from eval.scorers.runs import Run
from eval.scorers.verdicts import Verdict, VerdictScorer, probability_metrics
from swift_plugins.core.names import few

NAMES = ("ece", "brier")  # what a temperature changes; the order, and with it the AUC, stays


def known(case: Verdict) -> bool:
    """Whether a case has a P(fake) of the model's own: that of an unparsed answer is what it counts as."""
    return case.parsed.answer is not None and case.p_fake is not None


def calibrated(scorer: Any, val: Run, cases: Sequence[Any]) -> dict[str, Any]:
    """The report's `temperature`: its value, the rows that it is fitted on, and NAMES before and after it.

    ValueError for a task without P(fake), and where validation rows are scored, too: they would flatter.
    """
    if not isinstance(scorer, VerdictScorer):
        raise ValueError("--val fits a temperature of P(fake), of which these rows tell nothing")
    if shared := {case.media_id for case in cases} & {case.media_id for case in val.cases}:
        raise ValueError(f"--val {val.path}: {len(shared)} of its media are scored, too ({few(sorted(shared), 2)})")
    fitted = [case for case in val.cases if known(case)]
    if len({case.fake for case in fitted}) < 2 or any(case.p_fake is None for case in cases):
        raise ValueError(f"--val {val.path}: takes P(fake) (p_fake) in the rows of both files, and both classes there")
    truth = np.array([case.fake for case in fitted])
    value = fit_temperature(np.array([case.p_fake for case in fitted], float), truth)
    p = tempered(np.array([case.p_fake for case in cases], float), value)
    after = [replace(case, p_fake=float(x)) if known(case) else case for case, x in zip(cases, p, strict=True)]
    clusters, fake = Clusters([case.media_id for case in cases]), np.array([case.fake for case in cases])
    sides = [as_json(probability_metrics(some, fake, np.arange(len(cases)), clusters)) for some in (cases, after)]
    return {
        "value": rounded(value),
        "file": str(val.path),
        "n": len(fitted),
        **{when: {name: side[name] for name in NAMES} for when, side in zip(("before", "after"), sides, strict=True)},
    }


def told(found: dict[str, Any]) -> str:
    """The report's remark on it."""
    changes = [f"{name} {number(found['before'][name], 3)} becomes {number(found['after'][name], 3)}" for name in NAMES]
    return (
        f"temperature {found['value']:.3f} of P(fake), fitted on {found['n']} rows of {found['file']}: {changes[0]}, "
        f"{changes[1]}; no other value here has it"
    )
