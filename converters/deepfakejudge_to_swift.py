"""Convert DeepfakeJudge-Dataset to ms-swift JSONL: every subset that is there, each to its own file.

    python converters/deepfakejudge_to_swift.py --src DeepfakeJudge-Dataset --out data/deepfakejudge

Writes to --out, for the subsets found: detect/test.jsonl, reason/test.jsonl and, for pointwise and pairwise judging,
{pointwise,pairwise}/{train,test,human}.jsonl; manifest.json and rejects.jsonl tell of all of them. Prompts and answers
of the dataset are kept to the letter. A training image that is in a test set of the same task (by its content) is left
out of training.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.audit import audit_images, audit_lines
from converters.conversion.command import argument_parser
from converters.conversion.media import MediaFolders, check_files, hash_files, image_size
from converters.conversion.output import Output
from converters.conversion.sources import checked_row
from converters.layouts.deepfakejudge import LICENCE, SUBSETS, Fields, Raw, Subset, find_root, read_raw
from converters.rows.deepfakejudge import CANDIDATES, detected, judged
from converters.rows.judge_prompts import Recovered, recover_prompt
from swift_plugins.core.commands import run
from swift_plugins.core.media import Media
from swift_plugins.core.records import scan_rows, sha256_text, spread
from swift_plugins.core.tasks import dfj_pairwise, get_task
from swift_plugins.core.tasks.verdicts import FOLD


@dataclass
class Part:
    """One subset while it is converted: its rows or why there is none, by line, and what is known of the images."""

    name: str
    subset: Subset
    file: Path
    fields: Fields
    rows: dict[int, Raw | str]
    prompt: Recovered | None = None
    paths: dict[str, str] = field(default_factory=dict)  # image -> absolute path, or why there is none

    @property
    def good(self) -> list[Raw]:
        return [raw for raw in self.rows.values() if isinstance(raw, Raw)]


def load(root: Path, name: str, subset: Subset, limit: int | None) -> Part:
    """Read one subset; ValueError where none of its rows has what its task needs."""
    file = root / subset.path
    lines = list(scan_rows(file))
    objects = [row for _, row in lines if isinstance(row, dict)]
    if not objects:
        raise ValueError(f"{file}: no row that is a JSON object" + (f"; {lines[0][1]}" if lines else ""))
    part = Part(name, subset, file, Fields(str(file), subset.task, objects), {})
    for line, row in (lines[i] for i in spread(len(lines), limit)):
        try:
            part.rows[line] = row if isinstance(row, str) else read_raw(line, row, part.fields)
        except ValueError as error:
            part.rows[line] = str(error)
    if names := CANDIDATES[subset.task]:
        part.prompt = recover_prompt(part.good, names)
    return part


# ----------------------------------------------------------------------------------------------------------- the images


def find_images(root: Path, parts: list[Part]) -> None:
    """Fill each part's `paths`; an image path is relative to the folder of its data.jsonl and stays below --src."""
    folders = MediaFolders(root)
    for part in parts:
        below = str(part.file.parent.relative_to(root))
        for raw in part.good:
            if raw.image in part.paths:
                continue
            try:
                part.paths[raw.image] = folders.path(os.path.join(below, raw.image))
            except ValueError as error:
                part.rows[raw.line] = f"image: {error}"


def leakage(parts: list[Part], hashes: dict[str, str]) -> dict[str, Any]:
    """How many images each two subsets share, by content."""
    of = {part.name: {hashes[path] for path in part.paths.values() if path in hashes} for part in parts}
    shared = [{"subsets": [a, b], "images": len(of[a] & of[b])} for a, b in combinations(of, 2) if of[a] & of[b]]
    return {"images": {name: len(found) for name, found in of.items()}, "shared": shared}


def audit(parts: list[Part], media: dict[str, Media | str]) -> dict[str, Any]:
    """What the files alone tell of the label, over the distinct image files of all subsets; edited counts as fake."""
    images = {
        part.paths[raw.image]: (FOLD[raw.label], part.name.endswith("/train"))
        for part in reversed(parts)
        for raw in part.good
        if raw.label
    }
    return audit_images(list(images), [x for x, _ in images.values()], [x for _, x in images.values()], media)


def held_out(part: Part, parts: list[Part], hashes: dict[str, str]) -> dict[str, str]:
    """hash -> subset of the images that a training part must not hold: those of its task's test and human subsets."""
    kind, split = part.name.split("/")
    if split != "train":
        return {}
    return {
        hashes[path]: other.name
        for other in parts
        for path in other.paths.values()
        if other.name.split("/")[0] == kind and other is not part and path in hashes
    }


# ------------------------------------------------------------------------------------------------------------- the rows


def make_row(part: Part, raw: Raw, hashes: dict[str, str]) -> dict[str, Any]:
    """One training row; ValueError says why a raw row cannot become one."""
    task, path = get_task(part.subset.task), part.paths[raw.image]
    prompt, gold, own = (judged if CANDIDATES[task.NAME] else detected)(raw, task)
    if raw.label is None:
        raise ValueError("label: neither a field nor the prompt tells it")
    row_id, folder = f"{part.name}/{raw.line}", Path(part.subset.path).parent
    system = [{"role": "system", "content": raw.system}] if raw.system is not None else []
    row = {
        "id": row_id,
        "task": task.NAME,
        "messages": [*system, {"role": "user", "content": prompt}, {"role": "assistant", "content": gold}],
        "images": [path],
        "meta": {
            "media_id": hashes[path][:16] if path in hashes else os.path.normpath(f"{folder}/{raw.image}"),
            "image": raw.image,
            "split": part.name.split("/")[1],
            "source": raw.source,
            "label": raw.label,
            **({"pair": row_id} if task is dfj_pairwise else {}),
            **own,
            "task_version": task.VERSION,
        },
    }
    return checked_row(row)


def facts_of(part: Part, rows: int) -> dict[str, Any]:
    """What the manifest tells of one subset."""
    task: Any = get_task(part.subset.task)
    prompts = sorted({raw.prompt for raw in part.good if raw.prompt is not None})
    unplaced = sum(raw.prompt is not None and not raw.spans for raw in part.good) if part.prompt else 0
    found = part.prompt or Recovered(prompts[0] if len(prompts) == 1 else None, "\n".join(prompts), 0)
    if not prompts:
        found = Recovered(task.PROMPT, task.PROMPT, 0)
    return {
        "task": task.NAME,
        "task_version": task.VERSION,
        "rows_in": len(part.rows),
        "rows_out": rows,
        "published_rows": part.subset.rows,
        "published_images": part.subset.images,
        "images": len({*part.paths.values()}),
        "prompt": found.template,
        "prompt_sha256": sha256_text(found.template or found.shared),
        "prompt_is": "the dataset's, kept to the letter" if prompts else "the project's own",
        "rows_of_this_prompt": part.prompt.rows if part.prompt and prompts else None,
        "rows_whose_candidates_were_not_found": unplaced,
        "image_tags_added": sum(raw.tag_added for raw in part.good),
        "keys": {role: key for role, key in part.fields.keys.items() if key},
        "keys_not_used": part.fields.unused,
    }


def convert(args: argparse.Namespace) -> None:
    root = find_root(args.src)
    parts = [load(root, name, subset, args.limit) for name, subset in SUBSETS.items() if (root / subset.path).is_file()]
    find_images(root, parts)
    paths = sorted({path for part in parts for path in part.paths.values()})
    hashes = hash_files(paths, args.workers)
    media: dict[str, Media | str] = {} if args.check == "none" else check_files(paths, args.check, args.workers)
    output = Output(args.out, tuple(part.name for part in parts))
    with output.open():
        bad = [
            write_part(output, part, media, hashes, {} if args.keep_leaked else held_out(part, parts, hashes))
            for part in parts
        ]
        if not output.rows:
            raise ValueError(f"no usable row; the first one: {next(filter(None, bad))}")
    options = {k: v for k, v in vars(args).items() if k not in ("src", "out", "workers")}
    manifest = output.manifest(
        {part.subset.path: part.file for part in parts},
        options,
        media_checked=args.check,
        media_missing=len(paths) - len(hashes),
        subsets={part.name: facts_of(part, sum(output.counts(part.name).values())) for part in parts},
        leakage=leakage(parts, hashes),
        label_rule="an edited image counts as fake when real and fake are told apart",
        image_audit=audit(parts, media),
        licence=LICENCE,
    )
    report(args, manifest)


def write_part(
    output: Output, part: Part, media: dict[str, Media | str], hashes: dict[str, str], elsewhere: dict[str, str]
) -> str | None:
    """Write the rows of one subset; `elsewhere` are the images that it must not hold, by hash.

    Returns where and why the first row was rejected.
    """
    first = None
    for line, raw in part.rows.items():
        where, row_id = f"{part.subset.path}:{line}", f"{part.name}/{line}"
        try:
            if isinstance(raw, str):
                raise ValueError(raw)
            path = part.paths[raw.image]
            image_size(media.get(path), raw.image)  # refuses what is no image
            if (other := elsewhere.get(hashes.get(path, ""))) is not None:
                raise ValueError(f"leaked: the same image is in {other}: {raw.image[:80]!r}")
            output.row(part.name, make_row(part, raw, hashes))
        except ValueError as error:
            first = first or f"{where}: {error}"
            output.reject(where, row_id, str(error))
    return first


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    """Print what was written, and what deserves a look."""
    print(
        f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} rejected "
        f"(of {manifest['rows_in']}); media checked: {args.check}"
    )
    for name, facts in manifest["subsets"].items():
        counts = Counter(manifest["counts"][name])
        print(
            f"  {name:15} {facts['rows_out']} rows, {facts['images']} images: "
            + ", ".join(f"{n} {label}" for label, n in sorted(counts.items()))
        )
        if not facts["rows_out"]:
            print(f"  note: not one row of {name} could be used")
        near = abs(facts["rows_in"] - facts["published_rows"]) <= facts["published_rows"] // 10
        if near and not args.limit and facts["rows_in"] != facts["published_rows"]:
            print(f"  count differs: {name} has {facts['rows_in']} rows, published are {facts['published_rows']}")
        if facts["prompt"] is None:
            print(
                f"  note: the prompt of {name} could not be told from its rows; judging new texts needs --prompt-file"
            )
        if n := facts["rows_whose_candidates_were_not_found"]:
            print(f"  note: {n} rows of {name} do not tell where their candidates stand; they cannot be swapped")
    for reason, n in manifest["reject_reasons"].items():
        print(f"  rejected {n}: {reason}")
    for shared in manifest["leakage"]["shared"]:
        first, second = shared["subsets"]
        if first.endswith("train") != second.endswith("train"):
            out = not args.keep_leaked and first.split("/")[0] == second.split("/")[0]
            print(
                f"  leakage: {shared['images']} images are both in {first} and {second}"
                + (", whose rows are left out of training" if out else "")
            )
    for line in audit_lines(manifest["image_audit"]):
        print(f"  {line}")
    if args.check == "none" and manifest["media_missing"]:
        print(f"note: {manifest['media_missing']} images are not there")


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/DeepfakeJudge-Dataset", "data/deepfakejudge", check="header")
    parser.add_argument(
        "--keep-leaked",
        action="store_true",
        help="keep training rows whose image is in a test set of the same task, as published, and only report them",
    )
    return run(convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
