"""Choose images for a benchmark: as many as asked from a labelled pool, their labels covered and as even as possible.

    python converters/choose_images.py --pool openimages.csv --count 1000 --out data/chosen \\
        --columns path=ImageID,labels=LabelName,confidence=Confidence

--pool is a CSV, TSV, JSON, JSONL, Parquet or XLSX file; its columns are path and labels: a list, or texts with a ";" or
"|" between them; several rows of one path, one for each label, are one image too. With a column confidence, rows below
0.5 are left out. As DeepfakeJudge-Detect's reals were chosen (stochastic greedy set cover): each image is the best of a
random sample, that which adds most labels that none has so far, then that whose labels stand least often.
Writes chosen.jsonl, a row for each image with its path and labels, in the order of the choice, and manifest.json, which
holds how the labels are covered beside random choices of as many images from the same pool.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.factories.set_cover import DRAWS, by_chance, choose, measured, table_of
from swift_plugins.core.commands import run, stage, whole_number
from swift_plugins.core.locks import held
from swift_plugins.core.manifests import FILE
from swift_plugins.core.names import few
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, atomic_files, jsonl_writer, sha256_file, write_json
from swift_plugins.core.settings import library_versions
from swift_plugins.core.tables import column_map, in_our_names, read_table, text_of, worded

COLUMNS = ("path", "labels", "confidence")
_BETWEEN = re.compile(r"[;|]")
_SURE = 0.5


def read_pool(path: Path, names: dict[str, str]) -> tuple[dict[str, set[str]], int]:
    """(path -> labels of each image, how many rows tell of none or cannot be read)."""
    table = read_table(path)
    ours, _ = in_our_names(table.columns, names, COLUMNS, f"{path}:1:")
    theirs = {our: name for our, name in zip(ours, table.columns, strict=True) if our}
    pool: dict[str, set[str]] = {}
    unread = 0
    for _, row in table.rows:
        image = worded(text_of(row.get(theirs["path"]))) if isinstance(row, dict) else ""
        if not image or isinstance(row, str):
            unread += 1
        elif sure(row.get(theirs.get("confidence", ""))):
            pool.setdefault(image, set()).update(labels_in(row.get(theirs["labels"])))
    return pool, unread


def sure(confidence: Any) -> bool:
    try:
        return float(text_of(confidence) or 1) >= _SURE
    except ValueError:
        return False


def labels_in(cell: Any) -> Iterable[str]:
    parts = cell if isinstance(cell, list) else _BETWEEN.split(text_of(cell))
    return filter(None, (worded(text_of(part)) for part in parts))


def choose_images(args: argparse.Namespace) -> None:
    stage(f"read {args.pool}")
    pool, unread = read_pool(args.pool, args.columns)
    labelled = sorted(image for image, labels in pool.items() if labels)
    names = sorted({label for image in labelled for label in pool[image]})
    if not names:
        raise ValueError(f"{args.pool}: no image has a label")
    numbers = {label: i for i, label in enumerate(names)}
    table = table_of([sorted(numbers[label] for label in pool[image]) for image in labelled], len(names))
    stage(f"choose {args.count} of {len(labelled)} images with {len(names)} labels")
    chosen = choose(table, len(names), args.count, args.seed)
    found = measured(table, len(names), chosen)
    chance = by_chance(table, len(names), args.count, args.seed)
    manifest = {
        "images": len(pool),
        "images_without_labels": len(pool) - len(labelled),
        "rows_not_read": unread,
        "labels": len(names),
        "chosen": len(chosen),
        "coverage": found,
        "coverage_by_chance": chance,
        "sources": {args.pool.name: sha256_file(args.pool)},
        "options": {"count": args.count, "seed": args.seed, "columns": args.columns},
        "versions": library_versions(("swift-forensics", "numpy")),
    }
    rows = [{"path": labelled[i], "labels": sorted(pool[labelled[i]])} for i in chosen]
    write(args.out, rows, manifest)
    covered = {label for row in rows for label in row["labels"]}
    report(args, manifest, [name for name in names if name not in covered])


def write(out: Path, rows: list[Row], manifest: dict[str, Any]) -> None:
    with held(out):
        with atomic_files([out / "chosen.jsonl"], outdated=out / FILE) as (file,):
            jsonl_writer(file).write_all(rows)
        write_json(out / FILE, manifest | {"files": {"chosen.jsonl": sha256_file(out / "chosen.jsonl")}})


def report(args: argparse.Namespace, manifest: dict[str, Any], without: list[str]) -> None:
    out, of = args.out / "chosen.jsonl", f"{manifest['images']} with {manifest['labels']} labels"
    say(f"{manifest['chosen']} images to {out}, of {of}")
    for what, key in (
        (f"of {DRAWS} random choices, in the mean", "coverage_by_chance"),
        ("of this choice", "coverage"),
    ):
        told = manifest[key]
        counts = ", ".join(f"{name} {told[name]:g}" for name in ("rarest", "median", "commonest"))
        say(f"  {told['covered']} % of the labels covered, evenness {told['evenness']}, {counts}: {what}")
    if without:
        say(f"  not covered: {few(without)}")
    for what in ("images_without_labels", "rows_not_read"):
        if manifest[what]:
            say(f"  note: {manifest[what]} {what.replace('_', ' ')}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="table of the images and their labels")
    parser.add_argument("--count", type=whole_number(), required=True, help="how many images to choose")
    parser.add_argument("--out", type=Path, default=Path("data/chosen"), help="folder to write (default data/chosen)")
    parser.add_argument(
        "--columns",
        type=partial(column_map, columns=COLUMNS, aliases={"image": "path"}),
        default={},
        metavar="path=ImageID,labels=LabelName",
        help="names of columns that are called otherwise; what is not named is passed over (default none)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples (default 0)")
    return run(choose_images, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
