"""What a task's scorer provides, in `Scorer` below, and how a report is put together from it.

Slices, baselines and comparisons are the scorer's own `measure` on other rows or other answers: a metric that it knows
stands in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

from eval.estimates.draws import Draws, Estimate
from swift_plugins.core.tasks import Parsed


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


def grammar_of(rows: Iterable[dict[str, Any]]) -> str:
    """The grammar in which the rows were asked to answer."""
    return "trained"


def missing(names: Iterable[str], n: int, reason: str) -> dict[str, Estimate]:
    return {name: Estimate(None, n, None, reason) for name in names}
