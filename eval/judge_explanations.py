"""Have a judge score explanations against the written ones, 0, 0.5 or 1, by DeepTraceReward's prompt (appendix D).

    python eval/judge_explanations.py --backend openai --base-url https://api.openai.com/v1 --model gpt-4.1 \\
        --data out.jsonl --out judged.jsonl
    python eval/score.py --pred judged.jsonl --out report

--data are predictions (eval/predict.py) of deeptrace, fakevlm or dfj_reason; judged are the answers that explain what
people wrote an explanation of, for deeptrace of fake videos alone. Each row comes back with its explanation_score, with
which score.py has `explanation` and `overall`; one to which the judge gave no score has explanation_unscored, is left
out there and counted, and is 0 in the strict values beside. A rerun continues; --retry-errors asks again where the
judge failed. Explanations are only ever text (--candidates safe): what could end
their quotation, begin another heading, be a tag or a special token is written differently. OUT.explanations.json says
who judged, when and how. The key of a server comes from OPENAI_API_KEY.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.judging.explanations import PROMPT_IS, RECORD, day_of, item_of, judged
from eval.judging.judgements import check_apart, keep_records
from swift_plugins.answering.asking import Item, Result, answer_file
from swift_plugins.answering.models import run_record
from swift_plugins.answering.options import add_engine_options, asking_of
from swift_plugins.core import next_steps
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, read_rows, sha256_text, spread
from swift_plugins.core.tasks import explanation
from swift_plugins.core.tasks.candidates import MODES

if TYPE_CHECKING:
    from eval.scorers.rows import Predictions

TASKS = ("deeptrace", "fakevlm", "dfj_reason")  # whose answers explain, and whose rows hold a written explanation


def read_pairs(args: argparse.Namespace) -> tuple[Predictions, dict[str, tuple[Row, tuple[str, str] | None]]]:
    """(the predictions, id -> (row, its written and answered explanation where there are both))."""
    from eval.scorers.explanations import has_pair
    from eval.scorers.rows import read_predictions

    found = read_predictions(args.data, None, args.grammar)
    if found.task.NAME not in TASKS:
        raise ValueError(f"{args.data}: answers of {found.task.NAME} have no explanation: {', '.join(TASKS)} have")
    some = [found.cases[i] for i in spread(len(found.cases), args.limit)]
    return found, {
        case.row["id"]: (case.row, (case.written, case.explanation) if has_pair(case) else None) for case in some
    }


def judge(args: argparse.Namespace) -> int:
    """Judge the explanations of --data; 1 if there are some and not one of them could be asked."""
    check_apart(args.data, args.out)
    found, pairs = read_pairs(args)
    asking = asking_of(args)
    items = [item_of(row, pair, args.repeats, args.candidates == "safe") for row, pair in pairs.values()]
    record = run_record(asking, args.data, [row for item in items for row in item.rows]) | {
        "date": day_of(args.out.with_name(f"{args.out.name}.{RECORD}.json")),
        "grammar": found.grammar,
        "candidates": args.candidates,
        "repeats": args.repeats,
        "prompt_is": PROMPT_IS,
        "prompt_sha256": sha256_text(explanation.PROMPT),
    }

    def finish(item: Item, results: Sequence[Result], _: float) -> Row:
        row, pair = pairs[item.id]
        return judged(row, pair is not None, item, results)

    if answer_file(items, asking, args.out, record, finish, RECORD) is None:
        return 0
    keep_records(args.data, args.out, len(pairs), RECORD)
    wanted = {row_id for row_id, (_, pair) in pairs.items() if pair}
    scores = [row.get("explanation_score") for _, row in read_rows(args.out) if row["id"] in wanted]
    scored = [score for score in scores if score is not None]
    said = f", mean {100 * sum(scored) / len(scored):.1f}" if scored else ""
    say(
        f"{len(pairs)} rows in {args.out}: {len(scores)} explanations to judge, {len(scored)} scored{said}, "
        f"{len(scores) - len(scored)} unscored"
    )
    next_steps.say(next_steps.after_prediction(args.out, {found.task.NAME}, grammar=args.grammar))
    return 1 if scores and not scored else 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_engine_options(parser)
    parser.add_argument("--data", type=Path, required=True, help="JSONL of eval/predict.py")
    parser.add_argument("--out", type=Path, required=True, help="JSONL to write or continue")
    parser.add_argument(
        "--grammar", help="how the answers are written, as for eval/score.py (default what the file was asked for)"
    )
    parser.add_argument(
        "--repeats",
        type=whole_number(),
        default=1,
        help="judge each explanation so many times, which differ where --temperature is above 0: its score is the "
        "median, of an even number the lower one, and the report has Krippendorff's alpha (default 1)",
    )
    parser.add_argument(
        "--candidates",
        choices=MODES,
        default="safe",
        help="how explanations stand in the prompt: safe, only ever text; exact, untouched (default safe)",
    )
    parser.add_argument("--limit", type=whole_number(), help="only so many rows, from all over the file (default all)")
    return run(judge, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
