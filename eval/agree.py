"""How well two judges agree on the same answers, or one judge with another prompt, day or way of asking.

    python eval/agree.py judged_by_gpt.jsonl judged_by_qwen.jsonl

Takes two files of eval/judge_explanations.py (explanation_score: 0, 0.5 or 1) or of eval/judge.py (judge_score: 1 to 5)
on the same rows. Prints the share of equal scores, Cohen's kappa (Cohen 1960), quadratically weighted (1968),
Krippendorff's alpha (interval), and Spearman's rank correlation, each with a 95 % interval clustered by medium. Where
the two files have scores of different scales, the last alone. Rows that one of both gave no score to are left out and
counted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from swift_plugins.core.commands import run
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, encode

SCALES: dict[str, tuple[float, ...]] = {"explanation_score": (0, 0.5, 1), "judge_score": (1, 2, 3, 4, 5)}
LEVELS = max(map(len, SCALES.values()))
NAMES = ("raw_agreement", "qwk", "cohen_kappa", "spearman")


def read_judged(path: Path, field: str | None) -> tuple[str, dict[str, Row]]:
    """(the key of its scores, id -> row) of a judged file."""
    from eval.scorers.rows import load

    rows = {row_id: row for row_id, (_, row) in load(path).items()}
    has = [key for key in SCALES if any(row.get(key) is not None for row in rows.values())]
    if not has:
        raise ValueError(f"{path}: no row has a judge's score ({' or '.join(SCALES)})")
    if field is None and len(has) > 1:
        raise ValueError(f"{path}: rows have {' and '.join(has)}: name one by --field")
    if (key := field or has[0]) not in has:
        raise ValueError(f"{path}: no row has a {key}")
    for row_id, row in rows.items():
        score = row.get(key)
        if score is not None and (isinstance(score, bool) or score not in SCALES[key]):
            raise ValueError(f"{path}: row {row_id!r}: {key} must be one of {SCALES[key]}, got {score!r:.40}")
    return key, rows


def compare(first: tuple[str, dict[str, Row]], second: tuple[str, dict[str, Row]]) -> dict[str, Any]:
    """The report: how many rows both have scored, how many one alone or neither, and how well the scores agree."""
    import numpy as np

    from eval.estimates.agreement import agreement, krippendorff
    from eval.estimates.clusters import Clusters

    (key, rows), (other_key, others) = first, second
    pairs = {i: (row.get(key), others[i].get(other_key)) for i, row in rows.items() if i in others}
    both = {i: (float(a), float(b)) for i, (a, b) in pairs.items() if a is not None and b is not None}
    if not both:
        raise ValueError("there is no row that both files have a score of")
    clusters = Clusters([str((rows[i].get("meta") or {}).get("media_id") or i) for i in both])
    x, y = (
        [1 + SCALES[key].index(a) for a, _ in both.values()],
        [1 + SCALES[other_key].index(b) for _, b in both.values()],
    )
    every = np.arange(len(both))
    found = agreement(x, y, LEVELS, every, clusters)
    metrics = {name: found[name].as_json() for name in (NAMES if key == other_key else ("spearman",))}
    if key == other_key:
        metrics["alpha"] = krippendorff([*both.values()], every, clusters).as_json()
    alone = [sum(pair[1 - i] is None and pair[i] is not None for pair in pairs.values()) for i in (0, 1)]
    left_out = {"first_alone": alone[0], "second_alone": alone[1], "neither": [*pairs.values()].count((None, None))}
    return {"n": len(both), "scores": [key, other_key], "left_out": left_out, "metrics": metrics}


def table(report: Mapping[str, Any]) -> list[str]:
    """The report as lines for a terminal."""
    from eval.estimates.numbers import counted, number

    left = report["left_out"]
    lines = [
        f"{report['n']} rows that both have scored ({' and '.join(dict.fromkeys(report['scores']))}); left out: "
        f"{left['first_alone']} of the first alone, {left['second_alone']} of the second, {left['neither']} of neither"
    ]
    for name, metric in report["metrics"].items():
        known = metric["value"] is not None
        text = f"{number(metric, 1 if name == 'raw_agreement' else 3)}  ({counted(metric)})" if known else "–"
        lines.append(f"{name:14} {text}" + ("" if known else f"  {metric['reason']}"))
    return lines


def agree(args: argparse.Namespace) -> None:
    from eval.scorers.judged import judge_facts

    files = (args.first, args.second)
    report = compare(*(read_judged(path, args.field) for path in files))
    report["files"] = [{"file": str(path), **judge_facts(path)} for path in files]
    for line in [encode(report).decode()] if args.json else table(report):
        say(line)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="JSONL of eval/judge_explanations.py or eval/judge.py")
    parser.add_argument("second", type=Path, help="another one on the same rows")
    parser.add_argument("--field", choices=tuple(SCALES), help="which score, where the rows have both")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return run(agree, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
