"""Write perturbed copies of a test set's images, to see how far a detector's answers hold.

    python eval/perturb.py --data data/fakeclue/test.jsonl --out data/fakeclue_perturbed
    python eval/predict.py --model CKPT --data data/fakeclue_perturbed/test.jsonl --out out.jsonl
    python eval/score.py --pred out.jsonl --out report

Takes a converter's rows of one image each. DIR/test.jsonl holds each row as it is, on its own file, and one row for
every kind and strength, on a PNG in DIR/images: what was lost is lost before, and the file's format tells nothing.
meta.perturbation ("none" for the row itself), meta.strength (0 to 5) and meta.parameter say what was done; all else in
meta, its sizes too, is of the source. Kinds and levels are this project's own, listed in eval/perturbing/kinds.py and
in DIR/manifest.json; images are not turned by their EXIF orientation, as ms-swift does not turn them. The same seed
gives the same files in any order and number of workers. Killed and started again it goes on; rejects.jsonl tells of
every row that could not be made.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.perturbing.copies import examine, outcomes, write_images
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
    variants = [(kind, strength) for kind in args.kinds for strength in args.strengths]
    rows = load(args.data, args.limit, variants)
    settings = settings_of(args, variants)
    with held(args.out):
        begin(args.out, settings)
        sources = examine((row["images"][0] for _, row in rows), args.workers)
        failed = write_images(sources, variants, args)
        found = (
            (line, row_id, result)
            for line, row in rows
            for row_id, result in outcomes(row, sources[row["images"][0]], variants, failed, args.out)
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
                "licence": "the images are altered copies of the source's: its terms hold for them too",
            },
        )
    say(
        f"{counts.total()} rows to {args.out / ROWS}: {len(rows)} source rows x (1 + {len(variants)}), "
        f"{reasons.total()} rejected"
    )
    for reason, n in reasons.most_common():
        say(f"  rejected {n}: {reason}")
    next_steps.say([next_steps.prediction(next_steps.newest_checkpoint(task.NAME), args.out / ROWS, args.out)])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="JSONL of a converter, one image a row")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write or continue")
    parser.add_argument(
        "--kinds",
        type=names_of(list(KINDS), "kind"),
        default=list(KINDS),
        help=f"comma-separated, of {', '.join(KINDS)} (default all)",
    )
    parser.add_argument(
        "--strengths",
        type=names_of(STRENGTHS, "strength"),
        default=list(STRENGTHS),
        help="comma-separated, from 1, mild, to 5 (default all)",
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="for the noise (default 0)")
    parser.add_argument(
        "--limit", type=whole_number(), help="only this many source rows, from all over each label's (default all)"
    )
    parser.add_argument("--workers", type=whole_number(), default=os.cpu_count() or 1, help="processes (default all)")
    return run(perturb_file, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
