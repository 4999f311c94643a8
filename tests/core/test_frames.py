"""Frames are of the video that is there, whatever the dates of files say."""

from __future__ import annotations

import os

import av
import numpy as np
import pytest
from PIL import Image

from swift_plugins.core.frames import FrameRule, cut_frames


def write_grey(path, grey, date=1_500_000_000):
    """Eight frames of one grey; the file's date is what unpacking an archive would make it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(8):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), grey, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    os.utime(path, (date, date))


def first(path, folder):
    ((_, frame),) = cut_frames(str(path), str(folder), FrameRule("first"))
    return frame


@pytest.mark.parametrize("date", [1, 1_500_000_000, 4_000_000_000])
def test_a_video_that_was_replaced_is_cut_anew_whatever_its_date(tmp_path, date):
    clip = tmp_path / "clip.mp4"
    write_grey(clip, 40)
    first(clip, tmp_path / "cut")
    write_grey(clip, 200, date)
    assert np.asarray(Image.open(first(clip, tmp_path / "cut"))).mean() == pytest.approx(200, abs=5)


def test_the_frames_of_a_video_that_was_only_moved_are_kept(tmp_path):
    clip = tmp_path / "clip.mp4"
    write_grey(clip, 40)
    frame = first(clip, tmp_path / "cut")
    before = os.stat(frame).st_mtime_ns
    os.utime(clip, (4_000_000_000, 4_000_000_000))
    assert first(clip.rename(tmp_path / "moved.mp4"), tmp_path / "cut") == frame
    assert os.stat(frame).st_mtime_ns == before
