"""The rows to perturb, checked, and the files that a perturbed test set consists of."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from eval.perturbing.clips import CLIP_KINDS, NAMES
from eval.perturbing.copies import Variant, kinds_of, moves, variant_id, variants_of
from eval.perturbing.kinds import KINDS, codec_versions, parameter
from swift_plugins.core.box_rows import space_of
from swift_plugins.core.records import (
    Row,
    atomic_files,
    is_unused,
    jsonl_writer,
    media_of,
    read_json,
    read_training_rows,
    remove_leftovers,
    sha256_file,
    spread,
    write_json,
)
from swift_plugins.core.settings import BOX_SPACE, library_versions
from swift_plugins.core.tasks import get_task, made_for

ROWS, REJECTS, MANIFEST = "test.jsonl", "rejects.jsonl", "manifest.json"
SETTINGS = ("options", "levels", "sources", "versions")  # of the manifest: what the files in DIR depend on


def load(args: argparse.Namespace) -> list[tuple[int, Row]]:
    """(line, row) of the rows to perturb; without --kinds args.kinds becomes all kinds of their media.

    ValueError for what cannot be perturbed or would not be told apart.
    """
    path = args.data
    rows = list(read_training_rows(path))
    if not rows:
        raise ValueError(f"{path}: no rows")
    known = {kind for _, row in rows for kind in kinds_of(row)}
    args.kinds = args.kinds or [kind for kind in NAMES if kind in known]
    seen: dict[str, int] = {}
    for line, row in rows:
        try:
            check_row_fits(row, rows[0][1], variants := variants_of(row, args.kinds, args.strengths))
            for row_id in (row["id"], *(variant_id(row, variant) for variant in variants)):
                if (before := seen.setdefault(row_id, line)) != line:
                    raise ValueError(f"the row would have the id {row_id!r}, as a row of line {before}")
        except ValueError as error:
            raise ValueError(f"{path}:{line}: {error}") from None
    # From all over each label's rows, so that each keeps its share.
    by_label = sorted(range(len(rows)), key=lambda i: str(rows[i][1]["meta"].get("label")))
    return [rows[i] for i in sorted(by_label[place] for place in spread(len(rows), args.limit))]


def check_row_fits(row: Row, first: Row, variants: Sequence[Variant]) -> None:
    task, meta = get_task(row["task"]), row["meta"]
    if first["task"] != task.NAME:
        raise ValueError(f"rows of several tasks, {first['task']} and {task.NAME}; perturb them apart")
    if made_for(meta.get("task_version", task.VERSION)) != made_for(task.VERSION):
        raise ValueError(f"made for {task.NAME} {meta['task_version']}, this is version {task.VERSION}: convert again")
    if len(media_of(row)) != 1:
        raise ValueError(
            f"only rows of exactly one image or one video can be perturbed, this one has {len(row.get('images', []))} "
            f"images and {len(row.get('videos', []))} videos"
        )
    if not variants:
        raise ValueError(f"no kind asked for is one of its medium: use --kinds {','.join(kinds_of(row))}")
    if "perturbation" in meta:
        raise ValueError("the row has a meta.perturbation already: name the file of a converter")
    check_box(row, {kind for kind, _ in variants})


def check_box(row: Row, kinds: Collection[str]) -> None:
    """ValueError for a row with a box that could not follow its medium."""
    moving, space = {kind for kind in kinds if moves(row, kind)}, space_of(row)
    if row.get("videos") and space == "resized":
        raise ValueError(
            "its boxes are stated in resized, for the frames that one base sees of this very video: convert without "
            f"--box-space, and let {BOX_SPACE} state them"
        )
    if moving and row["meta"].get("bbox") and not (row.get("videos") and space):
        staying = ",".join(kind for kind in kinds_of(row) if not moves(row, kind))
        raise ValueError(f"the row states a box, which {', '.join(sorted(moving))} would move: use --kinds {staying}")


def settings_of(args: argparse.Namespace, with_videos: bool) -> dict[str, Any]:
    """What the files in DIR depend on, and what is known before they are made."""
    levels = {
        kind: {str(strength): parameter(kind, strength, CLIP_KINDS | KINDS) for strength in args.strengths}
        for kind in args.kinds
    }
    versions = library_versions(("swift-forensics", "pillow", "numpy")) | codec_versions()
    options = {"kinds": args.kinds, "strengths": args.strengths, "seed": args.seed, "limit": args.limit}
    return {
        "options": options,
        "levels": levels,
        "sources": {args.data.name: sha256_file(args.data)},
        "versions": versions | (library_versions(("av",)) if with_videos else {}),
    }


def begin(out: Path, settings: dict[str, Any]) -> None:
    """Make --out this run's: a new or empty folder, or that of an earlier run with the same settings."""
    path = out / MANIFEST
    remove_leftovers(out)
    if path.is_file() and "levels" in (before := read_json(path)):
        if changed := [key for key in SETTINGS if before.get(key) != settings[key]]:
            raise ValueError(
                f"{out} was made with other settings ({', '.join(changed)} differ, see {MANIFEST}): "
                "delete it or name another --out"
            )
        return
    if not is_unused(out):
        raise ValueError(f"{out} holds other things: name a new or empty folder")
    write_json(path, settings)


def write_rows(found: Iterable[tuple[int, str, Row | str]], args: argparse.Namespace) -> tuple[Counter, Counter]:
    """Write test.jsonl and rejects.jsonl together; the rows by (perturbation, label), the rejects by reason."""
    counts: Counter[tuple[str, str]] = Counter()
    reasons: Counter[str] = Counter()
    with atomic_files([args.out / ROWS, args.out / REJECTS]) as files:
        rows, rejects = map(jsonl_writer, files)
        for line, row_id, result in found:
            if isinstance(result, str):
                reasons[result.split(":")[0]] += 1
                rejects.write({"where": f"{args.data.name}:{line}", "id": row_id, "reason": result})
            else:
                counts[result["meta"]["perturbation"], str(result["meta"].get("label"))] += 1
                rows.write(result)
        if not counts:
            raise ValueError(f"{args.data}: not one row has a usable medium; {reasons.most_common(1)[0][0]}")
    return counts, reasons
