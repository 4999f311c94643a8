"""Convert DeepfakeJudge-Dataset to ms-swift JSONL: every subset that is there, each to its own file.

    python converters/deepfakejudge_to_swift.py --src DeepfakeJudge-Dataset --out data/deepfakejudge

Writes to --out, for the subsets found: detect/test.jsonl, reason/test.jsonl and, for pointwise and pairwise judging,
{pointwise,pairwise}/{train,test,human}.jsonl; manifest.json and rejects.jsonl tell of all of them. Prompts and answers
of the dataset are kept to the letter. A training image that is in a test set of the same task (by its content) is left
out of training.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.common import MediaFolders, Output, argument_parser, check_files, run, spread
from converters.deepfakejudge import (
    LICENCE,
    SUBSETS,
    Fields,
    Raw,
    Subset,
    better_of,
    find_root,
    read_raw,
    recover_prompt,
    score_of,
)
from swift_plugins.media import Media
from swift_plugins.records import check_row, encode, scan_rows, sha256_file, sha256_text
from swift_plugins.tasks import dfj_detect, dfj_pairwise, dfj_pointwise, dfj_reason, get_task
from swift_plugins.tasks.candidates import fill

CANDIDATES = {
    dfj_pointwise.NAME: ("candidate_response",),
    dfj_pairwise.NAME: ("response_a", "response_b"),
    dfj_detect.NAME: (),
    dfj_reason.NAME: (),
}
_SAMPLE = 50  # rows whose keys are looked at


@dataclass
class Part:
    """One subset while it is converted: its rows or why there is none, by line, and what is known of the images."""

    name: str
    subset: Subset
    file: Path
    fields: Fields
    rows: dict[int, Raw | str]
    template: str | None = None
    prompts_given_back: int = 0
    paths: dict[str, str] = field(default_factory=dict)  # image -> absolute path, or why there is none

    @property
    def good(self) -> list[Raw]:
        return [raw for raw in self.rows.values() if isinstance(raw, Raw)]


def load(root: Path, name: str, subset: Subset, limit: int | None) -> Part:
    """Read one subset; ValueError where none of its rows has what its task needs."""
    file = root / subset.path
    lines = list(scan_rows(file))
    some = [row for _, row in lines if isinstance(row, dict)][:_SAMPLE]
    if not some:
        raise ValueError(f"{file}: no row that is a JSON object" + (f"; {lines[0][1]}" if lines else ""))
    part = Part(name, subset, file, Fields(str(file), subset.task, some), {})
    for line, row in (lines[i] for i in spread(len(lines), limit)):
        try:
            part.rows[line] = row if isinstance(row, str) else read_raw(line, row, part.fields)
        except ValueError as error:
            part.rows[line] = str(error)
    if names := CANDIDATES[subset.task]:
        part.template, part.prompts_given_back = recover_prompt(part.good, names)
    return part


# ----------------------------------------------------------------------------------------------------------- the images


def find_images(root: Path, parts: list[Part]) -> MediaFolders:
    """Fill each part's `paths`; an image path is relative to the folder of its data.jsonl and stays below --src."""
    folders = MediaFolders(root)
    for part in parts:
        below = part.file.parent.relative_to(root)
        for raw in part.good:
            if raw.image in part.paths:
                continue
            try:
                part.paths[raw.image] = folders.path(f"{below}/{raw.image}")
            except ValueError as error:
                part.rows[raw.line] = f"image: {error}"
    return folders


def hash_files(paths: list[str], workers: int) -> dict[str, str]:
    """path -> SHA-256 of the file's content."""
    from tqdm import tqdm

    with ThreadPoolExecutor(workers) as pool:
        return dict(zip(paths, tqdm(pool.map(sha256_file, paths), total=len(paths), unit="file", desc="hash images"),
                        strict=True))  # fmt: skip


def leakage(parts: list[Part], hashes: dict[str, str]) -> dict[str, Any]:
    """How many images each two subsets share, by content."""
    of = {part.name: {hashes[path] for path in part.paths.values() if path in hashes} for part in parts}
    shared = [{"subsets": [a, b], "images": len(of[a] & of[b])} for a, b in combinations(of, 2) if of[a] & of[b]]
    return {"images": {name: len(found) for name, found in of.items()}, "shared": shared}


def held_out(part: Part, parts: list[Part], hashes: dict[str, str]) -> dict[str, str]:
    """hash -> subset of the images that a training part must not hold: those of its task's test and human subsets."""
    kind, split = part.name.split("/")
    if split != "train":
        return {}
    return {hashes[path]: other.name for other in parts for path in other.paths.values()
            if other.name.split("/")[0] == kind and other is not part and path in hashes}  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- the rows


def judged(raw: Raw, task: Any) -> tuple[str, str, dict[str, Any]]:
    """(prompt, answer, task's own meta) of a pointwise or pairwise row."""
    names = CANDIDATES[task.NAME]
    pointwise = task is dfj_pointwise
    stated = raw.score if pointwise else raw.better
    if raw.gold is None:
        if stated is None:
            raise ValueError("answer: the row has none")
        gold = task.render(task.Answer(stated))
    else:
        gold = raw.gold
    parsed = task.GRAMMARS["trained"](gold)
    if parsed.answer is None:
        wanted = "score must be 1..5" if pointwise else "answer must be A or B"
        raise ValueError(f"{wanted}: {parsed.reason} in {gold[-60:]!r}")
    decision = parsed.answer.score if pointwise else parsed.answer.better
    if stated is not None and stated != decision:
        raise ValueError(f"contradiction: the answer says {decision}, the row's own field {stated}")
    prompt = raw.prompt
    if prompt is None:
        if raw.label is None or set(raw.candidates) < set(names):
            raise ValueError(f"prompt: the row has neither one nor a label and {' and '.join(names)}")
        values = {name: raw.candidates[name] for name in names}
        prompt, spans = fill(task.PROMPT, {"ground_truth_label": raw.label, **values})
        raw.spans = {name: list(spans[name]) for name in names}
    where = {name.removesuffix("_response"): raw.spans.get(name, []) for name in names}
    ratings = [score_of(x) if pointwise else better_of(x) for x in raw.ratings]
    own = {"score": decision} if pointwise else {"answer": decision, "order": "AB"}
    return prompt, gold, own | {"ratings": ratings} | where


def detected(raw: Raw, task: Any) -> tuple[str, str, dict[str, Any]]:
    """(prompt, answer, task's own meta) of a detection or reasoning row."""
    reasoning = raw.reasoning
    if (whole := dfj_detect.parse_trained(reasoning).answer) is not None:
        reasoning = whole.reasoning or ""
    gold = raw.gold
    if gold is not None:
        parsed = dfj_detect.parse_trained(gold)
        if parsed.answer is None:
            raise ValueError(f"answer: {parsed.reason} in {gold[-60:]!r}")
        raw.label = raw.label or parsed.answer.verdict
        reasoning = reasoning or parsed.answer.reasoning or ""
        if dfj_detect.FOLD[parsed.answer.verdict] != dfj_detect.FOLD[raw.label]:
            raise ValueError(f"contradiction: the answer says {parsed.answer.verdict}, the label is {raw.label}")
    elif raw.label is not None:
        wanted = task is dfj_reason
        if wanted and not reasoning:
            raise ValueError("reasoning: the row has none")
        gold = task.render(task.Answer(raw.label, reasoning if wanted else None))
    else:
        raise ValueError("label: the row has none")
    own = {"reasoning": reasoning, "regions": encode(raw.regions).decode() if raw.regions else ""}
    return raw.prompt or task.PROMPT, gold, own if task is dfj_reason else {}


def make_row(part: Part, raw: Raw, hashes: dict[str, str]) -> dict[str, Any]:
    """One training row; ValueError says why a raw row cannot become one."""
    task, path = get_task(part.subset.task), part.paths[raw.image]
    prompt, gold, own = (judged if CANDIDATES[task.NAME] else detected)(raw, task)
    if raw.label is None:
        raise ValueError("label: neither a field nor the prompt tells it")
    row_id = f"{part.name}/{raw.line}"
    system = [{"role": "system", "content": raw.system}] if raw.system is not None else []
    row = {
        "id": row_id,
        "task": task.NAME,
        "messages": [*system, {"role": "user", "content": prompt}, {"role": "assistant", "content": gold}],
        "images": [path],
        "meta": {
            "media_id": hashes[path][:16] if path in hashes else f"{Path(part.subset.path).parent}/{raw.image}",
            "image": raw.image, "split": part.name.split("/")[1], "source": raw.source, "label": raw.label,
            **({"pair": row_id} if task is dfj_pairwise else {}), **own, "task_version": task.VERSION,
        },
    }  # fmt: skip
    check_row(row)
    return row


def facts_of(part: Part, rows: int) -> dict[str, Any]:
    """What the manifest tells of one subset."""
    task = get_task(part.subset.task)
    prompts = {raw.prompt for raw in part.good if raw.prompt is not None}
    own = not prompts
    prompt = task.PROMPT if own else part.template or (prompts.pop() if len(prompts) == 1 else None)
    return {
        "task": task.NAME, "task_version": task.VERSION, "rows_in": len(part.rows), "rows_out": rows,
        "published_rows": part.subset.rows, "published_images": part.subset.images, "images": len(part.paths),
        "prompt": prompt, "prompt_sha256": sha256_text(prompt) if prompt else None,
        "prompt_is": "the project's own" if own else "the dataset's, kept to the letter",
        "rows_of_this_prompt": None if own else part.prompts_given_back,
        "image_tags_added": sum(raw.tag_added for raw in part.good),
        "keys": {role: key for role, key in part.fields.keys.items() if key}, "keys_not_used": part.fields.unused,
    }  # fmt: skip


def convert(args: argparse.Namespace) -> None:
    root = find_root(args.src)
    parts = [load(root, name, subset, args.limit) for name, subset in SUBSETS.items() if (root / subset.path).is_file()]
    folders = find_images(root, parts)
    paths = sorted({path for part in parts for path in part.paths.values()})
    missing = {path for path in paths if not Path(path).is_file()} if folders.missing else set()
    hashes = hash_files([path for path in paths if path not in missing], args.workers)
    media: dict[str, Media | str] = {} if args.check == "none" else check_files(paths, args.check, args.workers)
    output = Output(args.out, tuple(part.name for part in parts))
    with output.open():
        for part in parts:
            write_part(output, part, media, hashes, {} if args.keep_leaked else held_out(part, parts, hashes))
    options = {k: v for k, v in vars(args).items() if k not in ("src", "out", "workers")}
    manifest = output.manifest(
        {part.subset.path: part.file for part in parts}, options, media_checked=args.check, media_missing=len(missing),
        subsets={part.name: facts_of(part, sum(output.counts(part.name).values())) for part in parts},
        leakage=leakage(parts, hashes), label_rule="an edited image counts as fake when real and fake are told apart",
        licence=LICENCE,
    )  # fmt: skip
    report(args, manifest)


def write_part(
    output: Output, part: Part, media: dict[str, Media | str], hashes: dict[str, str], elsewhere: dict[str, str]
) -> None:
    """Write the rows of one subset; `elsewhere` are the images that it must not hold, by hash."""
    for line, raw in part.rows.items():
        where, row_id = f"{part.subset.path}:{line}", f"{part.name}/{line}"
        if isinstance(raw, str):
            output.reject(where, row_id, raw)
            continue
        path = part.paths[raw.image]
        try:
            if isinstance(problem := media.get(path), str):
                raise ValueError(f"media: {problem}: {raw.image[:80]!r}")
            if (other := elsewhere.get(hashes.get(path, ""))) is not None:
                raise ValueError(f"leaked: the same image is in {other}: {raw.image[:80]!r}")
            output.row(part.name, make_row(part, raw, hashes))
        except ValueError as error:
            output.reject(where, row_id, str(error))


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    """Print what was written, and what deserves a look."""
    print(f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} rejected "
          f"(of {manifest['rows_in']}); media checked: {args.check}")  # fmt: skip
    for name, facts in manifest["subsets"].items():
        counts = Counter(manifest["counts"][name])
        print(f"  {name:15} {facts['rows_out']} rows, {facts['images']} images: "
              + ", ".join(f"{n} {label}" for label, n in sorted(counts.items())))  # fmt: skip
        near = abs(facts["rows_in"] - facts["published_rows"]) <= facts["published_rows"] // 10
        if near and not args.limit and facts["rows_in"] != facts["published_rows"]:
            print(f"  count differs: {name} has {facts['rows_in']} rows, published are {facts['published_rows']}")
        if facts["prompt"] is None:
            print(
                f"  note: the prompt of {name} could not be told from its rows; judging new texts needs --prompt-file"
            )
    for reason, n in manifest["reject_reasons"].items():
        print(f"  rejected {n}: {reason}")
    for shared in manifest["leakage"]["shared"]:
        first, second = shared["subsets"]
        if first.endswith("train") != second.endswith("train"):
            print(f"  leakage: {shared['images']} images are both in {first} and {second}")
    if args.check == "none" and manifest["media_missing"]:
        print(f"note: {manifest['media_missing']} images are not there")


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/DeepfakeJudge-Dataset", "data/deepfakejudge", check="header")
    parser.add_argument("--keep-leaked", action="store_true",
                        help="keep training rows whose image is in a test set of the same task, as published, and only "
                        "report them")  # fmt: skip
    return run(convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
