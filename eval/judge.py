"""Judge new reasoning about images with a trained judge, a checkpoint or a server.

    python eval/judge.py --model CKPT --image x.png --label fake --response '<reasoning>… <answer>fake</answer>'
    python eval/judge.py --model CKPT --image x.png --label fake --response-a '…' --response-b '…' --swap
    python eval/judge.py --model CKPT --data candidates.jsonl --out judged.jsonl

A row of --data is {"image", "label", "response"}, or "response_a" and "response_b", with image paths relative to the
file; or a row of eval/predict.py, whose answers are then the candidates: score.py takes the judged file as its --pred.
Each row comes back with judge_score and judge_expected (pointwise), or judge_better (pairwise; with --swap only what
both orders agree on). A rerun continues. Candidates are only ever text (--candidates safe): what could close a tag, be
a special token or fake a turn is written differently. --candidates exact leaves them untouched, as the paper does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.judging.judgements import check_apart, judgement, keep_records, lines_of
from eval.judging.questions import candidates_of, item_of, prompt_of, read_data
from swift_plugins.answering.asking import Item, Result, answer_file, answer_items, check_paths
from swift_plugins.answering.models import run_record
from swift_plugins.answering.options import add_engine_options, asking_of
from swift_plugins.core import next_steps
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, encode, sha256_text
from swift_plugins.core.tasks import TASKS
from swift_plugins.core.tasks.candidates import MODES
from swift_plugins.core.tasks.verdicts import LABELS


def judge_file(args: argparse.Namespace) -> int:
    """Judge the rows of --data; 1 if not one of them could be asked."""
    check_apart(args.data, args.out)
    task, rows = read_data(args.data, args.limit)
    asking, safe = asking_of(args), args.candidates == "safe"
    prompt, origin = prompt_of(args.prompt_file, asking, task)
    items = []
    for line, row in rows.values():
        try:
            items.append(item_of(row, args.data.resolve().parent, task, prompt, args.swap, safe))
        except ValueError as error:
            raise ValueError(f"{args.data}:{line}: {error}") from None
    record = run_record(asking, args.data, [row for item in items for row in item.rows])
    record |= {
        "candidates": args.candidates,
        "swap": args.swap,
        "prompt_is": origin,
        "prompt_sha256": sha256_text(prompt),
    }

    def finish(item: Item, results: Sequence[Result], _: float) -> Row:
        return rows[item.id][1] | judgement(item, results, task)

    if (failed := answer_file(items, asking, args.out, record, finish, "judge")) is None:
        return 0
    keep_records(args.data, args.out, len(rows), "judge")
    say(
        f"{len(rows)} rows judged in {args.out} (prompt: {origin})"
        + (f", {failed} of this run with an error" if failed else "")
    )
    if all(row.get("task") in TASKS for _, row in rows.values()):
        next_steps.say(next_steps.after_prediction(args.out, {row["task"] for _, row in rows.values()}))
    return 1 if failed == len(rows) else 0


def judge_one(args: argparse.Namespace) -> int:
    """Judge what the command line holds; 1 if there is no judgement, or the two orders of a pair disagree."""
    given = {"response": args.response, "response_a": args.response_a, "response_b": args.response_b}
    row: Row = {
        "id": "1",
        "label": args.label,
        "image": args.image,
        **{k: v for k, v in given.items() if v is not None},
    }
    task, _ = candidates_of(row)
    asking = asking_of(args)
    prompt, origin = prompt_of(args.prompt_file, asking, task)
    item = item_of(row, Path.cwd(), task, prompt, args.swap, args.candidates == "safe")
    say(f"prompt: {origin}", sys.stderr)
    bad = check_paths(item.rows, asking)
    for path, problem in bad.items():
        raise ValueError(f"{path}: {problem}")
    found = judgement(item, answer_items(asking.start(), [item], bad)[0], task)
    if args.json:
        say(encode(found).decode())
    else:
        for line in lines_of(found):
            say(line)
    return 0 if found.get("judge_score") or found.get("judge_better") else 1


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_engine_options(parser)
    parser.add_argument("--image", help="the image that the reasoning is about")
    parser.add_argument("--label", choices=LABELS, help="what the image is in truth")
    parser.add_argument("--response", help="the reasoning to score")
    parser.add_argument("--response-a", help="the first of two to compare")
    parser.add_argument("--response-b", help="the second of two to compare")
    parser.add_argument("--data", type=Path, help="JSONL of many, instead of --image, --label and --response")
    parser.add_argument("--out", type=Path, help="JSONL to write or continue, with --data")
    parser.add_argument(
        "--prompt-file",
        type=Path,
        help="the judge's prompt, with the slots {ground_truth_label} and "
        "{candidate_response}, or {response_a} and {response_b} (default the one on the checkpoint's "
        "record, else the project's own)",
    )
    parser.add_argument(
        "--candidates",
        choices=MODES,
        default="safe",
        help="how candidates stand in the prompt: safe, only ever text; exact, untouched (default safe)",
    )
    parser.add_argument("--limit", type=whole_number(), help="only so many rows, from all over the file (default all)")
    parser.add_argument("--swap", action="store_true", help="pairs: ask in both orders")
    parser.add_argument("--json", action="store_true", help="print one judgement as JSON")
    args = parser.parse_args(argv)
    if (args.data is None) == (args.image is None):
        parser.error("give either --image, --label and --response (or --response-a and --response-b), or --data")
    if (args.out if args.data else args.label) is None:
        parser.error("--data needs --out" if args.data else "--image needs --label")
    idle = {
        "--json": args.data and args.json,
        "--out": args.image and args.out,
        "--limit": args.image and args.limit,
        "--dry-run": args.image and args.dry_run,
        "--shard": args.image and args.shard,
        "--cache": args.image and args.cache,
        "--swap": args.response is not None and args.swap,
    }
    if flags := [flag for flag, given in idle.items() if given]:
        parser.error(
            f"{flags[0]} has nothing to do here: --json is for one judgement, --swap is for pairs, --out, --limit, "
            "--dry-run, --shard and --cache are for --data"
        )
    return run(judge_one if args.data is None else judge_file, args)


if __name__ == "__main__":
    sys.exit(main())
