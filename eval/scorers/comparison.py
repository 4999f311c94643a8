"""Two runs on the same rows, and every two of several with a ranking."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from eval.estimates.clusters import Clusters, Estimate, as_json, rounded
from eval.estimates.paired import DRAWS, LEVEL, first_shares, holm, mcnemar, ranks
from eval.estimates.permutation import differences
from eval.estimates.seeds import differences_over_seeds, over_seeds
from eval.estimates.swaps import SEED, SWAPS
from eval.scorers.base import Metric, Scorer
from eval.scorers.remarks import INTERVALS
from eval.scorers.tables import with_comparability

COMPARISONS = (
    "this run minus the other on the same rows; interval by Student's t from the differences of what each cluster adds "
    "to both; p by a permutation test that exchanges the answers of both runs cluster by cluster, two-sided, of every "
    f"exchange where they differ in few clusters, else of {SWAPS:,} random ones (seed {SEED}), not adjusted for the "
    "number of tests"
)

PAIRS = (
    "the first run minus the second, paired row by row; interval by Student's t from the differences of what each "
    "cluster adds to both, within the scale; p by exchanges of whole clusters between the two, as in score.py; of "
    "accuracy McNemar's exact test, where rows share media the same by clusters; p_holm: p adjusted by Holm (1979) for "
    "all {} tests of this comparison; detectable: the least true difference that a test at 5 % finds in four of five "
    "samples like this, if the scale has one"
)
SEEDS = (
    "a run is the mean of trainings that differ in their seed alone; its interval, and that and the p of a difference "
    "in place of what pairs says, by Student's t from the variance that rows give, by clusters, plus that of seeds, "
    "with Satterthwaite's degrees of freedom: for other rows and other seeds; the k-th trainings of two runs are paired"
)
RANKING = (
    f"ranks: those that a run may have, at once for all runs at {100 * (1 - LEVEL):g} %, from the tests of every two "
    "of one metric adjusted by Holm (Mogstad et al. 2024); first: the share of "
    f"{DRAWS:,} draws in which it is the best, each of which weighs the clusters anew, alike for all runs (seed {SEED})"
)


def spans(scorer: Scorer[Any]) -> dict[str, float]:
    """The length of each metric's scale."""
    return {name: metric.span for name, metric in scorer.metrics.items()}


def compare(
    scorer: Scorer[Any],
    cases: Sequence[Any],
    others: Sequence[Any],
    this: Mapping[str, Estimate],
    other: Mapping[str, Estimate],
) -> dict[str, Any]:
    """The difference of each metric with its test, and for accuracy the rows that only one of both has right."""
    found: dict[str, Any] = {"metrics": differences(this, other, spans(scorer))}
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


def compare_runs(
    scorer: Scorer[Any], groups: Mapping[str, Sequence[list[Any]]], names: Collection[str]
) -> dict[str, Any]:
    """What compare.py reports by the metrics `names` of runs by title, each one training or as many, each of a seed.

    The cases of all are of the same rows in the same order.
    """
    first = next(iter(groups.values()))[0]
    clusters, every = Clusters([case.media_id for case in first]), np.arange(len(first))
    found: dict[str, Mapping[str, Estimate]] = {}
    for title, runs in groups.items():
        each = [_chosen(scorer.measure(cases, every, clusters), names) for cases in runs]
        found[title] = each[0] if len(each) == 1 else over_seeds(each, scorer.metrics)
    pairs = [
        {"this": this, "other": other}
        | compare_groups(scorer, groups[this], groups[other], found[this], found[other], clusters)
        for this, other in combinations(groups, 2)
    ]
    tests = adjust(metric for pair in pairs for metric in pair["metrics"].values())
    several = {"seeds": SEEDS} if len(next(iter(groups.values()))) > 1 else {"intervals": INTERVALS}
    return {
        "clusters": clusters.count,
        "metrics": {title: as_json(estimates) for title, estimates in found.items()},
        "pairs": pairs,
        "ranking": {
            name: ranked
            for name, metric in scorer.metrics.items()
            if (ranked := ranking(name, metric, found, pairs)) is not None
        },
        "published": with_comparability(scorer.published(first), len(first)),
        "policy": {**scorer.policy, **several, "pairs": PAIRS.format(tests), "ranking": RANKING},
    }


def _chosen(estimates: Mapping[str, Estimate], names: Collection[str]) -> dict[str, Estimate]:
    return {name: estimate for name, estimate in estimates.items() if name in names}


def compare_groups(
    scorer: Scorer[Any],
    runs: Sequence[list[Any]],
    others: Sequence[list[Any]],
    this: Mapping[str, Estimate],
    other: Mapping[str, Estimate],
    clusters: Clusters,
) -> dict[str, Any]:
    """`compare` of two runs, with the exact test of accuracy; of several seeds the differences alone."""
    if len(runs) > 1:
        return {"metrics": differences_over_seeds(this, other, spans(scorer))}
    found = compare(scorer, runs[0], others[0], this, other)
    if "accuracy" in found:
        exact = exact_p(runs[0], others[0], clusters)
        found["metrics"]["accuracy"] |= {"p_value": None if exact is None else significant(exact)}
    return found


def exact_p(cases: Sequence[Any], others: Sequence[Any], clusters: Clusters) -> float | None:
    """McNemar's test of the rows that only one of two runs has right, None where accuracy counts none."""
    if not any(case.in_accuracy for case in cases):
        return None
    gained = np.array([(a.right - b.right) * a.in_accuracy for a, b in zip(cases, others, strict=True)])
    return mcnemar(np.rint(np.bincount(clusters.index, weights=gained, minlength=clusters.count)))


def significant(p: float) -> float:
    """To four digits, however small."""
    return float(f"{p:.4g}")


def adjust(metrics: Iterable[dict[str, Any]]) -> int:
    """Give each difference its p_holm, None where it has no p; returns how many have one."""
    tested = [*metrics]
    known = [metric for metric in tested if metric["p_value"] is not None]
    for metric in tested:
        metric["p_holm"] = None
    for metric, p in zip(known, holm([metric["p_value"] for metric in known]), strict=True):
        metric["p_holm"] = significant(p)
    return len(known)


def ranking(
    name: str, metric: Metric, found: Mapping[str, Mapping[str, Estimate]], pairs: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]] | None:
    """The runs by one metric, the best first, each with its rank (equal ones share it), the `ranks` that it may have
    and the share of draws in which it is `first`; None where neither end is best, or a run has no value."""
    titles = [*found]
    estimates = [found[title].get(name, Estimate(None)) for title in titles]
    values = [metric.direction * estimate.value for estimate in estimates if estimate.value is not None]
    if metric.direction == 0 or len(values) < len(titles):
        return None
    apart = [pair["metrics"][name] for pair in pairs]
    tests = [1.0 if one["p_value"] is None else one["p_value"] for one in apart]  # what has no test is not told apart
    better = np.zeros((len(titles), len(titles)), bool)
    for pair, one, p in zip(pairs, apart, holm(tests), strict=True):
        sides = [titles.index(pair[side]) for side in ("this", "other")]
        better[tuple(sides if metric.direction * one["value"] > 0 else sides[::-1])] = p <= LEVEL
    shares: Sequence[float | None] = first_shares(estimates, metric.direction) or [None] * len(titles)
    rows = [
        {
            "run": title,
            **estimate.as_json(),
            "rank": 1 + sum(other > value for other in values),
            "ranks": list(bounds),
            "first": None if share is None else rounded(share),
        }
        for title, estimate, value, bounds, share in zip(titles, estimates, values, ranks(better), shares, strict=True)
    ]
    return sorted(rows, key=lambda row: row["rank"])
