"""Convert LOKI's image and video questions to ms-swift JSONL, all of them for testing.

    python converters/loki_to_swift.py --src LOKI --out data/loki
    python converters/loki_to_swift.py --src LOKI --out data/loki_fakevlm --question fakevlm

--src holds image/*.json and video/*.json; the media may lie beside, above or in media_data. Writes to --out, for the
files found: {image,video}/{true_or_false,multi_choice}/test.jsonl and image/open_ended/test.jsonl with LOKI's own
questions, or with --question fakevlm each image or video once with the question that FakeVLM was tested with:
those of true_or_false in {image,video}/fakevlm/test.jsonl, those of open_ended, with what people wrote of them, in
image/fakevlm_described/test.jsonl. manifest.json and rejects.jsonl tell of all of them.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.audit import audit_lines
from converters.conversion.command import argument_parser
from converters.conversion.output import Output
from converters.layouts.loki import LICENCE, Malformed, Part, Raw, add_classes, find_subsets, read_subset
from converters.layouts.loki_media import Library, clusters
from converters.rows.loki import DATASET, medium_row, question_row
from swift_plugins.core.commands import run
from swift_plugins.core.records import sha256_text
from swift_plugins.core.tasks import fakevlm, loki_mc, loki_open, loki_tf

PROMPT_IS = {
    loki_tf: "the dataset's, kept to the letter, and the last line that its released evaluation adds",
    loki_mc: "the dataset's, kept to the letter, and the choices and the last line that its released evaluation adds",
    loki_open: "the dataset's, kept to the letter",
}
Job = tuple[str, Raw | Malformed, Callable[[], dict[str, Any]]]  # split, what its row is made of, what makes the row


# ------------------------------------------------------------------------------------------------------------- the rows


# ------------------------------------------------------------------------------------------------------------ the files


def own_questions(parts: list[Part], library: Library) -> Iterator[Job]:
    """Each question to its subset's file."""
    for part in parts:
        of_pair = clusters(raw.media for raw in part.good)
        for raw in part.rows:
            if isinstance(raw, Malformed):
                yield f"{part.name}/test", raw, dict
            else:
                cluster = of_pair.get(raw.media[0], raw.media[0])
                yield f"{part.name}/test", raw, partial(question_row, part, raw, cluster, library)


def questions_of(parts: list[Part]) -> dict[str, dict[str, list[Raw]]]:
    """subset -> each of its media once, in order -> all the questions about it in any of the subsets."""
    found: dict[tuple[str, str], list[Raw]] = {}
    for part in parts:
        for raw in part.good:
            found.setdefault((part.subset.medium, raw.media[0]), []).append(raw)
    return {part.name: {raw.media[0]: found[part.subset.medium, raw.media[0]] for raw in part.good} for part in parts}


def fakevlm_questions(parts: list[Part], asked: dict[str, dict[str, list[Raw]]], library: Library) -> Iterator[Job]:
    """Each image and each video once in the file of its subset, by what questions_of found."""
    for part in parts:
        name = fakevlm_name(part)
        for raw in (raw for raw in part.rows if isinstance(raw, Malformed)):
            yield f"{name}/test", raw, dict
        for raws in asked[part.name].values():
            yield f"{name}/test", raws[0], partial(medium_row, raws, name, part.subset.medium, library)


def fakevlm_name(part: Part) -> str:
    """The file of a subset's media with FakeVLM's question."""
    return f"{part.subset.medium}/{'fakevlm_described' if part.subset.task is loki_open else 'fakevlm'}"


def write(output: Output, jobs: Iterator[Job]) -> None:
    """Write or reject each row; ValueError where none is left."""
    first = None
    for split, raw, make in jobs:
        try:
            if isinstance(raw, Malformed):
                raise ValueError(raw.reason)
            output.row(split, make())
        except ValueError as error:
            first = first or f"{raw.where}: {error}"
            output.reject(raw.where, raw.id, str(error))
    if not output.rows:
        raise ValueError(f"no usable row; the first one: {first}")


def facts_of(part: Part) -> dict[str, Any]:
    """What the manifest tells of a file with LOKI's own questions."""
    task, prompts = part.subset.task, list(part.prompts)
    return {
        "task": task.NAME,
        "task_version": task.VERSION,
        "rows_in": len(part.rows),
        "published_rows": part.subset.rows,
        "published_media": part.subset.media,
        "media": len(part.media),
        "prompts": prompts,
        "prompt_sha256": [sha256_text(prompt) for prompt in prompts],
        "prompt_is": PROMPT_IS[task],
    }


def fakevlm_facts(part: Part, asked: dict[str, list[Raw]]) -> dict[str, Any]:
    """The same of one with FakeVLM's question: how many source rows, of any subset, how many of its media have."""
    merged = Counter(len(raws) for raws in asked.values())
    medium = part.subset.medium
    prompt = fakevlm.QUESTIONS[medium]
    return {
        "task": fakevlm.NAME,
        "task_version": fakevlm.VERSION,
        "source_rows": {part.name: len(part.rows)},
        "media": merged.total(),
        "media_by_source_rows": dict(sorted(merged.items())),
        "prompts": [prompt],
        "prompt_sha256": [sha256_text(prompt)],
        "prompt_is": "FakeVLM's and FakeClue's" if medium == "image" else "the project's own, after FakeVLM's",
    }


def convert(args: argparse.Namespace) -> None:
    own = args.question == "loki"
    subsets = {name: s for name, s in find_subsets(args.src).items() if own or s.task is not loki_mc}
    parts = [Part(name, subset, read_subset(args.src, subset, args.limit)) for name, subset in subsets.items()]
    add_classes(parts)
    library = Library(args.src, parts, args.check, args.workers)
    asked = questions_of(parts)
    names = [part.name if own else fakevlm_name(part) for part in parts]
    output = Output(args.out, tuple(f"{name}/test" for name in names))
    with output.open():
        write(output, own_questions(parts, library) if own else fakevlm_questions(parts, asked, library))
    made = (facts_of(part) if own else fakevlm_facts(part, asked[part.name]) for part in parts)
    facts = {
        name: found | {"rows_out": sum(output.counts(f"{name}/test").values())}
        for name, found in zip(names, made, strict=True)
    }
    written = [raw for part in parts if part.subset.task is loki_open for raw in part.good]
    shared = [
        {"subsets": [a.name, b.name], "media": len(a.media & b.media)}
        for a, b in combinations(parts, 2)
        if a.media & b.media
    ]
    manifest = output.manifest(
        {part.subset.path: args.src / part.subset.path for part in parts},
        {key: value for key, value in vars(args).items() if key not in ("src", "out", "workers")},
        dataset=DATASET,
        subsets=facts,
        media_root=str(library.root),
        media_checked=args.check,
        media_missing=library.missing,
        image_audit=library.audit(),
        descriptions={
            "all": sum(raw.descriptions for raw in written),
            "with_translator_remarks": sum(raw.translator_remarks for raw in written),
        },
        leakage={"note": "every file is for testing; a medium may be in several", "shared": shared},
        licence=LICENCE,
    )
    report(args, manifest)


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    """Print what was written, and what deserves a look."""
    print(
        f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} rejected "
        f"(of {manifest['rows_in']}); media in {manifest['media_root']}, checked: {args.check}"
    )
    for name, facts in manifest["subsets"].items():
        counts = manifest["counts"][f"{name}/test"]
        print(
            f"  {name:23} {facts['rows_out']} rows, {facts['media']} media: "
            + ", ".join(f"{n} {label}" for label, n in counts.items())
        )
        wanted = facts.get("published_rows", 0)
        if not args.limit and 0 < abs(wanted - facts.get("rows_in", 0)) <= wanted // 10:
            print(f"  count differs: {name} has {facts['rows_in']} rows, published are {wanted}")
    for reason, n in manifest["reject_reasons"].items():
        print(f"  rejected {n}: {reason}")
    if n := manifest["descriptions"]["with_translator_remarks"]:
        print(
            f"  note: {n} of {manifest['descriptions']['all']} descriptions hold the words of whoever translated "
            'them ("The text translates to: …"); they are kept, and their rows say so'
        )
    for line in audit_lines(manifest["image_audit"]):
        print(f"  {line}")
    if args.check == "none" and manifest["media_missing"]:
        print(f"note: {manifest['media_missing']} media are not there")


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/LOKI", "data/loki", check="header")
    parser.add_argument(
        "--question",
        choices=("loki", "fakevlm"),
        default="loki",
        help="what is asked: loki, the dataset's own questions; fakevlm, FakeVLM's, of each image and "
        "video once (default loki)",
    )
    return run(convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
