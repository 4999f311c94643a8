"""Annotate images with what shows that they are real or fake, with models: three captioners and an aggregator.

    python converters/annotate_images.py --data data/photos/train.jsonl --out data/annotated \\
        --captioner qwen2-vl-72b@http://127.0.0.1:8000/v1 --captioner internvl3-78b@http://127.0.0.1:8001/v1 \\
        --captioner deepseek-vl2@http://127.0.0.1:8002/v1 --aggregator qwen2-vl-72b@http://127.0.0.1:8000/v1

--data are rows of ours whose label is known, such as folder_to_swift.py makes of folders of images. Of one of 14
prompts, by label and category, each captioner is asked what it sees; the aggregator puts together what is about the
same, and kept is what two of them saw, or what is critical. Writes {train,val,test}.jsonl, by the split of the rows,
manifest.json and rejects.jsonl to --out, and the same in published/, as fakeclue_to_swift.py reads it. Every reply
stands in calls.jsonl before it is used: a killed run goes on. Models are named NAME@URL, the address of a server with
OpenAI's protocol (`swift deploy` is one); its key is in OPENAI_API_KEY.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.reporting import report_rejects
from converters.conversion.sources import Sourced, unusable
from converters.conversion.splitting import PARTS
from converters.factories.agreement import agreement, generic
from converters.factories.annotation_files import write_annotated
from converters.factories.calls import Source
from converters.factories.captions import AGGREGATOR, CAPTIONERS, CATEGORIES, Account, Case, annotated, caption_prompt
from converters.factories.categories import classify
from converters.factories.models import Model, model
from converters.factories.prompts import prompt_facts, prompts_below
from converters.factories.running import (
    Asked,
    Pictured,
    add_factory_options,
    files_of,
    holding,
    read_pictured,
    report_calls,
    run_jobs,
)
from swift_plugins.answering.options import shard_to_do
from swift_plugins.core import next_steps
from swift_plugins.core.commands import run
from swift_plugins.core.printable import say
from swift_plugins.core.records import sha256_text
from swift_plugins.core.tasks import fakevlm
from swift_plugins.core.tasks.verdicts import FOLD

RECORDED = ("limit", "category", "classifier", "high_quality", "tries")
LICENCE = "The images and labels keep the terms of their source, the explanations those of the models that wrote them."


def read_cases(args: argparse.Namespace) -> tuple[list[Case], list[Sourced[Any]]]:
    """(the images to annotate, the rows that tell of none)."""
    pictured, bad = read_pictured(args)
    out = [unusable(where, name, "", reason) for where, name, reason in bad]
    unknown = [of for of in pictured if of.row["meta"].get("category") not in CATEGORIES]
    sorted_out: dict[str, tuple[str, float]] = {}
    if unknown and args.classifier and not (args.category or args.dry_run):
        sorted_out = classify(args.classifier, unknown, files_of(args, "categories"))
    cases = []
    for of in pictured:
        try:
            cases.append(case_of(of, args, sorted_out))
        except ValueError as error:
            out.append(unusable(of.where, of.row["id"], "", str(error)))
    if not cases:
        raise ValueError(f"{args.data}: no image to annotate; the first row: {out[0].where}: {out[0].reason}")
    return cases, out


def case_of(of: Pictured, args: argparse.Namespace, sorted_out: Mapping[str, tuple[str, float]]) -> Case:
    """The image with its label and category; ValueError for a row without them."""
    meta = of.row["meta"]
    if (label := meta.get("label")) not in FOLD:
        raise ValueError(f"label: must be one of {', '.join(FOLD)}, got {label!r:.40}")
    category = meta.get("category") if meta.get("category") in CATEGORIES else args.category
    if category is None and args.classifier and args.dry_run:
        category = "object"
    if category is None:
        category = sorted_out.get(of.row["id"], (None,))[0]
    if category is None:
        raise ValueError("category: the row tells none of FakeClue's seven; give one by --category or --classifier")
    split, source = meta.get("split"), meta.get("source")
    source = source if isinstance(source, str) else ""
    unseen = FOLD[label] == "fake" and source in args.high_quality.split(",")
    split = split if split in PARTS else "train"
    return Case(of.where, of.row["id"], of.image, of.sha256, of.size, FOLD[label], category, source, split, unseen)


def write(args: argparse.Namespace, asked: Asked, out: Sequence[Sourced[Any]]) -> dict[str, Any]:
    """Put the rows in place and the manifest beside them; returns it."""
    accounts: list[Account] = [*asked.results.values()]
    output = write_annotated(args.out, accounts, out)
    return output.manifest(
        {args.data.name: args.data},
        {name: str(getattr(args, name)) for name in RECORDED},
        task=fakevlm.NAME,
        task_version=fakevlm.VERSION,
        prompt=fakevlm.QUESTION,
        prompt_sha256=sha256_text(fakevlm.QUESTION),
        models={role: of.name for role, of in models_of(args).items()},
        prompts=prompt_facts(prompts_below("captions")),
        asked_by=dict(Counter(asked_by(account) for account in accounts).most_common()),
        calls=asked.facts(),
        agreement=agreement(accounts),
        nothing_seen=sum(account.unseen for account in accounts),
        generic_explanations=generic(accounts),
        media_checked=args.check,
        licence=LICENCE,
    )


def asked_by(account: Account) -> str:
    """The names of the prompt and of the focal points by which an image was asked about at last."""
    case = account.case
    return " + ".join(part.name for part in caption_prompt(case.verdict, case.category, account.special))


def report(args: argparse.Namespace, manifest: Mapping[str, Any], asked: Asked) -> None:
    say(f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} rejected (of {manifest['rows_in']})")
    for split, counts in manifest["counts"].items():
        say(f"  {split:5} {', '.join(f'{n} {label}' for label, n in counts.items())}")
    report_rejects(manifest)
    for family, of in manifest["agreement"]["families"].items():
        once, kept = of.get("seen_by_1", 0), of.get("kept", 0)
        say(f"  {family:10} {of['agreed_percent']} % seen by two or three; {kept} kept, {once} seen by one alone")
    if n := manifest["nothing_seen"]:
        say(f"  {n} fakes without an artifact that two captioners see: their answer is the bare verdict")
    found = manifest["generic_explanations"]
    for sentence, n in [*found["sentences"].items()][:3]:
        say(f"  generic: under {n} of {found['images_explained']} images: {sentence[:80]}")
    report_calls(asked.tallies, models_of(args))


def models_of(args: argparse.Namespace) -> dict[str, Model]:
    return dict(zip(CAPTIONERS, args.captioner, strict=True)) | {AGGREGATOR: args.aggregator or args.captioner[0]}


def make(args: argparse.Namespace) -> None:
    args.shard = shard_to_do(args.shard)
    with holding(args):
        cases, out = read_cases(args)
        sources = [
            [Source(case.id, case.image, case.sha256, case.size, functools.partial(annotated, case))] for case in cases
        ]
        asked = run_jobs(args, models_of(args), sources, "image")
        if asked is None:
            return
        manifest = write(args, asked, out)
    report(args, manifest, asked)
    next_steps.say(next_steps.after_conversion(args.out, manifest["counts"]))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_factory_options(parser, "rows of ours on images, with a label", "data/annotated")
    parser.add_argument(
        "--captioner", type=model, action="append", required=True, help="a model that is asked what it sees; give three"
    )
    parser.add_argument(
        "--aggregator", type=model, help="puts together what they saw, NAME@URL (default the first captioner)"
    )
    parser.add_argument("--category", choices=[*CATEGORIES], help="of the rows that tell none of these (default none)")
    parser.add_argument(
        "--classifier",
        type=Path,
        help="folder of a CLIP or SigLIP of transformers, which finds the category of such rows: animal, object, human "
        "or scene (default none)",
    )
    parser.add_argument(
        "--high-quality",
        default="",
        help="sources, divided by commas, whose fakes are asked about by the prompt for images without visible "
        "artifacts at once; others are where the captioners agree on none (default none)",
    )
    args = parser.parse_args(argv)
    if len(args.captioner) != len(CAPTIONERS) or len({of.name for of in args.captioner}) < len(CAPTIONERS):
        parser.error("give --captioner three times, each another model: what one model says twice is no agreement")
    return run(make, args)


if __name__ == "__main__":
    sys.exit(main())
