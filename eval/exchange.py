"""Exchange predictions with other kits: theirs become rows that eval/score.py takes, ours go out in their forms.

    python eval/exchange.py --pred theirs.xlsx --gold data/own/test.jsonl --out out.jsonl
    python eval/exchange.py --pred theirs.csv --gold … --out … --columns key=video_id,verdict=label,bbox=box,start=t0
    python eval/exchange.py --pred out.jsonl --to vlmevalkit --out ours.xlsx

With --gold, --pred is what another kit wrote, and --gold the converter's file that was asked. Forms, told by their
columns: swift_infer (swift infer's results), vlmevalkit (XLSX, TSV), lmms_eval (samples JSONL), openai_batch (a batch's
output), else any CSV, TSV, JSON, JSONL, Parquet or XLSX with a column that names the row - by its id, its medium, or
the medium's file - and one with the answer: response, prediction, raw_output; or its parts, which are put into the
task's own words: predicted_label, bbox, start_time, explanation, score, choice, with fake_probability. Every prediction
is held against the file: what is of no row is told, and refused where it is half of them; a row without a prediction
counts as an error, and so as wrong. With --to, --pred are rows of eval/predict.py.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.exchanging import columns, lmms_eval, matching, openai_batch, swift_infer, vlmevalkit
from eval.exchanging.said import FAILED, Said
from swift_plugins.answering.rows import answered
from swift_plugins.core import next_steps
from swift_plugins.core.commands import run
from swift_plugins.core.label_maps import label_map
from swift_plugins.core.names import few
from swift_plugins.core.printable import say
from swift_plugins.core.records import (
    Row,
    atomic_write,
    encode_line,
    jsonl_writer,
    read_rows,
    read_training_rows,
    sha256_file,
    write_json,
)
from swift_plugins.core.settings import library_versions
from swift_plugins.core.tables import column_map, read_table
from swift_plugins.core.tasks import get_task
from swift_plugins.core.tasks.verdicts import VERDICTS
from swift_plugins.core.workbooks import write_sheet

KITS = {kit.NAME: kit for kit in (swift_infer, vlmevalkit, lmms_eval, openai_batch)}
FORMS = (*KITS, columns.NAME)


def read_said(args: argparse.Namespace) -> tuple[str, list[Said], list[str]]:
    """(the form of the file, its predictions, what is wrong with the lines that hold none)."""
    table = read_table(args.pred)
    name = args.form or next((kit for kit in KITS if KITS[kit].fits(table.columns)), columns.NAME)
    reader: Any = KITS.get(name) or columns.Columns(table.columns, args.columns, args.from_parts)
    if args.columns and name in KITS:
        raise ValueError(f"--columns are those of a table, {args.pred} is {name}; say --form table")
    said, wrong = [], []
    for where, row in table.rows:
        try:
            if isinstance(row, str):
                raise ValueError(row)
            said.append(reader.read(where, row))
        except ValueError as error:
            wrong.append(f"{where}: {error}")
    if not said:
        raise ValueError(f"{args.pred}: no predictions{f'; {wrong[0]}' if wrong else ''}")
    if name == columns.NAME and reader.odd:
        wrong.append(f"{reader.odd} probabilities of {reader.p_fake} that are not 0 to 1, of rows that are taken")
    return name, said, wrong


def bring_in(args: argparse.Namespace) -> None:
    rows = [row for _, row in read_training_rows(args.gold)]
    if not rows:
        raise ValueError(f"{args.gold}: no rows")
    form, said, wrong = read_said(args)
    found = matching.match(said, rows)
    if 2 * len(found.unmatched) >= len(said):
        first = f"{len(found.unmatched)} of {len(said)}, the first in {found.unmatched[0].where}"
        raise ValueError(f"{first}, are predictions of no row of {args.gold}, by their {found.way}: was another asked?")
    labels = {verdict: verdict for verdict in VERDICTS} | args.label_map
    out = [out_row(row, result_of(found.found.get(i), row, labels, args.box_unit)) for i, row in enumerate(rows)]
    with atomic_write(args.out) as file:
        jsonl_writer(file).write_all(out)
    write_json(args.out.with_name(f"{args.out.name}.run.json"), record(args, form, rows, found))
    report(args, form, out, found, wrong)


def out_row(row: Row, result: dict[str, Any] | str) -> Row:
    """A row with its prediction; one that no file can hold, such as half a character, is an error."""
    found = answered(row, result)
    try:
        encode_line(found)
    except ValueError as error:
        return answered(row, str(error))
    return found


def result_of(said: Said | None, row: Row, labels: dict[str, str], unit: str) -> dict[str, Any] | str:
    """What `answered` takes: the response and what is known beside it, or what went wrong."""
    if said is None:
        return "there is no prediction of this row"
    try:
        text = (
            said.text if said.text is not None or not said.fields else columns.text_from(said.fields, row, labels, unit)
        )
    except ValueError as error:
        return f"{said.where}: {error}"
    if said.error or text is None:
        return said.error or FAILED
    return {"response": text} | ({"p_fake": said.p_fake} if said.p_fake is not None else {})


def record(args: argparse.Namespace, form: str, rows: Sequence[Row], found: matching.Matched) -> dict[str, Any]:
    """OUT.run.json: who predicted is known by name alone."""
    return {
        "model": {"model": args.model or args.pred.stem, "base_url": None, "vision": {}},
        "data": {"path": str(args.gold.resolve()), "sha256": sha256_file(args.gold), "rows": len(rows)},
        "tasks": {name: get_task(name).VERSION for name in sorted({row["task"] for row in rows})},
        "backend": form,
        "exchanged": {
            "file": args.pred.name,
            "sha256": sha256_file(args.pred),
            "found_by": found.way,
            "predictions_of_no_row": len(found.unmatched),
            "asked_otherwise": found.asked_otherwise,
        },
        "versions": library_versions(("swift-forensics",)),
    }


def report(args: argparse.Namespace, form: str, out: list[Row], found: matching.Matched, wrong: list[str]) -> None:
    errors = [row for row in out if row.get("error")]
    say(f"{len(out)} rows to {args.out}, {len(errors)} with an error; read as {form}, found by their {found.way}")
    if len({id(one) for one in found.found.values()}) < len(found.found):
        say("  note: one prediction stands for all rows of its medium")
    if found.unmatched:
        say(f"  note: {len(found.unmatched)} predictions are of no row: {few([one.where for one in found.unmatched])}")
    if found.asked_otherwise:
        say(f"  note: {found.asked_otherwise} rows were asked another question than {args.gold} asks")
    for text in wrong[:3]:
        say(f"  not read: {text}")
    if errors:
        say(f"  the first error: {errors[0]['id']}: {errors[0]['error']}")
    tasks = {row["task"] for row in out}
    next_steps.say(next_steps.after_prediction(args.out, tasks, False))


def send_out(args: argparse.Namespace) -> None:
    rows = [row for _, row in read_rows(args.pred)]
    if not rows or not all(isinstance(row.get("meta"), dict) and "response" in row for row in rows):
        raise ValueError(f"{args.pred}: not rows of eval/predict.py, each with meta and response")
    kit: Any = KITS.get(args.to, columns)
    found = kit.write(rows, str(rows[0].get("task")))
    suffix = args.out.suffix.lower()
    if suffix not in kit.SUFFIXES:
        raise ValueError(f"{args.out}: the name of a file of {args.to} ends in {' or '.join(kit.SUFFIXES)}")
    with atomic_write(args.out) as file:
        if suffix == ".xlsx":
            write_sheet(file, [*found[0]], [[*row.values()] for row in found])
        elif suffix == ".jsonl":
            jsonl_writer(file).write_all(found)
        else:
            file.write(as_text(found, "\t" if suffix == ".tsv" else ",").encode())
    say(f"{len(found)} rows to {args.out}, in the form of {args.to}")


def as_text(rows: list[Row], mark: str) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*rows[0]], delimiter=mark, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def exchange(args: argparse.Namespace) -> None:
    if (args.gold is None) == (args.to is None):
        raise ValueError(
            "name --gold, the converter's file, to bring predictions in, or --to, a form, to send ours out"
        )
    (bring_in if args.to is None else send_out)(args)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pred", type=Path, required=True, help="predictions: another kit's, or with --to ours")
    parser.add_argument("--gold", type=Path, help="JSONL of a converter, which was asked")
    parser.add_argument("--to", choices=FORMS, help="the form to send our predictions out in")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--form", choices=FORMS, help="the form of --pred (default what its columns say)")
    parser.add_argument("--model", help="name of who predicted, for the report (default the name of --pred)")
    parser.add_argument(
        "--columns",
        type=partial(column_map, columns=columns.COLUMNS, aliases={"id": "key"}),
        default={},
        metavar="key=video_id,response=text",
        help=f"names of a table's columns: {', '.join(columns.COLUMNS)} (default the usual ones, see above)",
    )
    parser.add_argument(
        "--from-parts", action="store_true", help="take an answer's parts though there is a column with its text"
    )
    parser.add_argument(
        "--label-map",
        type=label_map,
        default={},
        metavar="0=real,1=fake",
        help="what other words of predicted_label mean (default only the words real and fake)",
    )
    parser.add_argument(
        "--box-unit",
        choices=tuple(columns.UNITS),
        default="px",
        help="what the numbers of bbox, x0 y0 x1 y1, count: px of the source, or parts of its sides (default px)",
    )
    return run(exchange, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
