"""Write perturbed copies of a test set's images and videos, to see how far a detector's answers hold.

    python eval/perturb.py --data data/fakeclue/test.jsonl --out data/fakeclue_perturbed
    python eval/predict.py --model CKPT --data data/fakeclue_perturbed/test.jsonl --out out.jsonl
    python eval/score.py --pred out.jsonl --out report

Takes a converter's rows of one image or one video each. DIR/test.jsonl holds each row as it is, on its own file, and
one row for every kind and strength, on a PNG in DIR/images or an MP4 in DIR/videos. meta.perturbation ("none" for the
row itself), meta.strength (0 to 5) and meta.parameter say what was done. Kinds and levels are this project's own,
listed in eval/perturbing/kinds.py and clips.py and in DIR/manifest.json. The same seed gives the same files in any
order and number of workers. Killed and started again it goes on; rejects.jsonl tells of every row that could not be
made.

Images: what was lost is lost before the PNG, and the file's format tells nothing. The sizes in meta are the source's.
They are not turned by their EXIF orientation, as ms-swift does not turn them.
Videos: every copy is H.264 by the same settings, upright and without sound, so h264 at strength 1 is a canonical
encoding of all. Frames keep their times, so that an onset stays true. Size, rate, length and box, in meta and in the
answer, are the copy's. Where a crop leaves less than half of a box, the truth is the verdict alone (meta.trace says
"cropped away"), and neither box nor onset nor explanation is scored; the others' boxes are clipped.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.perturbing.clips import CLIP_KINDS, NAMES
from eval.perturbing.copies import examine, look_at, outcomes, path_of, variants_of, write_copies
from eval.perturbing.kinds import KINDS, STRENGTHS
from eval.perturbing.rows import MANIFEST, ROWS, begin, load, settings_of, write_rows
from swift_plugins.core import next_steps
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.locks import held
from swift_plugins.core.names import names_of
from swift_plugins.core.printable import say
from swift_plugins.core.records import sha256_file, write_json
from swift_plugins.core.tasks import get_task


def perturb_file(args: argparse.Namespace) -> None:
    rows = load(args)
    settings = settings_of(args, any(row.get("videos") for _, row in rows))
    with held(args.out):
        begin(args.out, settings)
        bare = [row for _, row in rows]
        sources = examine(bare, args.workers)
        failed, seen = write_copies(bare, sources, args), look_at(bare, sources, args)
        found = (
            (line, row_id, result)
            for line, row in rows
            for row_id, result in outcomes(
                row, sources[path_of(row)], variants_of(row, args.kinds, args.strengths), failed, seen, args.out
            )
        )
        counts, reasons = write_rows(found, args)
        task = get_task(rows[0][1]["task"])
        by_kind: dict[str, dict[str, int]] = {}
        for (kind, label), n in counts.items():
            by_kind.setdefault(kind, {})[label] = n
        write_json(
            args.out / MANIFEST,
            {
                "rows_in": len(rows),
                "rows_out": counts.total(),
                "rows_rejected": reasons.total(),
                "reject_reasons": dict(reasons.most_common()),
                "counts": by_kind,
                **settings,
                "files": {ROWS: sha256_file(args.out / ROWS)},
                "task": task.NAME,
                "task_version": task.VERSION,
                "media_checked": "decode",
                "licence": "images and videos are altered copies of the source's: its terms hold for them too",
            },
        )
    say(
        f"{counts.total()} rows to {args.out / ROWS}: of {len(rows)} source rows, each clean and perturbed, "
        f"{reasons.total()} rejected"
    )
    for reason, n in reasons.most_common():
        say(f"  rejected {n}: {reason}")
    next_steps.say([next_steps.prediction(next_steps.newest_checkpoint(task.NAME), args.out / ROWS, args.out)])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="JSONL of a converter, one image or video a row")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write or continue")
    parser.add_argument(
        "--kinds",
        type=names_of(NAMES, "kind"),
        help=f"comma-separated, for images of {', '.join(KINDS)}, for videos of {', '.join(CLIP_KINDS)} (default all "
        "of the rows' media)",
    )
    parser.add_argument(
        "--strengths",
        type=names_of(STRENGTHS, "strength"),
        default=list(STRENGTHS),
        help="comma-separated, from 1, mild, to 5 (default all)",
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="for noise and moiré (default 0)")
    parser.add_argument(
        "--limit", type=whole_number(), help="only this many source rows, from all over each label's (default all)"
    )
    parser.add_argument("--workers", type=whole_number(), default=os.cpu_count() or 1, help="processes (default all)")
    return run(perturb_file, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
