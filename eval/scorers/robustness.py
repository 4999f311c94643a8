"""How scores hold on perturbed images and videos: the rows of eval/perturb.py beside the same on untouched ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from eval.estimates.clusters import Clusters, Estimate, as_json, distinct
from eval.scorers.assemble import score
from eval.scorers.base import Scorer
from eval.scorers.comparison import COMPARISONS, compare
from swift_plugins.core.records import Row

POLICY = (
    "headline, slices, baselines and confusion are of the clean rows alone; per kind and strength the metrics on "
    "its rows, and their difference to the clean rows of the same media, with the interval and the test of the "
    "comparisons, p not adjusted for the number of tests; box, onset and explanation are of the traces that a copy "
    "still shows (see n); files named by --baseline have the same beside it and are compared with this run on the "
    "clean rows"
)


@dataclass
class Point:
    """The rows of one kind and strength, and the clean row of each, by their places in the file."""

    parameter: str
    rows: list[int] = field(default_factory=list)
    clean: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """The places of a file's clean rows, and its points by (kind, strength)."""

    clean: list[int]
    points: dict[tuple[str, int], Point]


def plan_of(rows: Sequence[tuple[str, Row]]) -> Plan | None:
    """Sort the rows, each with its "file:line", by what was done to their media; None where nothing was.

    ValueError if only some rows say it, or if a clean row is missing.
    """
    if not any("perturbation" in row["meta"] for _, row in rows):
        return None
    told = [read_meta(where, row["meta"]) for where, row in rows]
    clean = {row["id"]: i for i, (_, row) in enumerate(rows) if told[i][0] == "none"}
    if not clean:
        raise ValueError(
            f"{rows[0][0]}: every row is of a perturbed medium: there is no clean row to compare with, "
            "predict on the whole test.jsonl of eval/perturb.py"
        )
    points: dict[tuple[str, int], Point] = {}
    for i, ((where, row), (kind, strength, parameter)) in enumerate(zip(rows, told, strict=True)):
        if kind == "none":
            continue
        before, _, after = row["id"].rpartition(f"/{kind}/{strength}")  # behind it may stand predict.py's "/swapped"
        if before + after not in clean:
            raise ValueError(f"{where}: the clean row of {row['id']!r}, {before + after!r}, is missing")
        point = points.setdefault((kind, strength), Point(parameter))
        if point.parameter != parameter:
            raise ValueError(
                f"{where}: strength {strength} of {kind} is {parameter!r} here, {point.parameter!r} before"
            )
        point.rows.append(i)
        point.clean.append(clean[before + after])
    return Plan(list(clean.values()), points) if points else None


def read_meta(where: str, meta: Row) -> tuple[str, int, str]:
    """(kind, strength, parameter), checked."""
    kind, strength, parameter = (meta.get(key) for key in ("perturbation", "strength", "parameter"))
    if not isinstance(kind, str) or type(strength) is not int or not isinstance(parameter, str):
        raise ValueError(
            f"{where}: meta.perturbation and parameter must be texts, meta.strength a whole number, "
            f"got {kind!r:.40}, {strength!r:.40} and {parameter!r:.40}"
        )
    if strength < 0 or (kind == "none") != (strength == 0):
        raise ValueError(
            f"{where}: meta.strength is 0 for perturbation 'none', else 1 or more, got {kind!r:.40} and {strength}"
        )
    return kind, strength, parameter


def followed(scorer: Scorer[Any], clean: Mapping[str, Any]) -> list[str]:
    """accuracy and the metrics of the slices, as far as the clean rows have them; else the task's first metric."""
    names = dict.fromkeys(("accuracy", *scorer.slice_metrics))
    return [name for name in names if name in clean and clean[name]["value"] is not None] or list(scorer.metrics)[:1]


def curves(
    scorer: Scorer[Any], cases: Sequence[Any], plan: Plan, clusters: Clusters, names: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """kind -> its points with the metrics of these names, the clean rows first, then by strength."""

    @cache  # most points have all the clean rows
    def estimates(places: tuple[int, ...]) -> dict[str, Estimate]:
        return scorer.measure([cases[i] for i in places], np.array(places), clusters)

    def facts(places: tuple[int, ...]) -> dict[str, Any]:
        unparsed = sum(cases[i].parsed.answer is None for i in places)
        metrics = as_json({name: estimates(places)[name] for name in names})
        count = distinct(clusters.index[list(places)])
        return {"n": len(places), "clusters": count, "n_unparsed": unparsed, "metrics": metrics}

    start = {"strength": 0, "parameter": "", **facts(tuple(plan.clean))}
    kinds: dict[str, list[dict[str, Any]]] = {kind: [start] for kind, _ in plan.points}
    for (kind, strength), point in sorted(plan.points.items(), key=lambda item: item[0][1]):
        here, clean = tuple(point.rows), tuple(point.clean)
        these, those = ([cases[i] for i in places] for places in (here, clean))
        this, other = ({name: estimates(places)[name] for name in names} for places in (here, clean))
        apart = compare(scorer, these, those, this, other)
        kinds[kind].append({"strength": strength, "parameter": point.parameter, **facts(here), "minus_clean": apart})
    return kinds


def measure(
    scorer: Scorer[Any], cases: Sequence[Any], plan: Plan, named: Mapping[str, list[Any]], names: Sequence[str]
) -> dict[str, Any]:
    """The report's `robustness`: the metrics that are followed, and by kind the points of this run and of the others.

    Clean and perturbed rows share their media, which are the clusters.
    """
    clusters = Clusters([case.media_id for case in cases])
    kinds, *others = (curves(scorer, some, plan, clusters, names) for some in (cases, *named.values()))
    points = [point for some in kinds.values() for point in some[1:]]
    n_perturbed, n_unparsed = (sum(point[key] for point in points) for key in ("n", "n_unparsed"))
    return {
        "n_clean": len(plan.clean),
        "n_perturbed": n_perturbed,
        "n_unparsed": n_unparsed,
        "followed": names,
        "kinds": kinds,
        "baselines": dict(zip(named, others, strict=True)),
    }


def score_rows(
    scorer: Scorer[Any], rows: Sequence[tuple[str, Row]], cases: list[Any], named: dict[str, list[Any]]
) -> tuple[dict[str, Any], list[Any]]:
    """(the report of assemble.score, the cases that it is of): all, or the clean ones with `robustness` beside."""
    if (plan := plan_of(rows)) is None:
        return score(scorer, cases, named), cases
    clean, *others = [[some[i] for i in plan.clean] for some in (cases, *named.values())]
    report = score(scorer, clean, dict(zip(named, others, strict=True)))
    found = measure(scorer, cases, plan, named, followed(scorer, report["metrics"]))
    report["remarks"] = [
        f"all but the robustness is of the {found['n_clean']} clean rows alone; {found['n_perturbed']} more, of which "
        f"{found['n_unparsed']} unparsed, are of perturbed media",
        *report["remarks"],
    ]
    report["policy"] |= {"robustness": POLICY, "comparisons": COMPARISONS}
    return report | {"robustness": found}, clean
