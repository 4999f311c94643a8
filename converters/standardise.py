"""Say a dataset's explanations anew in one style, by a model; the originals stay beside them, the meaning is checked.

    python converters/standardise.py --data data/own --out data/own_plain --backend openai \\
        --base-url http://127.0.0.1:8000/v1 --model qwen2.5-72b

--data is a folder that a converter wrote. Each explanation, once however many rows have it, is written anew by the
model; a text that is not in the form asked for, states the other verdict, or has too little of the original is asked
for again, with the reason, as is one of which the checker finds that it claims something else (--checker, options like
those here for another model; else the same one checks). What is not taken after --tries keeps its original. Writes the
same rows to --out with the new text, the original as explanation_original in their meta, and a manifest; the replies
stand in writer.N.jsonl and checker.N.jsonl: a killed run goes on where it was.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.merging import Dataset, open_datasets
from converters.conversion.output import Output
from converters.conversion.sources import Row, Sourced
from converters.factories.prompts import prompt_facts, prompts_below
from converters.factories.standardising import (
    STYLE,
    Told,
    ask_checker,
    ask_writer,
    read_same,
    read_text,
    said_anew,
    told,
)
from swift_plugins.answering.asking import Asking, Item, Result, answer_file, error_text
from swift_plugins.answering.models import run_record
from swift_plugins.answering.options import add_engine_options, asking_of
from swift_plugins.core import next_steps
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.locks import held
from swift_plugins.core.manifests import FILE, Facts
from swift_plugins.core.printable import say
from swift_plugins.core.records import atomic_write, jsonl_writer, read_rows, read_training_rows, spread

ROLES = ("writer", "checker")


def line_of(item: Item, results: Sequence[Result], seconds: float) -> Row:
    """What a model replied to one question."""
    (result,) = results
    if isinstance(result, dict):
        return {"id": item.id, "response": result["response"], "usage": result.get("usage")}
    return {"id": item.id, "error": error_text(result)}


class NotWhole(Exception):
    """Not all has been asked: in a dry run, or of a shard; what there is to tell of it was told."""


def ask(asking: Asking, prompts: dict[str, str], out: Path, tasks: dict[str, str]) -> dict[str, Row]:
    """key -> the line of each question's reply; resumed where a run was killed. NotWhole where not all was asked."""
    if not prompts:
        return {}
    rows: list[Row] = [
        {"id": key, "task": tasks[key], "messages": [{"role": "user", "content": prompt}], "meta": {}}
        for key, prompt in prompts.items()
    ]
    asked = out.with_name(f"{out.stem}.asked.jsonl")
    with atomic_write(asked) as file:
        jsonl_writer(file).write_all(rows)
    items = [Item(row["id"], [row]) for row in rows]
    if answer_file(items, asking, out, run_record(asking, asked, rows), line_of) is None:
        raise NotWhole
    return {row["id"]: row for _, row in read_rows(out)}


class Standardiser:
    """Asks until each explanation has a text that is taken, `tries` times at most; `faults` tell why one was not."""

    def __init__(self, args: argparse.Namespace, tasks: dict[str, str]):
        self.args, self.tasks = args, tasks
        self.askings = {"writer": asking_of(args), "checker": checker_of(args)}
        self.tokens = {role: Counter[str]() for role in ROLES}
        self.faults: list[dict[str, str]] = []  # of each try, key -> why it was not taken

    def texts(self, wanted: dict[str, Told]) -> dict[str, str]:
        """key -> the text that is taken; without those of which none is."""
        found: dict[str, str] = {}
        faults = dict.fromkeys(wanted, "")
        for number in range(1, self.args.tries + 1):
            if not faults:
                break
            prompts = {key: ask_writer(wanted[key], self.args.style, fault) for key, fault in faults.items()}
            faults, drafts = {}, {}
            for key, line in self.replies("writer", number, prompts).items():
                try:
                    drafts[key] = read_text(line, wanted[key])
                except ValueError as error:
                    faults[key] = str(error)
            checks = {key: ask_checker(wanted[key], text) for key, text in drafts.items()}
            for key, line in self.replies("checker", number, checks).items():
                try:
                    if read_same(line):
                        found[key] = drafts[key]
                    else:
                        faults[key] = "it does not claim the same as the original"
                except ValueError as error:
                    faults[key] = str(error)
            self.faults.append(faults | dict.fromkeys(prompts.keys() - faults.keys() - found.keys(), "no reply"))
        return found

    def replies(self, role: str, number: int, prompts: dict[str, str]) -> dict[str, str]:
        """key -> what a role replied; without those that it was not reached for."""
        lines = ask(self.askings[role], prompts, self.args.out / f"{role}.{number}.jsonl", self.tasks)
        for line in lines.values():
            usage = line.get("usage") or {}
            self.tokens[role].update({key: n for key, n in usage.items() if isinstance(n, int)}, calls=1)
        return {key: line["response"] for key, line in lines.items() if "error" not in line}


def checker_of(args: argparse.Namespace) -> Asking:
    """Who checks: the writer, or whom --checker names."""
    if args.checker is None:
        return asking_of(args)
    parser = argparse.ArgumentParser(prog="--checker", add_help=False)
    add_engine_options(parser, in_parts=False)
    return asking_of(parser.parse_args(shlex.split(args.checker)))


def rows_of(dataset: Dataset, limit: int | None) -> list[Sourced[Row]]:
    """Its rows, those of --limit from all over each file, for the file of the same name."""
    found: list[Sourced[Row]] = []
    for _, path, _ in dataset.files:
        rows = [*read_training_rows(path)]
        some = (rows[i] for i in spread(len(rows), limit))
        found += [Sourced(f"{path}:{line}", row["id"], name_of(dataset, path), row) for line, row in some]
    return found


def name_of(dataset: Dataset, path: Path) -> str:
    """A file's name below its folder, without the suffix: train, or pointwise/train."""
    return path.relative_to(dataset.folder).with_suffix("").as_posix()


def standardise(args: argparse.Namespace) -> None:
    (dataset,) = open_datasets([(args.data, 1.0)])
    if args.out.resolve() == args.data.resolve():
        raise ValueError(f"--out {args.out} is --data: name another folder")
    items = rows_of(dataset, args.limit)
    asked = {item.row["id"]: of for item in items if (of := told(item.row))}
    wanted = {of.key: of for of in asked.values()}
    if not wanted:
        raise ValueError(f"{args.data}: no row has an explanation")
    tasks = {asked[item.row["id"]].key: item.row["task"] for item in items if item.row["id"] in asked}
    with held(args.out):
        work = Standardiser(args, tasks)
        try:
            texts = work.texts(wanted)
        except NotWhole:
            return
        kept: Counter[str] = Counter()
        output = Output(args.out, [name_of(dataset, path) for _, path, _ in dataset.files])
        with output.open():
            output.write(anew(items, asked, texts, kept))
        manifest = write_manifest(args, dataset, output, work, wanted, texts, kept)
    report(args, manifest)


def anew(
    items: Sequence[Sourced[Row]], asked: dict[str, Told], texts: dict[str, str], kept: Counter[str]
) -> list[Sourced[Row]]:
    """The rows with their texts; `kept` counts, by why, those that keep the original."""
    found = []
    for item in items:
        of = asked.get(item.row["id"])
        text = texts.get(of.key) if of else None
        try:
            row = said_anew(item.row, text)
        except ValueError:
            row = said_anew(item.row, None)
            kept["it would not read back"] += 1
        found.append(Sourced(item.where, item.id, item.split, row))
    return found


def write_manifest(
    args: argparse.Namespace,
    dataset: Dataset,
    output: Output,
    work: Standardiser,
    wanted: dict[str, Told],
    texts: dict[str, str],
    kept: Counter[str],
) -> dict[str, Any]:
    last = {key: fault for faults in work.faults for key, fault in faults.items() if key not in texts}
    kinds = {*Facts.__annotations__, "subsets", "dataset", "licence"}
    facts = {key: value for key, value in dataset.manifest.items() if key in kinds}
    tried = [{"not_taken": dict(Counter(faults.values()).most_common())} for faults in work.faults]
    told_of = {
        "explanations": len(wanted),
        "standardised": len(texts),
        "kept": dict((Counter(last.values()) + kept).most_common()),
        "tries": tried,
        "style": args.style,
        "prompts": prompt_facts(prompts_below("standardising")),
        "models": {role: str(asking.settings["model"]) for role, asking in work.askings.items()},
        "tokens": {role: dict(counts) for role, counts in work.tokens.items()},
    }
    sources = {f"{dataset.name}/{FILE}": args.data / FILE}
    return output.manifest(sources, {"tries": args.tries, "limit": args.limit}, **facts, standardising=told_of)


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    found = manifest["standardising"]
    say(f"{manifest['rows_out']} rows to {args.out}")
    say(f"  {found['standardised']} of {found['explanations']} explanations are said anew, the others as they were")
    for why, n in found["kept"].items():
        say(f"    {n}: {why}")
    for role, counts in found["tokens"].items():
        told_of = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
        say(f"  {role} ({found['models'][role]}): {told_of or 'not asked'}")
    next_steps.say(next_steps.after_conversion(args.out, manifest["counts"]))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_engine_options(parser)
    parser.add_argument("--data", type=Path, required=True, help="folder that a converter wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder to write or to go on with")
    parser.add_argument("--checker", metavar="OPTIONS", help="another model that checks, as options of this command")
    parser.add_argument("--style", default=STYLE, help=f"the style that is asked for (default: {STYLE})")
    parser.add_argument("--tries", type=whole_number(), default=3, help="of one explanation at most (default 3)")
    parser.add_argument(
        "--limit", type=whole_number(), help="only so many rows of each file, spread over it (default all)"
    )
    return run(standardise, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
