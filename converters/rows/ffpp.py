"""A training row about a video or a frame of FaceForensics++."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from converters.conversion.audit import audit_images, audit_lines
from converters.conversion.command import report_counts
from converters.layouts.ffpp import DOWNLOAD, NO_FILE, Medium, Video
from converters.rows.fakevlm import fakevlm_row
from swift_plugins.core.media import Media


def make_row(
    row_id: str,
    split: str,
    video: Video,
    medium: Medium,
    media: Mapping[str, Media | str],
    question: str,
    text: str,
    **own: Any,
) -> dict[str, Any]:
    """One training row about a frame or a video; ValueError says why there is none. `own` are further meta keys.

    `media` is what the files' check found, empty without one.
    """
    found = media.get(medium.path)
    if isinstance(found, str):
        raise ValueError(f"media: {found}: {medium.image!r}")
    size = {"width": found.width, "height": found.height} if found else {}
    return fakevlm_row(
        row_id,
        question,
        text,
        medium.path,
        {
            "media_id": video.name,
            "image": medium.image,
            "split": split,
            "source": f"FF++ {video.manipulation}",
            "label": video.label,
            "category": "deepfake",
            "manipulation": video.manipulation,
            "video": video.name,
            "frame": medium.number,
            **size,
            **own,
        },
        "video" if medium.number is None else "image",
    )


def images_of(
    videos: Iterable[tuple[str, Video]], found: Mapping[Video, list[Medium] | str]
) -> dict[str, tuple[str, str]]:
    """absolute path -> (label, split) of whatever was found of (split, video)."""
    images: dict[str, tuple[str, str]] = {}
    for split, video in videos:
        mediums = found.get(video, "")
        if not isinstance(mediums, str):
            images |= {medium.path: (video.label, split) for medium in mediums}
    return images


def audit_of(images: Mapping[str, tuple[str, str]], media: Mapping[str, Media | str]) -> dict[str, Any]:
    """audit_images of what images_of returns."""
    labels, splits = [label for label, _ in images.values()], [split for _, split in images.values()]
    return audit_images([*images], labels, [split == "train" for split in splits], media)


def report_rows(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    """Print what was written, and of the media what deserves a look."""
    origins = dict(manifest["frames_from"])
    named = ", one frame of each is named as if it were extracted" if origins.pop(NO_FILE, 0) else ""
    report_counts(args, manifest, f"videos are not there{named}: {DOWNLOAD}")
    if len(origins) > 1:
        print(
            "  note: frames of "
            + ", ".join(f"{n} videos are from {origin}" for origin, n in origins.items())
            + ": those of frames folders may be cropped to the face, those cut from videos are not"
        )
    for line in audit_lines(manifest["image_audit"]) if manifest["image_audit"] else ():
        print(f"  {line}")
