"""Merge converted datasets into one: a mixture with weights, what stands in several splits set aside, one manifest.

    python converters/merge.py --data data/deeptrace data/own=2 data/more=0.5 --out data/mixed

Each folder is one that a converter wrote. Its weight is how often each of its training rows is taken: 2 takes each
twice, 0.5 half of them; val and test are taken whole. Media are told by the hash of their content: a training row whose
medium is in a val or test split, of whatever dataset, is set aside with the reason, unless --keep-leaks. Media that
datasets call real and fake are told. Rows keep the order of the folders; training shuffles them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.merging import (
    MISSING,
    Dataset,
    Held,
    folder_and_weight,
    leakage,
    mixed,
    open_datasets,
    read_all,
    set_leaks_aside,
    where_contents_stand,
)
from converters.conversion.output import Output
from converters.conversion.reporting import counted, report_rejects
from converters.conversion.splitting import PARTS
from swift_plugins.core import next_steps
from swift_plugins.core.commands import run
from swift_plugins.core.locks import held
from swift_plugins.core.manifests import Facts
from swift_plugins.core.media import content_hashes
from swift_plugins.core.printable import say
from swift_plugins.core.records import media_of


def merge(args: argparse.Namespace) -> None:
    datasets = open_datasets(args.data)
    if args.out.resolve() in [dataset.folder.resolve() for dataset in datasets]:
        raise ValueError(f"--out {args.out} is one of --data: name another folder")
    items = read_all(datasets)
    hashes = content_hashes(path for item in items for path in media_of(item.row[1]))
    stand = where_contents_stand(items, hashes)
    if not args.keep_leaks:
        set_leaks_aside(items, hashes, stand)
    splits = [split for split in PARTS if any(item.split == split for item in items)]
    with held(args.out):
        output = Output(args.out, splits)
        with output.open():
            output.write(mixed(items, datasets, args.seed))
        taken = {
            "datasets": told(datasets, output),
            "media_missing": sum(found == MISSING for found in hashes.values()),
        }
        sources = {f"{dataset.name}/manifest.json": dataset.folder / "manifest.json" for dataset in datasets}
        options = {"seed": args.seed, "keep_leaks": args.keep_leaks}
        manifest = output.manifest(
            sources, options, **common(datasets), **taken, **found_in(stand), **licences(datasets)
        )
    report(args, manifest)


def told(datasets: list[Dataset], output: Output) -> dict[str, Any]:
    """What was taken of each dataset, by split."""
    found: dict[str, Any] = {}
    for dataset in datasets:
        begin = f"{dataset.name}/"
        rows = sum(name.startswith(begin) for name in output.ids)
        found[dataset.name] = {"weight": dataset.weight, "rows": rows, "task": dataset.manifest.get("task")}
    return found


def common(datasets: list[Dataset]) -> dict[str, Any]:
    """The facts that training reads, those that are the same of every file; no task where there are several."""
    facts = [facts for dataset in datasets for _, _, facts in dataset.files]
    same = {
        key: facts[0].get(key) for key in Facts.__annotations__ if all(f.get(key) == facts[0].get(key) for f in facts)
    }
    return {key: value for key, value in same.items() if value is not None} if "task" in same else {}


def found_in(stand: Held) -> dict[str, Any]:
    both = [digest for digest, labels in stand.labels.items() if len(labels) > 1]
    return {"leakage": leakage(stand), "called_both": {"contents": len(both)}}


def licences(datasets: list[Dataset]) -> dict[str, str]:
    return {
        "licence": " ".join(f"{dataset.name}: {dataset.manifest.get('licence', 'not known')}" for dataset in datasets)
    }


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    say(f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} set aside")
    for split, counts in manifest["counts"].items():
        say(f"  {split:5} {counted(counts)}")
    for name, facts in manifest["datasets"].items():
        say(f"  {name}: {facts['rows']} rows of {facts['task'] or 'several tasks'}, weight {facts['weight']:g}")
    report_rejects(manifest)
    for pair, n in manifest["leakage"].items():
        if n and not pair.endswith("_of_another"):
            other = manifest["leakage"][f"{pair}_of_another"]
            say(
                f"  leakage: {n} contents stand in {pair.replace('_and_', ' and in ')}, {other} of them across datasets"
            )
    if n := manifest["called_both"]["contents"]:
        say(f"  contradiction: {n} contents are called real and fake")
    if n := manifest["media_missing"]:
        say(f"  note: {n} media are not there, and were not compared")
    next_steps.say(next_steps.after_conversion(args.out, manifest["counts"]))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data",
        type=folder_and_weight,
        nargs="+",
        required=True,
        metavar="FOLDER[=WEIGHT]",
        help="folders that converters wrote, each with how often its training rows are taken (default weight 1)",
    )
    parser.add_argument("--out", type=Path, default=Path("data/mixed"), help="folder to write (default data/mixed)")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of what a weight that is no whole number takes (default 0)"
    )
    parser.add_argument("--keep-leaks", action="store_true", help="keep training rows whose media stand in val or test")
    return run(merge, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
