"""Make data that train a judge of reasoning, with models: rationales of five levels, rated, refined and paraphrased.

    python converters/make_judge_data.py --data data/deepfakejudge/reason/test.jsonl --out data/judge \\
        --generator qwen2.5-vl-72b@http://127.0.0.1:8000/v1 --evaluator internvl3-78b@http://127.0.0.1:8001/v1

--data are rows of ours on images whose label is known and that hold a written reasoning or explanation: those of
dfj-reason, or of folder_to_swift.py with a table of one's own. A generator writes a rationale of each level, an
evaluator rates it without knowing the level, and what is rated otherwise is written anew with its feedback; what is
accepted is paraphrased. Writes {pointwise,pairwise}/{train,val,test}.jsonl, split by image, manifest.json and
rejects.jsonl to --out, and the same rows in published/, as deepfakejudge_to_swift.py reads them. Every reply stands in
calls.jsonl before it is used: a killed run goes on, and a later one with other limits takes over what it can. Models
are named NAME@URL, the address of a server with OpenAI's protocol (`swift deploy` is one); its key is in
OPENAI_API_KEY.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.reporting import report_rejects
from converters.conversion.sources import Sourced, unusable
from converters.conversion.splitting import divided, shares
from converters.factories.calls import Source
from converters.factories.grading import EVALUATOR, GENERATOR, LEVELS, PARAPHRASER, Case, Graded, Rules, graded
from converters.factories.judge_files import judged_rows, rejects_of, subset_facts, write_judged
from converters.factories.judge_rows import deduplicated, figures
from converters.factories.models import Model, model, same_family
from converters.factories.prompts import prompt_facts, prompts_below
from converters.factories.replies import prose
from converters.factories.running import (
    Asked,
    Pictured,
    add_factory_options,
    holding,
    read_pictured,
    report_calls,
    run_jobs,
    warn,
)
from swift_plugins.answering.options import shard_to_do
from swift_plugins.core import next_steps
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.printable import say
from swift_plugins.core.tables import worded
from swift_plugins.core.tasks.verdicts import LABELS

RECORDED = ("limit", "threshold", "rounds", "paraphrases", "similarity", "pairs", "split", "seed", "tries", "judge")
LICENCE = "The images and labels keep the terms of their source, the rationales those of the models that wrote them."


def case_of(of: Pictured) -> Case:
    """The image with its label and gold; ValueError for a row without them."""
    meta = of.row["meta"]
    if (label := meta.get("label")) not in LABELS:
        raise ValueError(f"label: must be one of {', '.join(LABELS)}, got {label!r:.40}")
    written = [worded(text) for key in ("reasoning", "explanation") if isinstance(text := meta.get(key), str)]
    if not any(written):
        raise ValueError("gold: the row's meta holds neither a reasoning nor an explanation")
    source = meta.get("source")
    gold = prose(next(filter(None, written)))
    return Case(of.where, of.row["id"], of.image, of.sha256, label, gold, source if isinstance(source, str) else "")


def read_cases(args: argparse.Namespace) -> tuple[list[tuple[Case, Pictured]], list[Sourced[Any]]]:
    """(the images to reason about, the rows that tell of none)."""
    pictured, bad = read_pictured(args)
    cases, out = [], [unusable(where, name, "", reason) for where, name, reason in bad]
    for of in pictured:
        try:
            cases.append((case_of(of), of))
        except ValueError as error:
            out.append(unusable(of.where, of.row["id"], "", str(error)))
    if not cases:
        raise ValueError(f"{args.data}: no image to reason about; the first row: {out[0].where}: {out[0].reason}")
    return cases, out


def jobs_of(case: Case, of: Pictured, rules: Rules) -> list[Source]:
    """A job for each level of an image."""
    return [
        Source(f"{case.id}/{level}", case.image, case.sha256, of.size, functools.partial(graded, case, level, rules))
        for level in LEVELS
    ]


def split_of(cases: Sequence[Case], args: argparse.Namespace) -> list[str]:
    """The split of each case; those of one image are in one."""
    return divided([case.label for case in cases], [[case.sha256] for case in cases], args.split, args.seed)[0]


def write(args: argparse.Namespace, asked: Asked, cases: Sequence[Case], out: list[Sourced[Any]]) -> dict[str, Any]:
    """Put the rows in place and the manifest beside them; returns it."""
    done: list[Graded] = [*asked.results.values()]
    doubled = deduplicated(done)
    parts = dict(zip((case.id for case in cases), split_of(cases, args), strict=True))
    rows = judged_rows(done, parts, args.pairs, args.seed)
    output = write_judged(args.out, rows, [*out, *rejects_of(done, doubled)])
    models = models_of(args)
    return output.manifest(
        {args.data.name: args.data},
        {name: str(getattr(args, name)) for name in RECORDED},
        subsets={name: subset_facts(name, some) for name, some in rows.items()},
        models={role: of.name for role, of in models.items()},
        of_the_judges_family=same_family(models, args.judge),
        prompts=prompt_facts(prompts_below("grading")),
        calls=asked.facts(),
        grading=figures(done) | {"duplicates_taken_out": len(doubled)},
        images=len({case.sha256 for case in cases}),
        media_checked=args.check,
        licence=LICENCE,
    )


def report(args: argparse.Namespace, manifest: Mapping[str, Any], asked: Asked) -> None:
    say(f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} rationales and rows rejected")
    for name, facts in manifest["subsets"].items():
        say(f"  {name:15} {sum(manifest['counts'][name].values())} rows, {facts['images']} images")
    report_rejects(manifest)
    grading = manifest["grading"]
    say(f"  accepted: {100 * (grading['acceptance'] or 0):.0f} % of the rationales")
    for level, facts in grading["levels"].items():
        rated = grading["confusion_intended_by_rated"]["first"][level]
        after = ", ".join(f"{n} after {k}" for k, n in facts["accepted_after_ratings"].items())
        said = ", ".join(f"{n} as {score}" for score, n in rated.items())
        of = f"{facts['accepted']} of {facts['images']}"
        say(f"  level {level}: {of} accepted ({after or 'none'}); first rated {said}")
    report_calls(asked.tallies, models_of(args))


def models_of(args: argparse.Namespace) -> dict[str, Model]:
    return {
        GENERATOR: args.generator,
        EVALUATOR: args.evaluator or args.generator,
        PARAPHRASER: args.paraphraser or args.generator,
    }


def make(args: argparse.Namespace) -> None:
    args.shard = shard_to_do(args.shard)
    models = models_of(args)
    warn(same_family(models, args.judge), args.judge)
    rules = Rules(args.threshold, args.rounds, args.paraphrases, args.similarity, args.seed)
    cases, out = read_cases(args)
    if args.shard is None:
        split_of([case for case, _ in cases], args)  # or why there is none, before anybody is asked
    with holding(args):
        asked = run_jobs(args, models, [jobs_of(case, of, rules) for case, of in cases], "rationale")
        if asked is None:
            return
        manifest = write(args, asked, [case for case, _ in cases], out)
    report(args, manifest, asked)
    next_steps.say(next_steps.after_conversion(args.out, manifest["counts"]))


def percents(text: str) -> tuple[int, int]:
    """A type for argparse: 20:95."""
    found = re.fullmatch(r"(\d{1,3}):(\d{1,3})", text)
    if not found or not int(found[1]) <= int(found[2]) <= 100:
        raise argparse.ArgumentTypeError(f"must be LEAST:MOST percent, such as 20:95, got {text!r}")
    return int(found[1]), int(found[2])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_factory_options(parser, "rows of ours, on images with a label and a gold rationale", "data/judge")
    parser.add_argument("--generator", type=model, required=True, help="writes the rationales, NAME@URL")
    parser.add_argument("--evaluator", type=model, help="rates them, NAME@URL (default the generator)")
    parser.add_argument("--paraphraser", type=model, help="says them in other words, NAME@URL (default the generator)")
    parser.add_argument(
        "--judge",
        default="Qwen2.5-VL",
        help="the base of the judge to be trained: a model of its family above is warned of (default Qwen2.5-VL)",
    )
    parser.add_argument(
        "--threshold", type=whole_number(0), default=0, help="how far a rating may be from its level (default 0)"
    )
    parser.add_argument(
        "--rounds", type=whole_number(0), default=3, help="how often one is written anew at most (default 3)"
    )
    parser.add_argument("--paraphrases", type=whole_number(0), default=4, help="of each that is accepted (default 4)")
    parser.add_argument(
        "--similarity",
        type=percents,
        default=(20, 95),
        help="least and most percent of its words that a paraphrase has in common (default 20:95)",
    )
    parser.add_argument(
        "--pairs", type=whole_number(), help="pairs of each image, drawn (default all levels' pairs, by variant)"
    )
    parser.add_argument("--split", type=shares, default=shares("8:0:2"), help="train:val:test (default 8:0:2)")
    return run(make, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
