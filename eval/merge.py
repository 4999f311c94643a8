"""Put the shards of a run together: one output, with its record, as a run without --shard writes it.

    python eval/predict.py --model CKPT --data test.jsonl --out out.jsonl --shard 1/8    (and 2/8 … 8/8, anywhere)
    python eval/merge.py --out out.jsonl

Reads out.1-of-8.jsonl … out.8-of-8.jsonl with their records, of eval/predict.py, judge.py or injection.py. Writes
nothing unless all are there and whole, of one run (same data, model and settings), with no row missing or there twice.
The shards stay; the same command without --shard then finds every row answered, and does what it does after that.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from swift_plugins.answering.shards import merge
from swift_plugins.core import next_steps
from swift_plugins.core.commands import run
from swift_plugins.core.printable import say


def put_together(args: argparse.Namespace) -> None:
    rows, record, shards = merge(args.out)
    say(f"{rows} rows of {shards} shards in {args.out}")
    next_steps.say(next_steps.after_prediction(args.out, record["tasks"]))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the output that the shards were given as --out")
    return run(put_together, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
