"""The files of judges' data: the same rows as ours and in the layout in which DeepfakeJudge-Dataset is published."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from converters.conversion.output import Output
from converters.conversion.sources import Row, Sourced, made, unusable
from converters.conversion.splitting import PARTS
from converters.factories.grading import Graded
from converters.factories.judge_rows import Judged, Pair, pairs_of, pairwise, pointwise
from converters.factories.publishing import FOLDER, image_name, place_images, write_lines
from converters.layouts.deepfakejudge import Subset
from converters.layouts.deepfakejudge_rows import Fields, read_raw
from converters.rows.deepfakejudge import make_row
from converters.rows.judge_prompts import prompt_facts, recover_prompt
from swift_plugins.core.tasks import get_task

KINDS = ("pointwise", "pairwise")


def judged_rows(
    done: Sequence[Graded], parts: Mapping[str, str], pairs: int | None, seed: int
) -> dict[str, list[Judged]]:
    """The rows of each file that has any; `parts` tells the split of each case, `pairs` how many of each image."""
    rows: dict[str, list[Judged]] = {f"{kind}/{part}": [] for kind in KINDS for part in PARTS}
    paired: dict[str, list[Pair]] = defaultdict(list)
    of_case: dict[str, list[Graded]] = defaultdict(list)
    for one in done:
        of_case[one.case.id].append(one)
        rows[f"pointwise/{parts[one.case.id]}"] += pointwise(one)
    for name, some in of_case.items():
        paired[parts[name]] += pairs_of(some, pairs, seed)
    for part, some_pairs in paired.items():
        rows[f"pairwise/{part}"] = [*pairwise(some_pairs, seed)]
    return {name: some for name, some in rows.items() if some}


def write_judged(out: Path, rows: Mapping[str, Sequence[Judged]], rejects: Sequence[Sourced[Any]]) -> Output:
    """Put the rows of each file in place, in both forms, and what was rejected; returns the output for its manifest."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)
    lines = [*rejects]
    for name, some in rows.items():
        images = [f"images/{image_name(row.case.image, row.case.sha256)}" for row in some]
        published = [row.published | {"images": [image]} for row, image in zip(some, images, strict=True)]
        home = out / FOLDER / Path(subset_of(name).path).parent
        place_images(home, ((row.case.image, image) for row, image in zip(some, images, strict=True)))
        write_lines(home / "data.jsonl", published)
        lines += rows_of(name, some, published)
    output = Output(out, [*rows])
    with output.open():
        output.write(lines, "rationale")
    for name in {f"{kind}/{part}" for kind in KINDS for part in PARTS} - rows.keys():
        (out / f"{name}.jsonl").unlink(missing_ok=True)  # of an earlier run with other splits
    return output


def rows_of(name: str, judged: Sequence[Judged], published: Sequence[Row]) -> Iterator[Sourced[Row]]:
    """Our rows of a file, made of the published ones as their converter makes them, and what we know besides."""
    subset = subset_of(name)
    fields = Fields(name, subset.task, published)
    raws = [read_raw(row, fields) for row in published]
    recover_prompt(raws, tuple(get_task(subset.task).CANDIDATES))
    own = {row.id: row for row in judged}
    items = [
        Sourced(row.case.where, row.id, name, raw, path=row.case.image) for row, raw in zip(judged, raws, strict=True)
    ]

    def make(item: Sourced[Any]) -> Row:
        row = make_row(item, subset, own[item.id or ""].case.sha256)
        return row | {"meta": row["meta"] | own[item.id or ""].own}

    yield from made(items, make)


def subset_of(name: str) -> Subset:
    """Where the published layout has a file of ours, and its task."""
    kind, part = name.split("/")
    return Subset(f"dfj-meta/dfj-meta-{kind}/{part}/data.jsonl", f"dfj_{kind}", 0, 0)


def subset_facts(name: str, judged: Sequence[Judged]) -> dict[str, Any]:
    """What the manifest tells of one file."""
    task = get_task(subset_of(name).task)
    facts = {"task": task.NAME, "task_version": task.VERSION, "images": len({row.case.sha256 for row in judged})}
    if "answer" in judged[0].published:
        facts["a_is_the_better"] = sum(row.published["answer"] == "A" for row in judged)
    return facts | prompt_facts(task.NAME, [], None)


def rejects_of(done: Sequence[Graded], doubled: Sequence[tuple[Graded, Any]]) -> Iterator[Sourced[Any]]:
    """What was asked for and is no row: rationales, and paraphrases of them."""
    for one in done:
        name = f"{one.case.id}/{one.level}"
        if one.reason:
            yield unusable(one.case.where, name, "", one.reason)
        for number, reason in one.dropped.items():
            yield unusable(one.case.where, f"{name}/{number}", "", reason)
    for one, variant in doubled:
        name = f"{one.case.id}/{one.level}/{variant.number}"
        yield unusable(one.case.where, name, "", "duplicate: the image has the same rationale already")
