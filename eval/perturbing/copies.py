"""Perturbed copies of images: made once each, in guarded processes, and the rows that show them."""

from __future__ import annotations

import argparse
import io
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from eval.perturbing.kinds import KINDS, parameter, perturb, size_after
from swift_plugins.core.checks import check_many
from swift_plugins.core.guarded import run_guarded
from swift_plugins.core.images import rgb
from swift_plugins.core.media import Media
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, atomic_write, sha256_file

Variant = tuple[str, int]  # kind and strength
ROWS, REJECTS, MANIFEST, IMAGES = "test.jsonl", "rejects.jsonl", "manifest.json", "images"
BYTES_PER_PIXEL = 2  # of a PNG of a photograph, measured: 1.2 after a strong blur, 3 with strong noise
PNG = {"compress_level": 1, "compress_type": 3}  # by run lengths (zlib's Z_RLE): 8 times faster, hardly larger
CLEAN = {"perturbation": "none", "strength": 0, "parameter": ""}


class Source(NamedTuple):
    """An image: a hash of its content, after which its copies are named, and its size; or why it is of no use."""

    digest: str
    media: Media | None
    problem: str | None = None


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
        elif media.is_video:
            found[path] = Source("", None, "a video, not an image")
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
    wanted = {
        (digest, variant): file_of(args.out, source, variant)
        for digest, (_, source) in paths.items()
        for variant in variants
    }
    for variant in variants:
        folder = args.out / IMAGES / variant[0] / str(variant[1])
        folder.mkdir(parents=True, exist_ok=True)
        for torn in folder.glob(".*.tmp"):  # of a run that was killed
            torn.unlink()
    todo = [key for key, path in wanted.items() if not path.exists()]
    say(disk_estimate(((paths[digest][1].media, variant) for digest, variant in todo), args.out))
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
    return (
        f"{count} images to write, about {pixels * BYTES_PER_PIXEL / 1e9:.2f} GB at {BYTES_PER_PIXEL} bytes a "
        f"pixel; {free / 1e9:.1f} GB are free"
    )


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
