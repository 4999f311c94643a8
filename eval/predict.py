"""Answer every row of a JSONL with a checkpoint, through ms-swift's own engine, or with a server.

    python eval/predict.py --model output/deeptrace/checkpoint-383 --data data/deeptrace/test.jsonl --out out.jsonl
    python eval/predict.py --backend openai --base-url http://127.0.0.1:8000/v1 --model NAME --data … --out out.jsonl

A server may be any that speaks OpenAI's protocol, several are a pool: --batch-size is how many requests each answers at
once, fewer while it is busy. What it refuses, log-probabilities or videos, is done without, and said; a video is then
shown as frames with their times. shell/slurm.sh and shell/ray.sh answer a file on many machines.

One row in, one row out: the input row with `response`, `labels` (the gold text), the probabilities of what it decides
(`p_fake`, or `choice_probs` of scores and choices), `usage` and `latency_s`, or with `error`. Killed at any point and
started again it continues and ends with the same file. What the run depends on stands in OUT.run.json; a rerun that
differs in any of it is refused. The vision settings come from the checkpoint, for a merged or quantised folder from
what it was made of, or, for a model that was not trained here, from --recipe. Decoding is greedy, whatever sampling
settings the model's folder has.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from swift_plugins.answering.asking import Item, Result, answer_file
from swift_plugins.answering.models import run_record
from swift_plugins.answering.options import add_engine_options, asking_of
from swift_plugins.answering.rows import answered, check_rows_fit, in_space, load_data
from swift_plugins.core import next_steps
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.judge_rows import texts_of
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row
from swift_plugins.core.settings import BOX_SPACE, vision_settings
from swift_plugins.core.tasks.candidates import MODES


def out_row(item: Item, results: Sequence[Result], seconds: float) -> Row:
    """The output row of one input row."""
    (row,), (result,) = item.rows, results
    timed = {"latency_s": round(seconds, 4)} if isinstance(result, dict) else {}
    return answered(row, result) | timed


def predict(args: argparse.Namespace) -> int:
    safe = args.candidates == "safe"
    rows = load_data(args.data, args.limit, args.prompt, args.swap, safe)
    asking = asking_of(args)
    rows = in_space(rows, args.data)
    check_rows_fit(rows, asking.settings, args.data)
    record = run_record(asking, args.data, rows)
    record |= {"prompt": args.prompt, "swap": args.swap, "candidates": args.candidates}
    record |= {"box_space": space} if (space := vision_settings().get(BOX_SPACE)) else {}
    items = [Item(row["id"], [row], list(texts_of(row).values()) if safe else ()) for row in rows]
    if (failed := answer_file(items, asking, args.out, record, out_row)) is None:
        return 0
    say(f"{len(rows)} rows in {args.out}" + (f", {failed} of this run with an error" if failed else ""))
    known = args.prompt == "zero_shot" or args.backend == "openai" or asking.settings["trained"].get("data")
    next_steps.say(next_steps.after_prediction(args.out, record["tasks"], bool(known)) if failed < len(rows) else ())
    return 1 if failed == len(rows) else 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_engine_options(parser)
    parser.add_argument("--data", type=Path, required=True, help="JSONL of a converter")
    parser.add_argument("--out", type=Path, required=True, help="JSONL to write or continue")
    parser.add_argument(
        "--prompt",
        choices=("trained", "zero_shot"),
        default="trained",
        help="ask the rows' own question, or the paper's zero-shot one, for models that were not "
        "trained on it (default trained)",
    )
    parser.add_argument("--limit", type=whole_number(), help="only so many rows, from all over the file (default all)")
    parser.add_argument(
        "--candidates",
        choices=MODES,
        default="safe",
        help="judges' rows: how candidates stand in the prompt: safe, only ever text, which leaves "
        "plain prose as it is; exact, untouched, as the paper has them (default safe)",
    )
    parser.add_argument(
        "--swap", action="store_true", help="pairs: ask each a second time with its candidates in each other's place"
    )
    args = parser.parse_args(argv)
    return run(predict, args)


if __name__ == "__main__":
    sys.exit(main())
