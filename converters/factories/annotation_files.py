"""The files of annotated images: the same rows as ours and in the layout in which FakeClue is published."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from converters.conversion.output import Output
from converters.conversion.sources import Row, Sourced, made, unusable
from converters.conversion.splitting import PARTS
from converters.factories.captions import Account
from converters.factories.publishing import FOLDER, image_name, place_images
from converters.layouts.fakeclue import LABELS, Raw
from converters.rows.fakeclue import make_row
from converters.rows.fakevlm import write_answer
from swift_plugins.core.records import atomic_write, encode
from swift_plugins.core.tasks import fakevlm

NUMBER_OF = {label: number for number, label in LABELS.items()}
_NOT_NAME = re.compile(r"[^A-Za-z0-9._+-]+")


def published_row(account: Account) -> dict[str, Any]:
    """An annotated image as FakeClue has it, below the folder of its split; ValueError where its answer would not read
    back. The first folder of its path is its source, from which the converter takes it."""
    case = account.case
    text = write_answer(fakevlm.Answer(case.verdict, account.explanation), "answer: ")
    source = _NOT_NAME.sub("_", case.source).strip("._") or "unknown"
    width, height = case.size or (None, None)
    return {
        "image": f"{source}/{case.verdict}/{image_name(case.image, case.sha256)}",
        "label": NUMBER_OF[case.verdict],
        "cate": case.category,
        "width": width,
        "height": height,
        "conversations": [{"from": "human", "value": fakevlm.QUESTION}, {"from": "gpt", "value": text}],
    }


def write_annotated(out: Path, accounts: Sequence[Account], rejects: Sequence[Sourced[Any]]) -> Output:
    """Put the rows of each split in place, in both forms, and the rejects; returns the output for its manifest."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)
    lines = [*rejects, *(unusable(a.case.where, a.case.id, "", a.reason) for a in accounts if a.reason)]
    splits = []
    for split in PARTS:
        some, published = [], []
        for account in accounts:
            if account.case.split != split or account.reason:
                continue
            try:
                published.append(published_row(account))
                some.append(account)
            except ValueError as error:
                lines.append(unusable(account.case.where, account.case.id, split, str(error)))
        if some:
            splits.append(split)
            _publish(out / FOLDER, split, some, published)
            lines += rows_of(split, some, published)
    output = Output(out, splits)
    with output.open():
        output.write(lines, "image")
    for split in {*PARTS} - {*splits}:
        (out / f"{split}.jsonl").unlink(missing_ok=True)  # of an earlier run
    return output


def _publish(home: Path, split: str, accounts: Sequence[Account], published: Sequence[dict[str, Any]]) -> None:
    """Write a split's list, as FakeClue's data_json has it, and its images."""
    pairs = ((account.case.image, row["image"]) for account, row in zip(accounts, published, strict=True))
    place_images(home / split, pairs)
    (home / "data_json").mkdir(parents=True, exist_ok=True)
    with atomic_write(home / "data_json" / f"{split}.json") as file:
        file.write(msgspec.json.format(encode(published), indent=1) + b"\n")


def rows_of(split: str, accounts: Sequence[Account], published: Sequence[dict[str, Any]]) -> Iterator[Sourced[Row]]:
    """Our rows of a split, made of the published ones as their converter makes them, and what we know besides."""
    own = {account.case.id: account for account in accounts}
    raws = msgspec.convert([*published], list[Raw])
    items = [
        Sourced(account.case.where, account.case.id, split, raw, path=account.case.image)
        for account, raw in zip(accounts, raws, strict=True)
    ]

    def make(item: Sourced[Raw]) -> Row:
        row, account = make_row(item, {}), own[item.id or ""]
        kept = {
            "families": ",".join(dict.fromkeys(group.family for group in account.kept)),
            "captioners": sum(seen is not None for seen in account.seen),
            "asked_as_unseen": account.special,
        }
        return row | {"meta": row["meta"] | kept}

    yield from made(items, make)
