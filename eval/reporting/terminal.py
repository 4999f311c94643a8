"""A scored run as text for a terminal: what decides, and what must not be overlooked; the rest is in the report."""

from __future__ import annotations

from typing import Any

from eval.estimates.numbers import counts, number, p_text, reasons
from eval.scorers.base import Scorer
from eval.scorers.comparison import accuracy_text

SHOWN_NOTES = 2  # on published rows; more of them are only counted, as the rows are in the report alone


def columns(rows: list[list[str]]) -> list[str]:
    """Lines of text with the cells of each column below one another."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def table(report: dict[str, Any], scorer: Scorer[Any], name: str | None = None) -> list[str]:
    """The report's head, its metrics and what must not be overlooked; with the `name` of this run, the metrics as the
    paper's table has them."""
    decimals = {name: metric.decimals for name, metric in scorer.metrics.items()}
    matched = ", ".join(f"{grammar} {n}" for grammar, n in report["grammars"].items())
    lines = [
        f"{report['task']}: {report['n']} rows, {report['n_unparsed']} unparsed (counted as {scorer.unparsed}), "
        f"grammar {report['policy']['grammar']} (parsed: {matched or 'none'})",
        "",
        *columns(by_metric(report, decimals) if name is None else by_run(report, decimals, name)),
    ]
    lines += [f"no value: {', '.join(names)}: {reason}" for reason, names in reasons(report["metrics"]).items()]
    lines += [f"f1: {report['policy']['f1']}"] if "f1" in report["policy"] else []
    lines += [*report["remarks"], *published_lines(report["published"])]
    lines += [f"unparsed {n}: {reason}" for reason, n in list(report["unparsed_reasons"].items())[:5]]
    lines += [f"broken {field}: {n}" for field, n in report["broken_fields"].items()]
    if report["parse_rate"] < 0.5 and report["policy"]["grammar"] != "auto":
        lines.append(
            "Most answers do not follow this grammar; --grammar auto, where there is one, tells which they do."
        )
    if name is not None:
        title = report["published"]["title"]
        return [*lines, f"{title}. Compare only runs on those rows." if report["published"]["rows"] else title]
    return lines + robustness_lines(report, decimals) + comparison_lines(report, decimals)


def by_metric(report: dict[str, Any], decimals: dict[str, int]) -> list[list[str]]:
    """A line for each metric with a value in any of its columns, which are this run and the baselines."""
    rows = [["metric", "value [95 % interval]", "n", "clusters", "deff", *report["baselines"]]]
    for name, metric in report["metrics"].items():
        others = [number(other.get(name), decimals[name], interval=False) for other in report["baselines"].values()]
        row = [name, number(metric, decimals[name]), *counts(metric), *others]
        rows += [row] if any(cell != "–" for cell in (row[1], *others)) else []
    return rows


def by_run(report: dict[str, Any], decimals: dict[str, int], title: str) -> list[list[str]]:
    """A line for each run, this one called `title`, and for each trained model of the paper, in the paper's columns."""
    published = [row for row in report["published"]["rows"] if row.get("group") != "baseline"]
    names = [name for name in (published[0] if published else report["metrics"]) if name in report["metrics"]]
    runs = {title: report["metrics"], **report["baselines"]}
    return [
        ["value [95 % interval]", *names],
        *([run, *(number(found[name], decimals[name]) for name in names)] for run, found in runs.items()),
        *([f"published: {row['model']}", *(row[name] or "–" for name in names)] for row in published),
    ]


def published_lines(published: dict[str, Any]) -> list[str]:
    """The notes on published rows."""
    noted = [row for row in published["rows"] if "note" in row]
    if len(noted) > SHOWN_NOTES:
        models = ", ".join(row["model"] for row in noted)
        return [f"published: {published['title']}; in the report (--out), with notes on {models}"]
    return [f"published {row['model']}: {row['note']}" for row in noted]


def robustness_lines(report: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    """The first of the metrics that are followed, by kind and strength of the perturbation."""
    if "robustness" not in report:
        return []
    name = report["robustness"]["followed"][0]
    others = "the other models' curves, " if report["robustness"]["baselines"] else ""
    return [
        "",
        *columns(grid(report["robustness"], name, decimals[name])),
        f"by strength; what each one is, {others}the intervals and the differences are in the report (--out)",
    ]


def comparison_lines(report: dict[str, Any], decimals: dict[str, int]) -> list[str]:
    """The differences to the other files where there are any, and the tests."""
    compared = report["comparisons"]
    if not compared:
        return []
    rows = [["this run minus", *(text for title in compared for text in (f"{title} [95 % interval]", "p"))]]
    for name in report["metrics"]:
        found = [other["metrics"][name] for other in compared.values()]
        row = [text for metric in found for text in (number(metric, decimals[name], sign=True), p_text(metric))]
        rows += [[name, *row]] if set(row) != {"–"} else []
    tests = [accuracy_text(title, other) for title, other in compared.items() if "accuracy" in other]
    return ["", *columns(rows), *tests]


def grid(found: dict[str, Any], name: str, decimals: int) -> list[list[str]]:
    """A line for each kind with the metric's value at each strength, "clean" first, below a head."""
    strengths = sorted({point["strength"] for points in found["kinds"].values() for point in points})
    lines = [[name, "clean", *map(str, strengths[1:])]]
    for kind, points in found["kinds"].items():
        values = {point["strength"]: number(point["metrics"][name], decimals, interval=False) for point in points}
        lines.append([kind, *(values.get(strength, "") for strength in strengths)])
    return lines
