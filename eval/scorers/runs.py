"""Files of predictions that are scored together: read, checked to answer the same rows, and measured the same way."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.scorers import SCORERS, scorer_of
from eval.scorers.comparable import NAMES, ROWS, check_same, with_facts
from eval.scorers.judged import judge_facts
from eval.scorers.rows import grammar_for, load, merge, read_cases, read_predictions, run_facts, task_of, trained_on
from swift_plugins.core.names import few
from swift_plugins.core.records import Row

if TYPE_CHECKING:
    from eval.scorers.base import Scorer
    from swift_plugins.core.tasks import Task


@dataclass(frozen=True)
class Run:
    """A file of predictions: its rows, each with its "file:line", what its record (OUT.run.json) tells, its cases.

    `differs` are those of comparable.NAMES in which it is not as another run that it stands beside.
    """

    path: Path
    rows: list[tuple[str, Row]]
    facts: Row
    grammar: str
    cases: list[Any]
    judges: Row  # what is recorded of the judges that scored its answers
    differs: Sequence[str] = ()

    @property
    def record(self) -> dict[str, Any]:
        """What a report says of it."""
        asked = {"file": str(self.path), "grammar": self.grammar, "differs": [*self.differs], "run": self.facts}
        return asked | self.judges


def add_options(parser: argparse.ArgumentParser, beside: str, names: Sequence[str] = NAMES) -> None:
    """The options that tell how predictions are read; `beside` says between which of them `names` may not differ."""
    parser.add_argument("--gold", type=Path, help="the converter's JSONL with the truth (default: the rows' own meta)")
    parser.add_argument(
        "--grammar",
        help="how the answers are written, one of the task's grammars, for deeptrace "
        "trained, tags, json or auto; those of the field's other models are skyra, ivy, busterx and qwen "
        "(default what each file was asked for: tags after predict.py --prompt zero_shot, else trained)",
    )
    parser.add_argument(
        "--allow-different",
        action="append",
        default=[],
        metavar="NAME",
        help=f"what may differ between {beside}, which is else refused; one of " + ", ".join(names),
    )
    add_encoder_options(parser)


def add_encoder_options(parser: argparse.ArgumentParser) -> None:
    from eval.encoders.bertscore import ENCODERS
    from eval.encoders.css import RECOMMENDED

    parser.add_argument(
        "--bertscore",
        metavar="MODEL",
        help="encoder, a hub id or a local folder, for the bertscore of dfj_reason (default none: it is left out)",
    )
    parser.add_argument(
        "--bertscore-layer",
        type=int,
        metavar="N",
        help="the encoder's layer (default the one that BERTScore's authors chose: "
        + ", ".join(f"{layer} for {name}" for name, (layer, _) in ENCODERS.items())
        + "; for any other name one)",
    )
    parser.add_argument(
        "--css",
        metavar="MODEL",
        help="sentence encoder, a local folder or a hub id with @REVISION, "
        "for the css of fakevlm and loki_open; the paper names none, use "
        f"{RECOMMENDED} (default none: it is left out)",
    )


def first_run(path: Path, args: argparse.Namespace, gold: Path | None) -> tuple[Task, Scorer[Any], Run]:
    """The task of a file of predictions, its scorer, and the run."""
    facts, rows, task, scorer, grammar, cases = read_predictions(path, gold, args.grammar)
    return task, scorer, Run(path, rows, facts, grammar, cases, judge_facts(path))


def run_beside(path: Path, args: argparse.Namespace, task: Task, scorer: Scorer[Any], others: Sequence[Run]) -> Run:
    """Another file that answers the rows of `others`, in the order of the first of them, read with its cases.

    ValueError where it does not, or was asked something else than one of them.
    """
    first, facts = others[0], run_facts(path)
    rows = {row["id"]: (where, row) for where, row in merge(path, args.gold, facts)}
    if task_of(list(rows.values()))[1] is not task:
        raise ValueError(f"{path}: rows of another task than those of {first.path}, {task.NAME}")
    if (told := rows_apart(path, rows, first)) and ROWS not in args.allow_different:
        raise ValueError(f"{path}: must answer the same rows as {first.path}; {told}")
    ordered = [rows[row["id"]] for _, row in first.rows]
    judges, grammar = judge_facts(path), grammar_for(args.grammar, task, scorer, ordered)
    differs = [
        name
        for other in others
        for name in check_same(
            path,
            other.path,
            (facts | judges, other.facts | other.judges),
            (ordered, other.rows),
            (grammar, other.grammar),
            args.allow_different,
        )
    ]
    full = [(where, with_facts(row, true)) for (where, row), (_, true) in zip(ordered, first.rows, strict=True)]
    return Run(path, full, facts, grammar, read_cases(scorer, full, grammar), judges, [*dict.fromkeys(differs)])


def rows_apart(path: Path, rows: Mapping[str, Any], first: Run) -> str:
    """How many ids each of both files has alone, "" for none."""
    wanted = {row["id"] for _, row in first.rows}
    return ", ".join(
        f"{len(ids)} are in {where} alone ({few(sorted(ids), 2)})"
        for where, ids in ((path, rows.keys() - wanted), (first.path, wanted - rows.keys()))
        if ids
    )


def shared_rows(first: Run, paths: Iterable[Path]) -> Run:
    """The run with those of its rows alone that every other file answers, too."""
    ids = set.intersection(*({*load(path)} for path in paths))
    shared = [i for i, (_, row) in enumerate(first.rows) if row["id"] in ids]
    if not shared:
        raise ValueError(f"{first.path}: the files have no row in common")
    return replace(first, rows=[first.rows[i] for i in shared], cases=[first.cases[i] for i in shared])


def with_neural_scores(
    args: argparse.Namespace, task: str, scorer: Scorer[Any], files: list[list[Any]]
) -> tuple[list[list[Any]], dict[str, str]]:
    """The cases of each file with the scores that were asked for, by encoders, and what computed each."""
    computed_by = {}
    for name, model in (("bertscore", args.bertscore), ("css", args.css)):
        if not model:
            continue
        if name not in scorer.encoders:
            having = [other for other in SCORERS if name in scorer_of(other).encoders]
            raise ValueError(f"--{name} compares the explanations of {', '.join(having)}, these rows are {task}")
        encoder = import_module(f"eval.encoders.{name}")
        chosen = {"layer": encoder.layer_of(model, args.bertscore_layer)} if name == "bertscore" else {}
        similarities = partial(encoder.similarities, model=model, **chosen)
        files = [scorer.encoders[name](cases, similarities) for cases in files]
        computed_by[name] = encoder.signature(model, **chosen)
    return files, computed_by


def seen_before(runs: Mapping[str, Row]) -> list[str]:
    """The warnings that rows were trained on, by the records of runs, each behind its title where it has one."""
    return [f"{title}: {told}" if title else told for title, run in runs.items() if (told := trained_on(run))]
