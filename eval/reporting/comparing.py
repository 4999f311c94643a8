"""Runs compared: the tables for a terminal, and comparison.json, .md and .html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.estimates.numbers import number, p_text
from eval.reporting.pages import render, without_secrets
from eval.reporting.provenance import flat
from eval.reporting.terminal import columns, published_lines
from eval.scorers.base import Scorer
from swift_plugins.core.records import atomic_write, write_json


def rank_text(row: dict[str, Any]) -> str:
    """ "2 (1 to 3)": a run's rank, and those that it may have."""
    low, high = row["ranks"]
    return str(row["rank"]) if low == high == row["rank"] else f"{row['rank']} ({low} to {high})"


def first_text(row: dict[str, Any]) -> str:
    """The share of draws in which a run is the best, in percent."""
    return "–" if row["first"] is None else f"{100 * row['first']:.1f} %"


def holm_text(metric: dict[str, Any]) -> str:
    return "–" if metric["p_holm"] is None else f"{metric['p_holm']:.3g}"


def detectable_text(metric: dict[str, Any], decimals: int) -> str:
    return "–" if metric.get("detectable") is None else f"{metric['detectable']:.{decimals}f}"


def pair_cells(metric: dict[str, Any], decimals: int) -> list[str]:
    """A difference with its interval, p, p adjusted, and the least difference that would be found."""
    found = [number(metric, decimals, sign=True), p_text(metric), holm_text(metric)]
    return [*found, detectable_text(metric, decimals)]


def right_text(pair: dict[str, Any]) -> str:
    """The rows that only one of two runs has right, where accuracy is one of the metrics."""
    rows = pair.get("accuracy")
    return f"{rows['only_this']}, {rows['only_other']} of {rows['n']}" if rows else "–"


def comparison_lines(report: dict[str, Any], scorer: Scorer[Any], names: Sequence[str]) -> list[str]:
    """The ranking by one metric; of two runs the differences of all metrics, of more those of `names`."""
    by, pairs = report["by"], report["pairs"]
    lines = [
        f"{report['task']}: {len(report['runs'])} runs on {report['n']} rows, {report['clusters']} clusters (media)"
    ]
    if by:
        rows = [["rank", "run", f"{by} [95 % interval]", "first", "unparsed"]]
        for row in report["ranking"][by]:
            unparsed = str(report["runs"][row["run"]]["n_unparsed"])
            value = number(row, scorer.metrics[by].decimals)
            rows.append([rank_text(row), row["run"], value, first_text(row), unparsed])
        lines += ["", *columns(rows)]
    for rows in [of_two(pairs[0], scorer)] if len(pairs) == 1 else [of_many(pairs, name, scorer) for name in names]:
        lines += ["", *columns(rows)] if len(rows) > 1 else []
    lines += ["", *columns(rows)] if (rows := seeds_rows(report, scorer)) else []
    if len(pairs) == 1 and "accuracy" in pairs[0]:
        lines.append(f"only right: {right_text(pairs[0])} rows")
    return [*lines, *report["remarks"], *comparable_lines(report["published"])]


HEAD = ("[95 % interval]", "p", "p (Holm)", "detectable")


def of_two(pair: dict[str, Any], scorer: Scorer[Any]) -> list[list[str]]:
    """The table of the differences of two runs by each metric."""
    rows = [[f"{pair['this']} minus {pair['other']}", f"difference {HEAD[0]}", *HEAD[1:]]]
    for name, metric in pair["metrics"].items():
        rows += [[name, *pair_cells(metric, scorer.metrics[name].decimals)]] if metric["value"] is not None else []
    return rows


def of_many(pairs: Sequence[dict[str, Any]], name: str, scorer: Scorer[Any]) -> list[list[str]]:
    """The table of the differences of every two runs by one metric, of accuracy with the rows only one has right."""
    counted = name == "accuracy" and name in pairs[0]
    rows = [[f"difference of {name}", *HEAD, *["only right"] * counted]]
    for pair in pairs:
        cells = pair_cells(pair["metrics"][name], scorer.metrics[name].decimals)
        rows.append([f"{pair['this']} minus {pair['other']}", *cells, *[right_text(pair)] * counted])
    return rows


def seeds_rows(report: dict[str, Any], scorer: Scorer[Any]) -> list[list[str]]:
    """The table of what each seed gave, and the standard errors of rows and of seeds; empty for runs of one seed."""
    rows = []
    for name, metric in scorer.metrics.items():
        form = f".{metric.decimals}f"
        for title, found in report["metrics"].items():
            if told := found.get(name, {}).get("seeds"):
                values = ", ".join(format(value, form) for value in told["values"])
                rows.append([name, title, values, format(told["se_rows"], form), format(told["se_seeds"], form)])
    return [["metric", "run", "by seed", "se of rows", "se of seeds"], *rows] if rows else []


def comparable_lines(published: dict[str, Any]) -> list[str]:
    """Why a published table does not compare, and the notes on its rows."""
    reason = published["not_comparable"]
    told = [f"published: {published['title']}; not comparable: {reason}"] if reason else []
    return told + published_lines(published)


def write_comparison(report: dict[str, Any], scorer: Scorer[Any], out: Path) -> None:
    """Write the three files to `out`, a folder, each in place of an older one."""
    report = without_secrets(report)
    write_json(out / "comparison.json", report)
    facts = {
        "report": report,
        "metrics": scorer.metrics,
        "number": number,
        "pair_cells": pair_cells,
        "rank_text": rank_text,
        "first_text": first_text,
        "right_text": right_text,
        "seeds": seeds_rows(report, scorer),
        "flat": flat,
    }
    for name in ("comparison.html", "comparison.md"):
        with atomic_write(out / name) as file:
            file.write(render(name, facts).encode(errors="replace"))
