"""A report put together from a scorer's metrics: slices, baselines and comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from eval.estimates.clusters import Clusters, Estimate, as_json, distinct
from eval.scorers.base import Scorer
from eval.scorers.comparison import COMPARISONS, compare
from eval.scorers.remarks import DEFF, INTERVALS, remarks
from swift_plugins.core.tasks.verdicts import FOLD


class Scored(NamedTuple):
    """A scored file: the report, the cases of its metrics, all cases, and all those of other runs by title."""

    scorer: Scorer[Any]
    report: dict[str, Any]
    cases: Sequence[Any]
    every: Sequence[Any]
    named: Mapping[str, Sequence[Any]]


Measure = Callable[[Sequence[Any], np.ndarray, Clusters], dict[str, Estimate]]


def score(scorer: Scorer[Any], cases: list[Any], named: dict[str, list[Any]]) -> dict[str, Any]:
    """The report's metrics, slices, baselines and comparisons.

    `named` are the cases of other files with the same rows in the same order.
    """
    clusters, every = Clusters([case.media_id for case in cases]), np.arange(len(cases))
    found = scorer.measure(cases, every, clusters)
    others = {title: scorer.measure(other, every, clusters) for title, other in named.items()}
    simple = {title: scorer.measure(other, every, clusters) for title, other in scorer.simple_baselines(cases).items()}
    metrics = as_json(found)
    extras = scorer.extras(cases, clusters, metrics)
    policy, versions = extras.pop("policy", {}), {name: version(name) for name in scorer.libraries}
    unparsed = {title: sum(case.parsed.answer is None for case in other) for title, other in named.items()}
    return {
        "metrics": metrics,
        "slices": sliced(scorer, cases, clusters, metrics),
        "baselines": {title: as_json(other) for title, other in (others | simple).items()},
        "comparisons": {title: compare(scorer, cases, named[title], found, others[title]) for title in named},
        **counted(cases),
        "published": scorer.published(cases),
        "slice_metrics": scorer.slice_metrics,
        **extras,
        **({"versions": versions} if versions else {}),
        "remarks": [
            *remarks(metrics),
            *extras.get("remarks", []),
            *(f"{title}: {n} unparsed" for title, n in unparsed.items() if n),
        ],
        "policy": {**scorer.policy, **policy, "intervals": INTERVALS, "clusters": DEFF}
        | ({"comparisons": COMPARISONS} if named else {}),
    }


def sliced(scorer: Scorer[Any], cases: Sequence[Any], clusters: Clusters, whole: Mapping[str, Any]) -> dict[str, Any]:
    """dimension -> value -> its n, clusters and unparsed, and the metrics that have a meaning and a value there.

    `whole` are the metrics of all cases, and so those of a value that all have, as they often have one split.
    """
    every = list(range(len(cases)))
    unparsed = np.array([case.parsed.answer is None for case in cases])
    classes = np.unique([FOLD.get(case.label, case.label) for case in cases], return_inverse=True)[1]

    def slice_of(measure: Measure, rows: list[int]) -> dict[str, Any]:
        same = rows == every and measure == scorer.measure
        metrics = whole if same else as_json(measure([cases[i] for i in rows], np.array(rows), clusters))
        both = distinct(classes[rows]) > 1
        return {
            "n": len(rows),
            "clusters": distinct(clusters.index[rows]),
            "n_unparsed": int(unparsed[rows].sum()),
            "metrics": {
                name: metric
                for name, metric in metrics.items()
                if metric["value"] is not None and (both or not scorer.metrics[name].both_classes)
            },
        }

    places: dict[str, dict[str, list[int]]] = {}
    for i, case in enumerate(cases):
        for dimension, values in scorer.slices(case).items():
            for value in values:
                places.setdefault(dimension, {}).setdefault(value, []).append(i)
    return {
        dimension: {value: slice_of(measure, of_value[value]) for value in sorted(of_value)}
        for measure, dimensions in ((scorer.measure, places), (scorer.measure_together, scorer.together(cases)))
        for dimension, of_value in dimensions.items()
    }


def counted(cases: Sequence[Any]) -> dict[str, Any]:
    """How often what was answered: truth -> answer -> rows, why answers are unparsed or broken, the grammars."""
    confusion: dict[str, Counter[str]] = {}
    for case in cases:
        confusion.setdefault(case.truth, Counter())[case.answered or "unparsed"] += 1
    reasons = Counter(case.parsed.reason for case in cases if case.parsed.answer is None)
    fields = Counter(problem.split(":")[0] for case in cases for problem in case.parsed.problems)
    return {
        "confusion": {truth: dict(confusion[truth]) for truth in sorted(confusion)},
        "unparsed_reasons": dict(reasons.most_common(20)),
        "broken_fields": dict(fields.most_common()),
        "grammars": dict(Counter(case.parsed.grammar for case in cases if case.parsed.answer is not None)),
    }
