"""The frame at a second is one and the same for checks, reports and the reader that training uses."""

from __future__ import annotations

import importlib.util
import time

import av
import numpy as np
import pytest
from PIL import Image

from swift_plugins.core import readers
from swift_plugins.core.checks import check_many, check_media
from swift_plugins.core.frames import FrameRule, cut_frames
from swift_plugins.core.videos import VARIABLE, frame_at, seen_size
from tests.core.clips import FRAMES, HEIGHT, RATE, WIDTH, number_of, write_clip

needs_decord = pytest.mark.skipif(importlib.util.find_spec("decord") is None, reason="decord is not installed here")


def decorded(path: str, number: int) -> Image.Image:
    import decord

    return Image.fromarray(decord.VideoReader(path)[number].asnumpy())


@needs_decord
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_turned_clip_is_seen_upright_as_decord_shows_it(tmp_path, turn, suffix):
    clip = write_clip(tmp_path / f"x.{suffix}", turn=turn)
    size = (HEIGHT, WIDTH) if turn in (90, 270) else (WIDTH, HEIGHT)
    found = check_media(clip, "decode", "decord")
    assert (found.width, found.height) == seen_size(clip) == size
    assert check_media(clip, "header").width == size[0]
    shown, _ = frame_at(clip, 0.7)
    assert np.abs(np.asarray(shown, int) - np.asarray(decorded(clip, 7), int)).mean() < 2
    ((_, cut),) = cut_frames(clip, str(tmp_path / "cut"), FrameRule("first"))
    assert Image.open(cut).size == size


@needs_decord
@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        (
            "turned.mkv",
            {"turn": 90},
            r"decord, .*, shows 96x64, not turned upright, where 64x96 is seen; encode it anew",
        ),
        ("over.mkv", {"turn": 180}, "shows 96x64, not turned upright"),
        ("mirrored.mp4", {"mirrored": True}, "as in a mirror"),
        (
            "two.mkv",
            {"sizes": [(64, 32), (128, 64)]},
            "shows 64x32, another of its 2 video streams, where 128x64 is seen",
        ),
        ("new.mp4", {"codec": "libsvtav1"}, r"decord, .*, cannot read it \(av1 in mov\): .*encode it anew as H.264"),
        ("one.mp4", {"frames": 1}, "the video has 1 frame; training and prediction need 2"),
        ("band.mp4", {"sizes": [(3300, 16)]}, "a frame of 3300x16 cannot be resized: the sides may differ 200-fold"),
    ],
)
def test_what_the_reader_does_not_show_as_it_is_seen_is_refused(tmp_path, name, options, told):
    if options.get("codec", "libx264") not in av.codecs_available:
        pytest.skip("PyAV has no encoder for it here")
    with pytest.raises(ValueError, match=told):
        check_media(write_clip(tmp_path / name, **options), "decode", "decord")


@needs_decord
def test_the_larger_of_two_streams_is_seen(tmp_path):
    clip = write_clip(tmp_path / "x.mp4", sizes=[(48, 32), (96, 64)])
    assert check_media(clip, "decode", "decord").width == seen_size(clip)[0] == 96
    assert frame_at(clip, 0.5)[0].size == decorded(clip, 5).size == (96, 64)


@needs_decord
@pytest.mark.parametrize(
    ("name", "codec"),
    [("x.ts", "libx264"), ("x.flv", "libx264"), ("x.mkv", "libx264"), ("x.avi", "mpeg4"), ("x.webm", "libvpx")],
)
@pytest.mark.parametrize("start", [0, 5])
def test_seconds_count_from_the_first_frame_in_every_container(tmp_path, name, codec, start):
    if codec not in av.codecs_available or (start and name == "x.avi"):
        pytest.skip("PyAV cannot write it here")
    clip = write_clip(tmp_path / name, codec=codec, start=start)
    found = check_media(clip, "decode", "decord")
    assert (found.frames, found.rate, found.notes) == (FRAMES, pytest.approx(RATE, rel=0.01), ())
    for number in (0, 7, FRAMES - 1):
        image, second = frame_at(clip, number / RATE)
        assert number_of(image) == number_of(decorded(clip, number)) == number
        assert second == pytest.approx(number / RATE, abs=0.01)
    assert number_of(frame_at(clip, 99)[0]) == FRAMES - 1


@needs_decord
@pytest.mark.parametrize("codec", ["mpeg2video", "mpeg1video"])
def test_a_whole_programme_stream_passes(tmp_path, codec):
    clip = tmp_path / "x.mpg"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for _ in range(30):
            grey = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8), format="rgb24")
            container.mux(stream.encode(grey))
        container.mux(stream.encode())
    assert check_media(str(clip), "decode", "decord").frames == 30


@needs_decord
def test_frames_of_another_place_are_noted(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "x.mp4")
    honest = readers.READERS["decord"]
    monkeypatch.setitem(
        readers.READERS, "decord", lambda path: honest(path)._replace(pictures=honest(path).pictures[::-1])
    )
    (note,) = check_media(clip, "decode", "decord").notes
    assert "decord, by which training and prediction read videos, gives other frames than are seen" in note


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_rate_that_varies_is_noted_and_tells_when_each_frame_is_seen(tmp_path, suffix):
    times = [0.1 * i if i < 10 else 1 + 0.4 * (i - 10) for i in range(FRAMES)]
    clip = write_clip(tmp_path / f"x.{suffix}", times=times)
    found = check_media(clip, "decode")
    assert found.notes == (VARIABLE,)
    assert [found.second_of(n) for n in (0, 9, 15)] == pytest.approx([0, 0.9, 3.0], abs=0.01)
    assert number_of(frame_at(clip, 3.1)[0]) == 15


def test_a_reader_that_hangs_costs_its_file(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "x.mp4")
    monkeypatch.setitem(readers.READERS, "decord", lambda path: time.sleep(60))
    monkeypatch.setattr(readers, "find_spec", lambda name: True)
    ((_, reason),) = check_many([clip], "decode", time_limit=2, reader="decord")
    assert reason == f"reading took more than 2 s; where a player shows it, {readers.CURE}"


def test_the_reader_is_the_environments_or_the_recipes(monkeypatch):
    monkeypatch.delenv(readers.SETTING, raising=False)
    assert readers.reader_in_force() == "decord"
    monkeypatch.setenv(readers.SETTING, "torchcodec")
    assert readers.reader_in_force() == "torchcodec"
    monkeypatch.setenv(readers.SETTING, "torchvision")
    with pytest.raises(ValueError, match=r"FORCE_QWENVL_VIDEO_READER.*'torchvision'.*decord, torchcodec"):
        readers.reader_in_force()
