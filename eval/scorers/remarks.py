"""What must be said beside metrics, so that their intervals are not taken for more than they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.estimates.clusters import FEW

INTERVALS = (
    "95 %, with the rows of one media_id as one cluster. Shares (accuracy, recalls, F1) and means on a scale with ends "
    "(IoU, distances, ROUGE-L, Brier, a judge's scores): Gaffke 2005, which is Clopper and Pearson's where rows are "
    "independent and right or wrong; a run that is no better on any row never has a better bound. AUC: variance of "
    "DeLong et al. 1988 and Obuchowski 1997, on the logit scale; where all rows are in order the exact bound for so "
    "many clusters, and no run has a better one. Correlations and kappas on the scale of Fisher's z, errors (RMSE, "
    "MSE, MAE) on that of the logarithm, bias and BLEU on their own, by the jackknife over clusters. ECE: of the "
    "debiased value (Kumar et al. 2019). All but Gaffke's with Student's t, and none of those where nothing varies; "
    "none at all where one cluster alone was measured"
)
DEFF = "clusters: media that a metric was measured on; deff: its variance over that of as many independent rows"


def remarks(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Few clusters, means near an end of their scale, and what a calibrated model's ECE would be."""
    known = {name: metric["clusters"] for name, metric in metrics.items() if "clusters" in metric}
    few = {name: clusters for name, clusters in known.items() if clusters < FEW}
    found = []
    if few:
        names = "all metrics" if len(few) == len(known) else ", ".join(few)
        found.append(
            f"fewer than about {FEW} clusters (media): the intervals and tests of {names} are rough "
            f"({' to '.join(str(n) for n in sorted({min(few.values()), max(few.values())}))} clusters)"
        )
    if noted := {name: metric["note"] for name, metric in metrics.items() if "note" in metric}:
        found.append(f"{', '.join(noted)}: {next(iter(noted.values()))}")
    found += [
        f"{name} {metric['value']:.3f}: a calibrated model with these P(fake) would show {metric['calibrated']:.3f} on "
        f"average; without that bias it is {metric['debiased']:.3f}, which the interval is of"
        for name, metric in metrics.items()
        if "calibrated" in metric
    ]
    return found
