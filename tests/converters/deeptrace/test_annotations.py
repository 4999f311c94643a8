"""A file unlike its annotation is rejected where a box or an onset is moved by it, and counted where it is not."""

from __future__ import annotations

import importlib.util

import pytest

from swift_plugins.core import boxes
from tests.converters.deeptrace.making import Converted, fake, real, source
from tests.core.clips import FRAMES, HEIGHT, RATE, WIDTH, write_clip

pytestmark = pytest.mark.skipif(importlib.util.find_spec("decord") is None, reason="decord is not installed here")


def annotated(make, name: str, **changes):
    """A row of a clip that is as clips.py writes it, but for the changes."""
    facts = {"video_width": WIDTH, "video_height": HEIGHT, "video_frame_rate": RATE, "video_duration": FRAMES / RATE}
    if make is fake:
        facts["faketrace_bbox"] = {"left": 4, "top": 4, "width": 20, "height": 30}
        facts["faketrace_first_frame"] = 10
    return make(name, **facts | changes)


@pytest.fixture
def convert(tmp_path):
    """Convert rows of clips, each written with its options."""

    def call(*rows_and_clips, level: str = "decode", options=()):
        rows = [row for row, _ in rows_and_clips]
        src = source(tmp_path / "RewardData", *rows)
        for row, clip in rows_and_clips:
            write_clip(src / row["video_path"], **clip)
        done = Converted(src, tmp_path / "out", "--check", level, "--workers", "2", *options)
        return done, {reject["id"]: reject["reason"] for reject in done.rejects}

    return call


def test_a_turned_clip_is_taken_at_the_size_at_which_it_is_seen(convert):
    upright = {"video_width": HEIGHT, "video_height": WIDTH}
    done, reasons = convert(
        (annotated(fake, "seen", **upright), {"turn": 90}),
        (annotated(fake, "coded"), {"turn": 90}),
        options=("--box-space", "resized"),
    )
    assert reasons == {"coded": f"size differs: the file has {HEIGHT}x{WIDTH}, the annotation {WIDTH}x{HEIGHT}"}
    (row,) = done.rows
    assert (row["meta"]["box_width"], row["meta"]["box_height"]) == boxes.smart_resize(
        HEIGHT, WIDTH, boxes.VIDEO_MIN_PIXELS, boxes.VIDEO_MAX_PIXELS
    )


@pytest.mark.parametrize("level", ["header", "decode"])
def test_what_moves_an_onset_is_rejected_with_what_was_found(convert, level):
    done, reasons = convert(
        (annotated(fake, "good"), {}),
        (annotated(fake, "rate", video_frame_rate=30), {}),
        (annotated(fake, "short", video_duration=6.0, faketrace_first_frame=50), {}),
        (annotated(fake, "long", video_duration=6.0), {}),
        (annotated(fake, "late"), {"start": 5}),
        level=level,
    )
    assert [row["id"] for row in done.rows] == ["good/1", "late/1"]
    assert reasons == {
        "rate": "frame rate differs: the file has 10 frames/s, the annotation 30; frame 10 is seen at 1.00 s, "
        "not at 0.33 s",
        "short": "onset outside the file: 5.00 s of 2.00 s",
        "long": "length differs: the file has 2.00 s, the annotation 6.0 s",
    }
    assert "starting 1 seconds" in done.rows[0]["messages"][1]["content"]


def test_what_moves_nothing_is_counted_and_told(convert, capsys):
    uneven = [0.1 * i if i < 12 else 1.2 + 0.4 * (i - 12) for i in range(FRAMES)]
    mean = (FRAMES - 1) / uneven[-1]
    done, reasons = convert(
        (annotated(fake, "first", video_frame_rate=12, faketrace_first_frame=0), {}),
        (annotated(real, "a", video_frame_rate=25, video_duration=0.8), {}),
        (annotated(real, "b", video_frame_rate=mean, video_duration=FRAMES / mean), {"times": uneven}),
        (annotated(fake, "moved", video_frame_rate=mean, video_duration=FRAMES / mean), {"times": uneven}),
    )
    assert done.manifest["not_as_annotated"] == {"frame rate": 2, "length": 1}
    assert list(done.manifest["media_notes"].values()) == [2]
    assert reasons.keys() == {"moved"}
    assert reasons["moved"].startswith("frame rate varies: ")
    assert reasons["moved"].endswith("; frame 10 is seen at 1.00 s, not at 2.11 s")
    told = capsys.readouterr().out
    assert "note: 2 videos have another frame rate than annotated; no onset is moved by it" in told
    assert "note: 2 videos: the frame rate varies" in told


def test_an_image_is_no_video_whatever_it_is_called(tmp_path):
    from PIL import Image

    src = source(tmp_path / "RewardData", annotated(fake, "good"), annotated(fake, "gif"))
    write_clip(src / "videos" / "good.mp4")
    frames = [Image.new("RGB", (WIDTH, HEIGHT), (i, 90, 90)) for i in (10, 200)]
    frames[0].save(src / "videos" / "gif.mp4", format="GIF", save_all=True, append_images=frames[1:])
    done = Converted(src, tmp_path / "out", "--check", "header")
    assert [reject["reason"] for reject in done.rejects] == ["media: an image (GIF), not a video"]
