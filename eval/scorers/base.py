"""What a task's scorer provides: `Scorer`, of which each task has one subclass in the file of its name.

Slices, baselines and comparisons are the scorer's own `measure` on other rows or other answers: a metric that it knows
stands in all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from eval.estimates.clusters import Clusters, Estimate
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.cut_off import read_response


@dataclass(frozen=True)
class Metric:
    """How a metric is shown: the ends of its scale, its decimals, and what to know of it ("50 is unbiased").

    `direction` is 1 where higher is better, -1 where lower is (`lower` makes those), 0 where neither end is best.

    One of `both_classes` weighs reals against fakes, and has no meaning on rows that are all the one or the other.
    """

    low: float = 0
    high: float = 100
    decimals: int = 1
    note: str = ""
    direction: int = 1
    both_classes: bool = False

    @property
    def span(self) -> float:
        """The most by which two values can differ."""
        return self.high - self.low


def lower(low: float = 0, high: float = 100, decimals: int = 1, note: str = "") -> Metric:
    """A metric of which less is better, and which says so."""
    return Metric(low, high, decimals, f"{note}, lower is better" if note else "lower is better", -1)


@dataclass(frozen=True, slots=True)
class Case(ABC):
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
    @abstractmethod
    def answered(self) -> str | None:
        """The column of the confusion table, one of the scorer's answers; None if unparsed."""

    @property
    @abstractmethod
    def right(self) -> bool: ...

    @property
    @abstractmethod
    def quality(self) -> float:
        """0..1, to rank cases by; 1 is perfect."""

    @property
    def written(self) -> str:
        """The explanation that people wrote of what there is to explain; empty where there is none."""
        return ""

    @property
    def explanation(self) -> str:
        """The answered one, which a judge holds against it; empty where there is none."""
        return ""

    @property
    def measures(self) -> dict[str, float | None]:
        """What was measured on this row alone, by name, to sort and filter cases by; None where it has no value."""
        return {}

    @property
    def in_accuracy(self) -> bool:
        """Whether the metric `accuracy` counts the row."""
        return True

    @property
    def said(self) -> str:
        """What was answered, as the page says it."""
        return self.answered or "nothing that can be parsed"


@dataclass(frozen=True)
class Figure:
    """Points (x, y, radius in px, title), a line through (x, y), and bars (from x, to x, height, title) on two axes.

    Both go from 0 to 1, with ticks at (place, text); `diagonal` draws the line of y = x.
    """

    title: str
    x: str
    y: str
    points: Sequence[tuple[float, float, float, str]] = ()
    ticks: Sequence[tuple[float, str]] = ((0, "0"), (0.5, "0.5"), (1, "1"))
    line: Sequence[tuple[float, float]] = ()
    bars: Sequence[tuple[float, float, float, str]] = ()
    diagonal: bool = True
    x_ticks: Sequence[tuple[float, str]] | None = None  # where they are others than those of y


C = TypeVar("C", bound=Case)
Similarities = Callable[[Sequence[tuple[str, str]]], list[float]]  # of each (text, reference), 0..1
AddScores = Callable[[Sequence[Any], Similarities], list[Any]]  # the cases, with the similarities of their texts


class Scorer(ABC, Generic[C]):
    """How the cases of a task, `C`, are scored. `cases` are always those of one file, in the order of its rows."""

    metrics: Mapping[str, Metric]  # in the order of the table
    slice_metrics: Sequence[str]  # the columns of the slices' tables
    answers: Sequence[str]  # the columns of the confusion table, before "unparsed"
    policy: Mapping[str, Any]
    unparsed: str = "wrong"  # what an unparsed answer counts as
    baselines: Sequence[str] = ()  # the titles of simple_baselines
    dimensions: Sequence[str] = ()  # the keys of meta that rows are sliced by
    no_table: str = "no table of a paper"  # the title that stands in place of a published one
    libraries: Sequence[str] = ()  # that the values come from; the report states their versions
    judging: str = "eval/judge_explanations.py"  # the command that gives explanations a judge's score
    encoders: Mapping[str, AddScores] = {}  # the neural scores that can be asked for, --bertscore or --css

    def grammar_of(self, rows: Iterable[dict[str, Any]]) -> str:
        """The grammar in which the rows were asked to answer."""
        return "trained"

    @abstractmethod
    def read_case(self, row: dict[str, Any], grammar: str) -> C:
        """Check, parse and measure one row; ValueError says what is wrong with it."""

    def read_together(self, cases: Sequence[C]) -> None:
        """Measure on the cases of a file, once each is read, what takes less time on many at once."""

    @abstractmethod
    def measure(self, cases: Sequence[C], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        """Every metric on some cases, or the reason why it has no value; `rows` are their places in the file."""

    @abstractmethod
    def describe(self, case: C, cases: Sequence[C]) -> dict[str, Any]:
        """What the page shows of a case: `verdict` (truth and answer), `facts`, and `texts` as (title, text).

        Where there are any also `boxes` as (kind, x, y, width, height) in percent, the `second` of a video to look at,
        the `onsets` in s by the same kinds, "true" and "pred", and `right`, None where an answer is neither right nor
        wrong. `cases` are those of the same medium.
        """

    def slices(self, case: C) -> dict[str, Sequence[str]]:
        """dimension -> its values that the case belongs to; none where the row does not tell."""
        meta = case.row["meta"]
        return {key: (meta[key],) for key in self.dimensions if meta.get(key)}

    def together(self, cases: Sequence[C]) -> dict[str, dict[str, list[int]]]:
        """dimension -> value -> the places of its cases, of slices in which a case stands for what others are, too."""
        return {}

    def measure_together(self, cases: Sequence[C], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        """The metrics of those slices."""
        return self.measure(cases, rows, clusters)

    def simple_baselines(self, cases: Sequence[C]) -> dict[str, list[C]]:
        """title -> the cases as a constant answer would have them."""
        return {}

    def published(self, cases: Sequence[C]) -> dict[str, Any]:
        """The paper's table that these rows compare with: title, rows, and a note on a row where one is due."""
        return {"title": self.no_table, "rows": []}

    def extras(self, cases: Sequence[C], clusters: Clusters, metrics: dict[str, Any]) -> dict[str, Any]:
        """More entries of the report; `remarks` are lines that stand below the metrics, `policy` adds to it."""
        return {}

    def figures(self, cases: Sequence[C]) -> list[Figure]:
        """The figures of the page."""
        return []


def parse(grammars: Mapping[str, Callable[[str], Parsed]], row: dict[str, Any], grammar: str) -> Parsed:
    """The row's answer; a row with an error or without a response is unparsed."""
    if row.get("response") is not None:
        return read_response(grammars[grammar], row)
    return Parsed(None, grammar, f"no response: {str(row.get('error') or 'the row is missing')[:120]}")


def graded(right: bool, p_true: float | None) -> float:
    """A case's quality: 1 where right, else the less the surer the model was; `p_true` is what it gave the truth."""
    return 1.0 if right else (p_true or 0.0) / 2


def percents(measures: Mapping[str, float | None]) -> dict[str, float | None]:
    """Measures of 0..1 on the scale of their metrics, 0..100."""
    return {name: None if value is None else 100 * value for name, value in measures.items()}


def check_texts(meta: Mapping[str, Any], keys: Iterable[str]) -> None:
    """ValueError unless each of these keys holds a text, or nothing."""
    for key in keys:
        if not isinstance(meta.get(key) or "", str):
            raise ValueError(f"meta.{key} must be a text, got {meta[key]!r:.80}")


def most_frequent(labels: Iterable[str]) -> str:
    """The label of most rows; of several the first by the alphabet."""
    counts = Counter(labels)
    return max(sorted(counts), key=counts.__getitem__)


def missing(names: Iterable[str], n: int, reason: str) -> dict[str, Estimate]:
    return {name: Estimate(None, n, reason) for name in names}
