"""Write perturbed copies of a test set's images, to see how far a detector's answers hold.

    python eval/perturb.py --data data/fakeclue/test.jsonl --out data/fakeclue_perturbed
    python eval/predict.py --model CKPT --data data/fakeclue_perturbed/test.jsonl --out out.jsonl
    python eval/score.py --pred out.jsonl --out report

Takes a converter's rows of one image each. DIR/test.jsonl holds each row as it is, on its own file, and one row for
every kind and strength, on a PNG in DIR/images: what was lost is lost before, and the file's format tells nothing.
meta.perturbation ("none" for the row itself), meta.strength (0 to 5) and meta.parameter say what was done; all else in
meta, its sizes too, is of the source. Kinds and levels are this project's own, listed in eval/perturbations.py and in
DIR/manifest.json; images are not turned by their EXIF orientation, as ms-swift does not turn them. The same seed gives
the same files in any order and number of workers. Killed and started again it goes on; rejects.jsonl tells of every
row that could not be made.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.outfile import held
from eval.perturbations import KINDS, STRENGTHS, codec_versions, parameter, perturb, rgb, size_after
from swift_plugins.commands import run, spread, whole_number
from swift_plugins.media import Media, check_many, run_guarded
from swift_plugins.records import atomic_files, atomic_write, jsonl_writer, read_training_rows, sha256_file, write_json
from swift_plugins.settings import library_versions
from swift_plugins.tasks import get_task, unknown

Row = dict[str, Any]
Variant = tuple[str, int]  # kind and strength
ROWS, REJECTS, MANIFEST, IMAGES = "test.jsonl", "rejects.jsonl", "manifest.json", "images"
SETTINGS = ("options", "levels", "sources", "versions")  # of the manifest: what the files in DIR depend on
BYTES_PER_PIXEL = 2  # of a PNG of a photograph, measured: 1.2 after a strong blur, 3 with strong noise
PNG = {"compress_level": 1, "compress_type": 3}  # by run lengths (zlib's Z_RLE): 8 times faster, hardly larger
CLEAN = {"perturbation": "none", "strength": 0, "parameter": ""}


class Source(NamedTuple):
    """An image: a hash of its content, after which its copies are named, and its size; or why it is of no use."""

    digest: str
    media: Media | None
    problem: str | None = None


def load(path: Path, limit: int | None, variants: Sequence[Variant]) -> list[tuple[int, Row]]:
    """(line, row) of the rows to perturb; ValueError for what cannot be perturbed or would not be told apart."""
    rows = list(read_training_rows(path))
    if not rows:
        raise ValueError(f"{path}: no rows")
    seen: dict[str, int] = {}
    for line, row in rows:
        try:
            check_row_fits(row, rows[0][1], variants)
            for row_id in (row["id"], *(variant_id(row, variant) for variant in variants)):
                if (before := seen.setdefault(row_id, line)) != line:
                    raise ValueError(f"the row would have the id {row_id!r}, as a row of line {before}")
        except ValueError as error:
            raise ValueError(f"{path}:{line}: {error}") from None
    # From all over each label's rows, so that each keeps its share.
    by_label = sorted(range(len(rows)), key=lambda i: str(rows[i][1]["meta"].get("label")))
    return [rows[i] for i in sorted(by_label[place] for place in spread(len(rows), limit))]


def check_row_fits(row: Row, first: Row, variants: Sequence[Variant]) -> None:
    task, meta = get_task(row["task"]), row["meta"]
    if first["task"] != task.NAME:
        raise ValueError(f"rows of several tasks, {first['task']} and {task.NAME}; perturb them apart")
    if meta.get("task_version", task.VERSION) != task.VERSION:
        raise ValueError(f"made for {task.NAME} {meta['task_version']}, this is version {task.VERSION}: convert again")
    if len(row.get("images", [])) != 1 or row.get("videos"):
        raise ValueError(f"only rows of exactly one image can be perturbed, this one has {len(row.get('images', []))} "
                         f"images and {len(row.get('videos', []))} videos")  # fmt: skip
    if "perturbation" in meta:
        raise ValueError("the row has a meta.perturbation already: name the file of a converter")
    moving = {kind for kind, _ in variants if KINDS[kind].size}
    if moving and meta.get("bbox"):
        staying = ",".join(kind for kind in KINDS if not KINDS[kind].size)
        raise ValueError(f"the row states a box, which {', '.join(sorted(moving))} would move: use --kinds {staying}")


def variant_id(row: Row, variant: Variant) -> str:
    return f"{row['id']}/{variant[0]}/{variant[1]}"


def examine(paths: Iterable[str], workers: int) -> dict[str, Source]:
    """Decode each image once, in guarded processes."""
    from tqdm import tqdm

    paths = sorted(set(paths))
    found = {}
    for path, media in tqdm(check_many(paths, "decode", workers), total=len(paths), unit="image", desc="check images"):
        if isinstance(media, str):
            found[path] = Source("", None, media)
        elif media.duration is not None:
            found[path] = Source("", None, "not an image, by the end of its name")
        else:
            found[path] = Source(sha256_file(path), media)
    return found


def file_of(out: Path, source: Source, variant: Variant) -> Path:
    return out / IMAGES / variant[0] / str(variant[1]) / f"{source.digest[:32]}.png"


def write_image(source: str, target: str, kind: str, strength: int, seed: int, name: str) -> OSError | None:
    """Perturb one image file. A full or failing disk is returned, not raised: that is not the image's fault."""
    from PIL import Image

    with Image.open(source) as image:
        shown = rgb(image)
    data = io.BytesIO()
    perturb(shown, kind, strength, seed, name).save(data, "PNG", **PNG)
    try:
        with atomic_write(target) as file:
            file.write(data.getbuffer())
    except OSError as error:
        return error
    return None


def write_images(
    sources: dict[str, Source], variants: Sequence[Variant], args: argparse.Namespace
) -> dict[tuple[str, Variant], str]:
    """Write the images that are not there yet; (digest, variant) -> why there is none, for those that failed."""
    from tqdm import tqdm

    paths = {source.digest: (path, source) for path, source in sources.items() if source.media}
    wanted = {(digest, variant): file_of(args.out, source, variant)
              for digest, (_, source) in paths.items() for variant in variants}  # fmt: skip
    for variant in variants:
        folder = args.out / IMAGES / variant[0] / str(variant[1])
        folder.mkdir(parents=True, exist_ok=True)
        for torn in folder.glob(".*.tmp"):  # of a run that was killed
            torn.unlink()
    todo = [key for key, path in wanted.items() if not path.exists()]
    print(disk_estimate(((paths[digest][1].media, variant) for digest, variant in todo), args.out))
    jobs = [(paths[digest][0], str(wanted[digest, variant]), *variant, args.seed, digest) for digest, variant in todo]
    results = tqdm(run_guarded(write_image, jobs, args.workers), total=len(jobs), unit="image", desc="perturb")
    failed = {}
    for key, result in zip(todo, results, strict=True):
        if isinstance(result, OSError):
            raise result
        if isinstance(result, str):
            failed[key] = result
    return failed


def disk_estimate(todo: Iterable[tuple[Media | None, Variant]], out: Path) -> str:
    count = pixels = 0
    for media, variant in todo:
        assert media is not None
        width, height = size_after(*variant, media.width, media.height)
        count, pixels = count + 1, pixels + width * height
    free = shutil.disk_usage(out).free
    return (f"{count} images to write, about {pixels * BYTES_PER_PIXEL / 1e9:.2f} GB at {BYTES_PER_PIXEL} bytes a "
            f"pixel; {free / 1e9:.1f} GB are free")  # fmt: skip


def outcomes(
    row: Row, source: Source, variants: Sequence[Variant], failed: dict[tuple[str, Variant], str], out: Path
) -> Iterator[tuple[str, Row | str]]:
    """(id, the row or the reason why there is none) of a row's clean and perturbed ones, in order."""
    yield row["id"], source.problem or row | {"meta": row["meta"] | CLEAN}
    for variant in variants:
        row_id, (kind, strength) = variant_id(row, variant), variant
        if problem := source.problem or failed.get((source.digest, variant)):
            yield row_id, problem
            continue
        facts = {"perturbation": kind, "strength": strength, "parameter": parameter(kind, strength)}
        if KINDS[kind].size and "regions" in row["meta"]:
            facts["regions"] = ""  # they are for people to look at, and no longer where they were
        path = str(file_of(out.resolve(), source, variant))
        yield row_id, row | {"id": row_id, "images": [path], "meta": row["meta"] | facts}


def settings_of(args: argparse.Namespace, variants: Sequence[Variant]) -> dict[str, Any]:
    """What the files in DIR depend on, and what is known before they are made."""
    levels: dict[str, dict[str, str]] = {}
    for kind, strength in variants:
        levels.setdefault(kind, {})[str(strength)] = parameter(kind, strength)
    options = {"kinds": args.kinds, "strengths": args.strengths, "seed": args.seed, "limit": args.limit}
    return {
        "options": options,
        "levels": levels,
        "sources": {args.data.name: sha256_file(args.data)},
        "versions": library_versions(("swift-forensics", "pillow", "numpy")) | codec_versions(),
    }


def begin(out: Path, settings: dict[str, Any]) -> None:
    """Make --out this run's: a new or empty folder, or that of an earlier run with the same settings."""
    import msgspec

    path = out / MANIFEST
    if path.is_file():
        try:
            before = msgspec.json.decode(path.read_bytes())
        except msgspec.DecodeError as error:
            raise ValueError(f"{path}: not JSON: {error}") from None
        if isinstance(before, dict) and "levels" in before:
            changed = [key for key in SETTINGS if before.get(key) != settings[key]]
            if changed:
                raise ValueError(f"{out} was made with other settings ({', '.join(changed)} differ, see {MANIFEST}): "
                                 "delete it or name another --out")  # fmt: skip
            return
    if any(out.iterdir()):
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
            raise ValueError(f"{args.data}: not one row has a usable image; {reasons.most_common(1)[0][0]}")
    return counts, reasons


def perturb_file(args: argparse.Namespace) -> None:
    variants = [(kind, strength) for kind in args.kinds for strength in args.strengths]
    rows = load(args.data, args.limit, variants)
    settings = settings_of(args, variants)
    with held(args.out):
        begin(args.out, settings)
        sources = examine((row["images"][0] for _, row in rows), args.workers)
        failed = write_images(sources, variants, args)
        found = ((line, row_id, result) for line, row in rows for row_id, result in
                 outcomes(row, sources[row["images"][0]], variants, failed, args.out))  # fmt: skip
        counts, reasons = write_rows(found, args)
        task = get_task(rows[0][1]["task"])
        by_kind: dict[str, dict[str, int]] = {}
        for (kind, label), n in counts.items():
            by_kind.setdefault(kind, {})[label] = n
        write_json(args.out / MANIFEST, {
            "rows_in": len(rows), "rows_out": counts.total(), "rows_rejected": reasons.total(),
            "reject_reasons": dict(reasons.most_common()), "counts": by_kind, **settings,
            "files": {ROWS: sha256_file(args.out / ROWS)}, "task": task.NAME, "task_version": task.VERSION,
            "media_checked": "decode",
            "licence": "the images are altered copies of the source's: its terms hold for them too",
        })  # fmt: skip
    print(f"{counts.total()} rows to {args.out / ROWS}: {len(rows)} source rows x (1 + {len(variants)}), "
          f"{reasons.total()} rejected")  # fmt: skip
    for reason, n in reasons.most_common():
        print(f"  rejected {n}: {reason}")


def names_of(available: Sequence[Any], what: str) -> Callable[[str], list[Any]]:
    """A type for argparse: a comma-separated choice of some of these, each once, in their order here."""

    def read(text: str) -> list[Any]:
        asked = [name.strip() for name in text.split(",")]
        known = {str(name): name for name in available}
        for name in asked:
            if name not in known:
                raise argparse.ArgumentTypeError(unknown(what, name, known))
        return [name for name in available if str(name) in asked]

    return read


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="JSONL of a converter, one image a row")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write or continue")
    parser.add_argument("--kinds", type=names_of(list(KINDS), "kind"), default=list(KINDS),
                        help=f"comma-separated, of {', '.join(KINDS)} (default all)")  # fmt: skip
    parser.add_argument("--strengths", type=names_of(STRENGTHS, "strength"), default=list(STRENGTHS),
                        help="comma-separated, from 1, mild, to 5 (default all)")  # fmt: skip
    parser.add_argument("--seed", type=whole_number(0), default=0, help="for the noise (default 0)")
    parser.add_argument("--limit", type=whole_number(), help="only this many source rows, from all over each "
                        "label's (default all)")  # fmt: skip
    parser.add_argument("--workers", type=whole_number(), default=os.cpu_count() or 1,
                        help="processes (default all)")  # fmt: skip
    return run(perturb_file, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
