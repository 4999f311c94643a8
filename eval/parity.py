"""Whether two back ends are one model: the same rows through both, their input tokens, answers and P(fake) compared.

    python eval/parity.py --data data/own/test.jsonl --out parity --a "--model CKPT" \\
        --b "--model NAME --backend openai --base-url http://127.0.0.1:8000/v1"
    python eval/parity.py --data data/own/test.jsonl --out parity --a out_merged.jsonl --b out_lora.jsonl

--a and --b are options of eval/predict.py, which answers 50 rows from all over the file by each, or a JSONL that it
wrote. Writes a.jsonl and b.jsonl, as predict.py does, and parity.json. Input tokens are the ids that the model's own
template makes, for models on this machine; a server tells their number alone. The exit code is 0 where all tokens and
decisions are the same and no probability differs by more than --tolerance, else 1.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from swift_plugins.answering.rows import read_some
from swift_plugins.answering.tokens import input_ids
from swift_plugins.core.commands import run, stage, whole_number
from swift_plugins.core.locks import held
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, atomic_write, jsonl_writer, read_json, read_rows, write_json
from swift_plugins.core.tasks import get_task

PREDICT = Path(__file__).with_name("predict.py")
LOCAL = ("transformers", "vllm")  # back ends whose prompts ms-swift makes on this machine
SHOWN = 3
DIGITS = 6


class Side(NamedTuple):
    """What one back end answered, by id, and the record of its run; empty where there is none."""

    rows: dict[str, Row]
    record: Row


def ask(side: str, options: str, rows: Path, out: Path) -> Side:
    """One side's answers; ValueError where it could not be asked."""
    if not options.lstrip().startswith("-"):
        out = Path(options)
        if not out.is_file():
            raise ValueError(f"--{side} {options}: neither a file of eval/predict.py nor its options")
    else:
        command = [sys.executable, str(PREDICT), "--data", str(rows), "--out", str(out), *shlex.split(options)]
        stage(f"--{side}: {options}")
        if code := subprocess.run(command, env=os.environ | {"NEXT_STEPS": "no"}).returncode:
            raise ValueError(f"--{side}: eval/predict.py ended with {code}: {options}")
    record = out.with_name(f"{out.name}.run.json")
    return Side({row["id"]: row for _, row in read_rows(out)}, read_json(record) if record.is_file() else {})


def tokens(side: Side, rows: Sequence[Row]) -> dict[str, Any]:
    """id -> the ids of a row's prompt where they can be known, else their number."""
    if side.record.get("backend") in LOCAL:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:  # its environment is the model's own
            made = pool.submit(input_ids, side.record["model"], rows).result()
        found = {row["id"]: ids for row, ids in zip(rows, made, strict=True)}
    else:
        found = {row["id"]: (side.rows[row["id"]].get("usage") or {}).get("prompt_tokens") for row in rows}
    return {row_id: told for row_id, told in found.items() if told is not None}


def alike(a: Side, b: Side) -> bool:
    """Whether the prompts of both are made in the same way on this machine."""
    made = ("model", "model_type", "template", "vision")
    settings = [{key: side.record.get("model", {}).get(key) for key in made} for side in (a, b)]
    return a.record.get("backend") in LOCAL and b.record.get("backend") in LOCAL and settings[0] == settings[1]


def compare_tokens(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """How many rows have the same input tokens, by their ids where both sides tell them, else by their number."""
    both = [row_id for row_id in a if row_id in b]
    by_ids = all(isinstance(side[row_id], list) for side in (a, b) for row_id in both)

    def told(found: Any) -> Any:
        return found if by_ids or isinstance(found, int) else len(found)

    differ = [row_id for row_id in both if told(a[row_id]) != told(b[row_id])]
    first = [_first_difference(row_id, told(a[row_id]), told(b[row_id])) for row_id in differ[:SHOWN]]
    return {"by": "ids" if by_ids else "number", "rows": len(both), "same": len(both) - len(differ), "differ": first}


def _first_difference(row_id: str, a: Any, b: Any) -> dict[str, Any]:
    if isinstance(a, int):
        return {"id": row_id, "a": a, "b": b}
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return {"id": row_id, "a": len(a), "b": len(b), "first_at": at, "ids_a": a[at : at + 8], "ids_b": b[at : at + 8]}


def decision(row: Row) -> Any:
    """What an answer decides, a verdict, score or choice; None for one that cannot be read."""
    grammars = get_task(row["task"]).GRAMMARS
    parsed = grammars.get("auto", grammars["trained"])(row["response"]).answer
    return None if parsed is None else getattr(parsed, fields(parsed)[0].name)  # which every Answer has first


def compare_answers(a: Mapping[str, Row], b: Mapping[str, Row], ids: Sequence[str]) -> dict[str, Any]:
    """How many answers are the same text and decide the same, and those that do not."""
    pairs = [(row_id, a[row_id], b[row_id]) for row_id in ids]
    good = [(row_id, x, y) for row_id, x, y in pairs if x.get("response") is not None and y.get("response") is not None]
    texts = [(row_id, x["response"], y["response"]) for row_id, x, y in good if x["response"] != y["response"]]
    other = [(row_id, decision(x), decision(y)) for row_id, x, y in good if decision(x) != decision(y)]
    return {
        "rows": len(good),
        "errors": {"a": sum("error" in x for _, x, _ in pairs), "b": sum("error" in y for _, _, y in pairs)},
        "same_text": len(good) - len(texts),
        "same_decision": len(good) - len(other),
        "other_texts": [{"id": i, "a": x[:200], "b": y[:200]} for i, x, y in texts[:SHOWN]],
        "other_decisions": [{"id": i, "a": x, "b": y} for i, x, y in other],
    }


def compare_probabilities(a: Mapping[str, Row], b: Mapping[str, Row], ids: Sequence[str]) -> dict[str, Any]:
    """The differences of P(fake), or, for scores and choices, half the sum of those of all their probabilities."""
    gaps = {row_id: gap for row_id in ids if (gap := _gap(a[row_id], b[row_id])) is not None}
    if not gaps:
        return {"rows": 0, "largest": None, "mean": None, "largest_at": None}
    worst = max(gaps, key=lambda row_id: gaps[row_id])
    mean = round(fmean(gaps.values()), DIGITS)
    return {"rows": len(gaps), "largest": round(gaps[worst], DIGITS), "mean": mean, "largest_at": worst}


def _gap(a: Row, b: Row) -> float | None:
    if a.get("p_fake") is not None and b.get("p_fake") is not None:
        return abs(a["p_fake"] - b["p_fake"])
    x, y = a.get("choice_probs"), b.get("choice_probs")
    return sum(abs(x.get(key, 0) - y.get(key, 0)) for key in {*x, *y}) / 2 if x and y else None


def parity(args: argparse.Namespace) -> int:
    asked = [row for _, row in read_some(args.data, args.rows)]
    if not asked:
        raise ValueError(f"{args.data}: no rows")
    with held(args.out):
        rows = args.out / "rows.jsonl"
        with atomic_write(rows) as file:
            jsonl_writer(file).write_all(asked)
        a, b = (ask(side, getattr(args, side), rows, args.out / f"{side}.jsonl") for side in ("a", "b"))
        both = [row for row in asked if row["id"] in a.rows and row["id"] in b.rows]
        if not both:
            raise ValueError(f"--a and --b have no row of {args.data} in common")
        ids = [row["id"] for row in both]
        found = {
            "rows": len(both),
            "a": args.a,
            "b": args.b,
            "input_tokens": compare_tokens(given := tokens(a, both), given if alike(a, b) else tokens(b, both)),
            "answers": compare_answers(a.rows, b.rows, ids),
            "probabilities": compare_probabilities(a.rows, b.rows, ids),
        }
        found["same"] = is_same(found, args.tolerance)
        write_json(args.out / "parity.json", found)
    report(args, found)
    return 0 if found["same"] else 1


def is_same(found: Mapping[str, Any], tolerance: float) -> bool:
    given, said, gap = found["input_tokens"], found["answers"], found["probabilities"]["largest"]
    agreed = given["same"] == given["rows"] and said["same_decision"] == said["rows"] == found["rows"]
    return agreed and (gap is None or gap <= tolerance)


def report(args: argparse.Namespace, found: Mapping[str, Any]) -> None:
    given, said, sure = found["input_tokens"], found["answers"], found["probabilities"]
    say(f"{found['rows']} rows; {'one model' if found['same'] else 'not the same'}: {args.out / 'parity.json'}")
    told = f"the same in {given['same']} of {given['rows']} rows, by their {given['by']}"
    say(f"  input tokens: {told if given['rows'] else 'neither side tells them'}")
    for one in given["differ"]:
        say(f"    {one['id']}: {', '.join(f'{key} {value}' for key, value in one.items() if key != 'id')}")
    say(f"  answers: {said['same_text']} of {said['rows']} word for word, {said['same_decision']} decide the same")
    for side, n in said["errors"].items():
        if n:
            say(f"    --{side}: {n} rows with an error")
    for one in said["other_decisions"][:SHOWN]:
        say(f"    {one['id']}: {one['a']} and {one['b']}")
    if sure["rows"]:
        say(f"  probabilities: differ by {sure['mean']} in the mean, by {sure['largest']} in {sure['largest_at']}")
    else:
        say("  probabilities: not told by both sides")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="JSONL of a converter")
    for side in ("a", "b"):
        parser.add_argument(
            f"--{side}", required=True, metavar="OPTIONS|JSONL", help="options of eval/predict.py, or its output"
        )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--rows", type=whole_number(), default=50, help="how many rows are asked (default 50)")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.05,
        help="difference of a probability that still counts as none (default 0.05)",
    )
    return run(parity, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
