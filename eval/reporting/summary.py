"""A scored run in one sentence, for who reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.estimates.numbers import number
from eval.scorers.base import Scorer


def sentence(report: Mapping[str, Any], scorer: Scorer[Any]) -> str:
    """The first metric that has a value, how sure it is, and whether a constant answer does as well."""
    metrics = report["metrics"]
    name = next((name for name in metrics if metrics[name]["value"] is not None), None)
    if name is None:
        return "No metric has a value; why is said below the table."
    metric, decimals = metrics[name], scorer.metrics[name].decimals
    rows = f"{metric['n']} rows" + (f" of {metric['clusters']} media" if "clusters" in metric else "")
    said = f"{name} is {number(metric, decimals, interval=False)} on {rows}"
    if metric["ci95"]:
        low, high = (f"{end:.{decimals}f}" for end in metric["ci95"])
        said += f", and on other media of the same kind it would lie between {low} and {high} (95 % interval)"
    return f"{said}{beside_constants(report, scorer, name)}."


def beside_constants(report: Mapping[str, Any], scorer: Scorer[Any], name: str) -> str:
    """How the metric stands to the best answer that is the same for every row, if there is one."""
    known = {
        title: found[name]["value"]
        for title, found in report["baselines"].items()
        if title in scorer.baselines and found[name]["value"] is not None
    }
    if not known:
        return ""
    sign = -1 if "lower is better" in scorer.metrics[name].note else 1
    title = max(known, key=lambda title: sign * known[title])
    ends = report["metrics"][name]["ci95"] or [report["metrics"][name]["value"]] * 2
    ahead = [sign * (end - known[title]) for end in ends]
    how = "better than" if min(ahead) > 0 else "worse than" if max(ahead) < 0 else "not clearly different from"
    return f": {how} one answer for all rows ({title}, {known[title]:.{scorer.metrics[name].decimals}f})"
