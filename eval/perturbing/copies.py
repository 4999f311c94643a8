"""Perturbed copies of images and videos: made once each, in guarded processes, and the rows that show them."""

from __future__ import annotations

import argparse
import io
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval.perturbing.clips import CLIP_KINDS, ClipKind, part_shown, whole, write_clip
from eval.perturbing.kinds import KINDS, Kind, parameter, perturb, size_after
from swift_plugins.core import boxes
from swift_plugins.core.box_rows import moved, space_of
from swift_plugins.core.checks import check_many
from swift_plugins.core.guarded import TIME_LIMIT, run_guarded
from swift_plugins.core.images import rgb
from swift_plugins.core.media import Media
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, atomic_write, media_of, remove_leftovers, sha256_file
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.tasks.deeptrace_answer import Answer

Variant = tuple[str, int]  # kind and strength
IMAGES, VIDEOS = "images", "videos"
BYTES_PER_PIXEL = 2  # of a PNG of a photograph, measured: 1.2 after a strong blur, 3 with strong noise
BYTES_PER_CLIP_PIXEL = 0.1  # of a frame of an H.264 file at CRF 12, about
CLIP_LIMIT = 600.0  # seconds for one copy of a video
KEPT = 0.5  # of a box: where less of it is left, the trace is no longer shown
PNG = {"compress_level": 1, "compress_type": 3}  # by run lengths (zlib's Z_RLE): 8 times faster, hardly larger
CLEAN = {"perturbation": "none", "strength": 0, "parameter": ""}


class Source(NamedTuple):
    """A medium: a hash of its content, after which its copies are named, and its facts; or why it is of no use."""

    digest: str
    media: Media | None
    problem: str | None = None


def variant_id(row: Row, variant: Variant) -> str:
    return f"{row['id']}/{variant[0]}/{variant[1]}"


def kinds_of(row: Row) -> Mapping[str, Kind | ClipKind]:
    """The kinds of perturbation that there are for a row's medium."""
    return CLIP_KINDS if row.get("videos") else KINDS


def variants_of(row: Row, kinds: Sequence[str], strengths: Sequence[int]) -> list[Variant]:
    """What is done to a row's medium, of the kinds asked for."""
    return [(kind, strength) for kind in kinds if kind in kinds_of(row) for strength in strengths]


def path_of(row: Row) -> str:
    """The path of the one medium of a row."""
    (path,) = media_of(row)
    return path


def examine(rows: Iterable[Row], workers: int) -> dict[str, Source]:
    """Decode each medium once, in guarded processes: path -> what it is."""
    from tqdm import tqdm

    is_video = {path_of(row): bool(row.get("videos")) for row in rows}
    paths = sorted(is_video)
    unit = "video" if all(is_video.values()) else "image"
    found = {}
    for path, media in tqdm(check_many(paths, "decode", workers), total=len(paths), unit=unit, desc="check media"):
        if isinstance(media, str):
            found[path] = Source("", None, media)
        elif media.is_video != is_video[path]:
            found[path] = Source("", None, "a video, not an image" if media.is_video else "an image, not a video")
        else:
            found[path] = Source(sha256_file(path), media)
    return found


def file_of(out: Path, source: Source, variant: Variant) -> Path:
    folder, suffix = (VIDEOS, "mp4") if source.media and source.media.is_video else (IMAGES, "png")
    return out / folder / variant[0] / str(variant[1]) / f"{source.digest[:32]}.{suffix}"


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


def write_copies(rows: Iterable[Row], sources: Mapping[str, Source], args: argparse.Namespace) -> dict[Path, str]:
    """Write the copies that are not there yet; file -> why there is none, for those that failed."""
    wanted: dict[Path, tuple[str, Variant]] = {}  # copies of the same content are one
    for row in rows:
        if (source := sources[path_of(row)]).media:
            variants = variants_of(row, args.kinds, args.strengths)
            wanted |= {file_of(args.out, source, variant): (path_of(row), variant) for variant in variants}
    for folder in dict.fromkeys(path.parent for path in wanted):
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
    todo = {path: key for path, key in wanted.items() if not path.exists()}
    say(disk_estimate([(sources[path].media, variant) for path, variant in todo.values()], args.out))
    failed: dict[Path, str] = {}
    for ending, write, limit, unit in (
        (".png", write_image, TIME_LIMIT, "image"),
        (".mp4", write_clip, CLIP_LIMIT, "video"),
    ):
        if files := [file for file in todo if file.suffix == ending]:
            jobs = [
                (path, str(file), *variant, args.seed, sources[path].digest)
                for file in files
                for path, variant in [todo[file]]
            ]
            failed |= failures(files, run_guarded(write, jobs, args.workers, limit), unit)
    return failed


def failures(files: Sequence[Path], results: Iterable[OSError | str | None], unit: str) -> dict[Path, str]:
    """file -> why it could not be written; raises what is not the source's fault."""
    from tqdm import tqdm

    failed = {}
    for file, result in zip(files, tqdm(results, total=len(files), unit=unit, desc="perturb"), strict=True):
        if isinstance(result, OSError):
            raise result
        if isinstance(result, str):
            failed[file] = result
    return failed


def disk_estimate(todo: Sequence[tuple[Media | None, Variant]], out: Path) -> str:
    clips = pixels = 0
    size = 0.0
    for media, variant in todo:
        assert media is not None
        if media.is_video:
            clips += 1
            size += media.width * media.height * (media.frames or 1) * BYTES_PER_CLIP_PIXEL
        else:
            width, height = size_after(*variant, media.width, media.height)
            pixels += width * height
    counts = ((len(todo) - clips, "image"), (clips, "video"))
    named = " and ".join(f"{n} {name}s" for n, name in counts if n) or "0 files"
    free = shutil.disk_usage(out).free
    return (
        f"{named} to write, about {(size + pixels * BYTES_PER_PIXEL) / 1e9:.2f} GB at {BYTES_PER_PIXEL} bytes a pixel "
        f"of an image and {BYTES_PER_CLIP_PIXEL} of a video's; {free / 1e9:.1f} GB are free"
    )


def look_at(rows: Iterable[Row], sources: Mapping[str, Source], args: argparse.Namespace) -> dict[Path, Media | str]:
    """file -> what a copied video is, by its header, or why it is none; of those that are there."""
    files = {
        file_of(args.out, sources[path_of(row)], variant)
        for row in rows
        if row.get("videos") and sources[path_of(row)].media
        for variant in variants_of(row, args.kinds, args.strengths)
    }
    there = sorted(str(file) for file in files if file.exists())
    return {Path(path): found for path, found in check_many(there, "header", args.workers)}


def outcomes(
    row: Row,
    source: Source,
    variants: Sequence[Variant],
    failed: Mapping[Path, str],
    seen: Mapping[Path, Media | str],
    out: Path,
) -> Iterator[tuple[str, Row | str]]:
    """(id, the row or the reason why there is none) of a row's clean and perturbed ones, in order."""
    yield row["id"], source.problem or row | {"meta": row["meta"] | CLEAN}
    for variant in variants:
        row_id, (kind, strength), file = variant_id(row, variant), variant, file_of(out, source, variant)
        if problem := source.problem or failed.get(file):
            yield row_id, problem
            continue
        facts = {"perturbation": kind, "strength": strength, "parameter": parameter(kind, strength, kinds_of(row))}
        if moves(row, kind) and "regions" in row["meta"]:
            facts["regions"] = ""  # they are for people to look at, and no longer where they were
        copy = row | {"id": row_id, "meta": row["meta"] | facts}
        path = str(file.resolve())
        if row.get("videos"):
            assert source.media is not None
            yield row_id, of_clip(copy | {"videos": [path]}, source.media, seen[file], variant)
        else:
            yield row_id, copy | {"images": [path]}


def moves(row: Row, kind: str) -> bool:
    """Whether a kind moves what a row's medium shows to other pixels."""
    one = kinds_of(row)[kind]
    return one.part is not whole if isinstance(one, ClipKind) else one.size is not None


def of_clip(row: Row, source: Media, found: Media | str, variant: Variant) -> Row | str:
    """A row of a copied video, its size, rate, length and box that of the copy; or the reason why there is none."""
    if isinstance(found, str):
        return f"the copy is of no use: {found}"
    meta, size = row["meta"], (found.width, found.height)
    facts = {"width": found.width, "height": found.height, "fps": found.rate, "duration": found.duration}
    row = row | {"meta": meta | {key: value for key, value in facts.items() if key in meta}}
    if space_of(row) is None:
        return row
    if not meta.get("bbox"):
        return moved(row, None, *size)
    try:
        box = boxes.to_pixels(meta["bbox"], source.width, source.height, meta["width"], meta["height"])
        there, left = part_shown(*variant, source.width, source.height).moved(box)
        return moved(row, there, *size) if left >= KEPT else moved(without_trace(row), None, *size)
    except (KeyError, TypeError, ValueError, IndexError, ArithmeticError) as error:
        return f"bad box: {error!r:.80}"


def without_trace(row: Row) -> Row:
    """The row of a copy that no longer shows the trace: its truth is the verdict alone, which is all that is scored."""
    verdict = deeptrace.render(Answer(row["meta"]["label"]))
    messages = [
        message | ({"content": verdict} if message["role"] == "assistant" else {}) for message in row["messages"]
    ]
    unseen: dict[str, Any] = {"start": None, "categories": [], "explanation": "", "trace": "cropped away"}
    return row | {"messages": messages, "meta": row["meta"] | unseen}
