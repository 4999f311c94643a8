"""What a task's scorer provides, in `Scorer` below, and how a report is put together from it.

Slices, baselines and comparisons are the scorer's own `measure` on other rows or other answers: a metric that it knows
stands in all of them.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from eval.metrics import REPLICATES, SEED, Draws, Estimate, difference
from swift_plugins.tasks import Parsed

PUBLISHED = Path(__file__).resolve().parent / "published"  # the papers' tables
BOOTSTRAP = {"replicates": REPLICATES, "seed": SEED, "clusters": "media_id",
             "interval": "percentile, 95 %; where all agree on 0 or 100 the exact binomial bound for as many clusters, "
             "none where nothing varies"}  # fmt: skip
COMPARISONS = ("this run minus the other on the same rows; interval of the paired clustered bootstrap; exact McNemar "
               "test on the rows that only one of both has right, two-sided, taking rows as independent")  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """How a metric is shown: the ends of its scale, its decimals, and what to know of it ("lower is better")."""

    low: float = 0
    high: float = 100
    decimals: int = 1
    note: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A scored row. A scorer's own case adds the truth and what was measured, and overrides what is not so for it."""

    row: dict[str, Any]
    parsed: Parsed

    @property
    def media_id(self) -> str:
        return str(self.row["meta"].get("media_id") or self.row["id"])

    @property
    def label(self) -> str:
        """What the medium is: real, fake or edited."""
        return self.row["meta"]["label"]

    @property
    def truth(self) -> str:
        """The line of the confusion table: the right answer, and in brackets what else tells rows apart."""
        return self.label

    @property
    def answered(self) -> str | None:
        """The column of the confusion table, one of the scorer's ANSWERS; None if unparsed."""
        raise NotImplementedError

    @property
    def right(self) -> bool:
        raise NotImplementedError

    @property
    def in_accuracy(self) -> bool:
        """Whether the metric `accuracy` counts the row."""
        return True

    @property
    def quality(self) -> float:
        """0..1, to rank cases by; 1 is perfect."""
        raise NotImplementedError


@dataclass(frozen=True)
class Figure:
    """A scatter of points (x, y, radius in px, title), with both axes from 0 to 1 and ticks at (place, text)."""

    title: str
    x: str
    y: str
    points: Sequence[tuple[float, float, float, str]]
    ticks: Sequence[tuple[float, str]] = ((0, "0"), (0.5, "0.5"), (1, "1"))


class Scorer(Protocol):
    """The module of a task's scorer. `cases` are always those of one file, in the order of its rows."""

    METRICS: Mapping[str, Metric]  # in the order of the table
    SLICE_METRICS: Sequence[str]  # the columns of the slices' tables
    ANSWERS: Sequence[str]  # the columns of the confusion table, before "unparsed"
    BASELINES: Sequence[str]  # the titles of simple_baselines
    UNPARSED: str  # what an unparsed answer counts as
    POLICY: Mapping[str, Any]

    def grammar_of(self, rows: Iterable[dict[str, Any]]) -> str:
        """The grammar in which the rows were asked to answer."""

    def read_case(self, row: dict[str, Any], grammar: str) -> Any:
        """Check, parse and measure one row; ValueError says what is wrong with it."""

    def measure(self, cases: Sequence[Any], rows: np.ndarray, draws: Draws) -> dict[str, Estimate]:
        """Every metric on some cases, or the reason why it has no value; `rows` are their places in the file."""

    def slices(self, case: Any) -> dict[str, Sequence[str]]:
        """dimension -> its values that the case belongs to."""

    def simple_baselines(self, cases: Sequence[Any]) -> dict[str, list[Any]]:
        """title -> the cases as a constant answer would have them."""

    def published(self, cases: Sequence[Any]) -> dict[str, Any]:
        """The paper's table that these rows compare with: title, rows, and a note on a row where one is due."""

    def extras(self, cases: Sequence[Any], draws: Draws, metrics: dict[str, Any]) -> dict[str, Any]:
        """More entries of the report; `remarks` are lines that stand below the metrics, `versions` and `policy` add."""

    def describe(self, case: Any, cases: Sequence[Any]) -> dict[str, Any]:
        """What the page shows of a case: `verdict` (truth and answer), `facts`, and `texts` as (title, text).

        Where there are any also `boxes` as (kind, x, y, width, height) in percent, the `second` of a video to look at,
        and `right`, if that is about more than this one row, or None where an answer is neither right nor wrong.
        """

    def figures(self, cases: Sequence[Any]) -> list[Figure]: ...


def parse(grammars: Mapping[str, Callable[[str], Parsed]], row: dict[str, Any], grammar: str) -> Parsed:
    """The row's answer; a row with an error or without a response is unparsed."""
    response = row.get("response")
    if response is not None:
        return grammars[grammar](response)
    return Parsed(None, grammar, f"no response: {str(row.get('error') or 'the row is missing')[:120]}")


def check_texts(meta: Mapping[str, Any], keys: Iterable[str]) -> None:
    """ValueError unless each of these keys holds a text, or nothing."""
    for key in keys:
        if not isinstance(meta.get(key) or "", str):
            raise ValueError(f"meta.{key} must be a text, got {meta[key]!r:.80}")


def slices_by(dimensions: Iterable[str], meta: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Those of the dimensions that the row tells of."""
    return {key: (meta[key],) for key in dimensions if meta.get(key)}


def libraries(*names: str) -> dict[str, str]:
    """Their versions, as the values come from them."""
    return {name: version(name) for name in names}


def published_rows(name: str) -> list[dict[str, str]]:
    """The rows of a table of a paper, as this project keeps it."""
    with open(PUBLISHED / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def score(scorer: Scorer, cases: list[Any], named: dict[str, list[Any]]) -> dict[str, Any]:
    """The report's metrics, slices, baselines and comparisons, all on the same bootstrap draws.

    `named` are the cases of other files with the same rows in the same order.
    """
    draws, every = Draws([case.media_id for case in cases]), np.arange(len(cases))
    found = scorer.measure(cases, every, draws)
    others = {title: scorer.measure(other, every, draws) for title, other in named.items()}
    simple = {title: scorer.measure(other, every, draws) for title, other in scorer.simple_baselines(cases).items()}
    metrics = as_json(found)
    extras = scorer.extras(cases, draws, metrics)
    unparsed = {title: sum(case.parsed.answer is None for case in other) for title, other in named.items()}
    return {
        "metrics": metrics,
        "slices": sliced(scorer, cases, draws),
        "baselines": {title: as_json(other) for title, other in (others | simple).items()},
        "comparisons": {title: compare(scorer, cases, named[title], found, others[title]) for title in named},
        "confusion": confusion(cases),
        "unparsed_reasons": dict(Counter(c.parsed.reason for c in cases if c.parsed.answer is None).most_common(20)),
        "broken_fields": dict(Counter(p.split(":")[0] for c in cases for p in c.parsed.problems).most_common()),
        "grammars": dict(Counter(c.parsed.grammar for c in cases if c.parsed.answer is not None)),
        "published": scorer.published(cases),
        "slice_metrics": scorer.SLICE_METRICS,
        **extras,
        "remarks": [*extras.get("remarks", []), *(f"{title}: {n} unparsed" for title, n in unparsed.items() if n)],
        "policy": {**scorer.POLICY, **extras.get("policy", {}), "bootstrap": BOOTSTRAP}
        | ({"comparisons": COMPARISONS} if named else {}),
    }


def as_json(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: found.as_json() for name, found in estimates.items()}


def sliced(scorer: Scorer, cases: Sequence[Any], draws: Draws) -> dict[str, Any]:
    """dimension -> value -> its n and the metrics that have a value there."""
    places: dict[str, dict[str, list[int]]] = {}
    for i, case in enumerate(cases):
        for dimension, values in scorer.slices(case).items():
            for value in values:
                places.setdefault(dimension, {}).setdefault(value, []).append(i)
    return {
        dimension: {value: _slice(scorer, cases, np.array(of_value[value]), draws) for value in sorted(of_value)}
        for dimension, of_value in places.items()
    }


def _slice(scorer: Scorer, cases: Sequence[Any], rows: np.ndarray, draws: Draws) -> dict[str, Any]:
    metrics = as_json(scorer.measure([cases[i] for i in rows], rows, draws))
    return {"n": len(rows), "metrics": {name: m for name, m in metrics.items() if m["value"] is not None}}


def confusion(cases: Sequence[Any]) -> dict[str, dict[str, int]]:
    """truth -> answer -> rows."""
    counts: dict[str, Counter[str]] = {}
    for case in cases:
        counts.setdefault(case.truth, Counter())[case.answered or "unparsed"] += 1
    return {truth: dict(counts[truth]) for truth in sorted(counts)}


def compare(
    scorer: Scorer, cases: Sequence[Any], others: Sequence[Any], this: dict[str, Estimate], other: dict[str, Estimate]
) -> dict[str, Any]:
    """The difference of each metric, and for tasks with an accuracy the exact McNemar test (McNemar 1947)."""
    found: dict[str, Any] = {"metrics": as_json({name: difference(this[name], other[name]) for name in this})}
    if "accuracy" not in scorer.METRICS:
        return found
    from scipy.stats import binomtest

    pairs = [(a.right, b.right) for a, b in zip(cases, others, strict=True) if a.in_accuracy]
    gained, lost = pairs.count((True, False)), pairs.count((False, True))
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return found | {"mcnemar": {"n": len(pairs), "only_this": gained, "only_other": lost, "p_value": p_value}}


def mcnemar_text(title: str, compared: dict[str, Any]) -> str:
    test = compared["mcnemar"]
    p_value = f"{test['p_value']:.3g}"
    return (f"accuracy, {test['n']} rows: only this run right {test['only_this']}, only {title} {test['only_other']}; "
            f"exact McNemar p = {p_value}")  # fmt: skip
