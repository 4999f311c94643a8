"""Media checks: good files pass, damaged and hostile ones cost one result each, and no path leaves its folder."""

from __future__ import annotations

import os
import struct
import time
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from swift_plugins.core import checks
from swift_plugins.core.checks import check_many, check_media
from swift_plugins.core.media import Media, content_hash, resolve_under
from swift_plugins.core.readers import CURE
from swift_plugins.core.videos import frame_at

GOOD = Media(96, 64, 3.0, 24, False, 3.0, 8.0)  # what good.mp4 is
ABOUT_8 = pytest.approx(8, abs=0.02)  # WebM counts in ms
TABLES_75 = "071f0329733a"  # of libjpeg's quality 75, which Pillow takes by default
NOISE = np.random.default_rng(0).integers(0, 255, (24, 64, 96, 3), dtype=np.uint8)


def write_video(path: Path, **metadata: str) -> None:
    """24 frames of noise at 8 fps, a key frame every 6, the index in front as in files made for the web."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        container.metadata.update(metadata)
        stream = container.add_stream("libx264", rate=8, options={"g": "6", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in NOISE:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_silence(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        for _ in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.rate = 16_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_png_header(path: Path, width: int, height: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    """good.mp4, good.jpg and good.png; read them, do not change them."""
    folder = tmp_path_factory.mktemp("media")
    write_video(folder / "good.mp4")
    for name in ("good.jpg", "good.png"):
        Image.fromarray(NOISE[0]).save(folder / name)
    return folder


@pytest.mark.parametrize("level", ["header", "decode"])
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("good.mp4", GOOD),
        ("good.jpg", Media(96, 64, format="JPEG", quantisation=TABLES_75)),
        ("good.png", Media(96, 64, format="PNG")),
    ],
)
def test_good_files_pass(media, name, found, level):
    assert check_media(str(media / name), level) == found


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("good.mp4", "truncated: the header says 24 frames"),
        ("good.jpg", "the image cannot be read: .*truncated"),
        ("good.png", "the image cannot be read"),
    ],
)
def test_only_decoding_finds_out_a_truncated_file(media, tmp_path, name, complaint):
    data = (media / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) * 6 // 10])
    assert check_media(str(path), "header").width == 96
    with pytest.raises(ValueError, match=complaint):
        check_media(str(path), "decode")


def test_a_video_whose_last_bytes_are_missing_fails(media, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes((media / "good.mp4").read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"truncated|cannot be read|cannot be decoded"):
        check_media(str(path), "decode")


def test_a_clip_cut_without_encoding_it_anew_passes(media, tmp_path):
    """Its edit list hides the frames before the cut: the header counts frames that a reader never sees."""
    path = tmp_path / "cut.mp4"
    with (
        av.open(str(media / "good.mp4")) as source,
        av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container,
    ):
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                shift = int(1 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                container.mux(packet)
    found = check_media(str(path), "decode")
    assert (found.frames, found.length, found.rate) == (16, 2.0, 8.0)


def write_webm(path: Path, codec: str, seconds_of_sound: float = 0) -> None:
    """24 frames of noise at 8 fps, all before the sound: a container whose header counts no frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=8, options={"g": "6", "deadline": "realtime", "cpu-used": "8"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream("libopus", rate=48_000, layout="mono") if seconds_of_sound else None
        for frame in NOISE:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
        for _ in range(int(50 * seconds_of_sound)):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="flt", layout="mono")
            frame.rate = 48_000
            container.mux(sound.encode(frame))
        if sound:
            container.mux(sound.encode())


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_webm_that_was_cut_off_is_found_out_by_its_duration(tmp_path, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV has no {codec} here")
    whole, cut = tmp_path / "whole.webm", tmp_path / "cut.webm"
    write_webm(whole, codec)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    assert check_media(str(whole), "decode") == Media(96, 64, 3.0, 24, False, pytest.approx(3, abs=0.01), ABOUT_8)
    assert check_media(str(cut), "header") == Media(96, 64, 3.0, None, False, None, 8.0)
    with pytest.raises(ValueError, match=r"truncated: the header says 3\.00 s, the file ends at 1\.\d\d s"):
        check_media(str(cut), "decode")


@pytest.mark.skipif(not {"libvpx", "libopus"} <= av.codecs_available, reason="PyAV has no libvpx or no libopus here")
def test_a_webm_whose_sound_outlasts_its_pictures_passes(tmp_path):
    write_webm(tmp_path / "x.webm", "libvpx", seconds_of_sound=5)
    media = check_media(str(tmp_path / "x.webm"), "decode")
    assert media == Media(96, 64, pytest.approx(5, abs=0.1), 24, True, pytest.approx(3, abs=0.01), ABOUT_8)


def test_a_title_in_another_encoding_is_no_damage(tmp_path):
    path = tmp_path / "x.mp4"
    write_video(path, title="PLACEHOLDER")
    path.write_bytes(path.read_bytes().replace(b"PLACEHOLDER", "Café déjà v".encode("latin-1")))
    assert check_media(str(path), "decode").frames == 24


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "flv", "ts", "mpg", "asf"])
def test_the_containers_that_videos_come_in_are_read(tmp_path, suffix):
    """By their content: here all of them are called .mp4."""
    path, codec = tmp_path / f"x.{suffix}", {"mpg": "mpeg2video", "asf": "mpeg4"}.get(suffix, "libx264")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in NOISE:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    renamed = path.rename(tmp_path / "renamed.mp4")
    assert check_media(str(renamed), "header").width == 96
    if suffix != "ts":  # in which a moment cannot always be sought
        assert frame_at(str(renamed), 0.1)[0].size == (96, 64)


def test_a_file_that_names_or_draws_others_is_no_video(media, tmp_path):
    """Playlists of every kind name files that lie elsewhere, and ffmpeg draws a text as pictures."""
    other = media / "good.mp4"
    texts = {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
        "list.mpd": f"<?xml version='1.0'?><MPD profiles='urn:mpeg:dash:profile'><BaseURL>{other}</BaseURL></MPD>",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{other}'\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "list.asx": f"<asx version='3.0'><entry><ref href='{other}'/></entry></asx>",
        "notes.txt": "my notes\n" * 40,
        "notes.nfo": "my notes\n" * 40,
        "drawing.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "x.y4m": "YUV4MPEG2 W2 H2 F25:1 Ip A1:1 C420\nFRAME\n" + "x" * 6,
        "frame%03d.ppm": "P6 1 1 255 xxx",
    }
    for name, text in texts.items():
        for called in (name, f"{name}.mp4"):
            (tmp_path / called).write_text(text)
            with pytest.raises(ValueError, match="neither an image nor a video in a container that is read"):
                check_media(str(tmp_path / called), "header")
            with pytest.raises(ValueError, match="neither an image nor a video in a container that is read"):
                frame_at(str(tmp_path / called), 0)


def test_the_hash_of_media_is_of_their_content(tmp_path):
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    missing = content_hash([a, b])
    for path in (a, b):
        Path(path).write_text("same")
    there = content_hash([a, b])
    os.utime(a, (0, 0))
    assert content_hash([a, b]) == there != missing
    Path(b).write_text("else")
    assert content_hash([a, b]) not in (there, missing, content_hash([b, a]))
    assert content_hash([a, b, a]) == content_hash([a, b])
    assert content_hash([]) is None


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("zero.mp4", b"", "the file has 0 bytes"),
        ("zero.png", b"", "the file has 0 bytes"),
        ("text.mp4", b"<html>404 Not Found</html>" * 50, "the video cannot be read: by its content neither an image"),
        ("text.jpg", b"<html>404 Not Found</html>" * 50, "the image cannot be read: by its content neither an image"),
        ("torn.jpg", b"\xff\xd8\xff" + b"x" * 50, "the image cannot be read: it is damaged"),
        ("list.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n", "neither"),
        ("missing.mp4", None, "the file does not exist"),
    ],
)
def test_what_is_no_media_is_refused(tmp_path, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        check_media(str(tmp_path / name), "decode")


def test_a_folder_and_a_sound_are_refused(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        check_media(str(tmp_path), "header")
    write_silence(tmp_path / "sound.mp4")
    with pytest.raises(ValueError, match="no video stream"):
        check_media(str(tmp_path / "sound.mp4"), "header")


def test_a_video_of_an_unknown_codec_is_refused(media, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes((media / "good.mp4").read_bytes().replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))
    with pytest.raises(ValueError, match="no decoder"):
        check_media(str(path), "header")


@pytest.mark.parametrize("side", [9000, 100_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_oversize_picture_is_refused_by_its_header(tmp_path, side):
    write_png_header(tmp_path / "bomb.png", side, side)
    with pytest.raises(ValueError, match=r"exceeds .* pixels|exceeds limit"):
        check_media(str(tmp_path / "bomb.png"), "decode")


def test_the_tables_tell_how_a_jpeg_was_saved(tmp_path):
    """The same for every image of one encoder and quality, whatever it shows and however large it is."""
    found = {}
    for name, side, quality in (("a", 64, 75), ("b", 40, 75), ("c", 64, 90)):
        Image.fromarray(NOISE[0, :side, :side]).save(tmp_path / f"{name}.jpg", quality=quality)
        found[name] = check_media(str(tmp_path / f"{name}.jpg"), "header").quantisation
    assert found["a"] == found["b"] == TABLES_75
    assert found["c"] not in (None, TABLES_75)


def test_the_format_is_what_the_file_holds_and_not_what_it_is_called(tmp_path):
    Image.fromarray(NOISE[0]).save(tmp_path / "x.jpg", format="PNG")
    assert check_media(str(tmp_path / "x.jpg"), "header") == Media(96, 64, format="PNG")


# --------------------------------------------------------------------------------------------------------- many at once


@pytest.mark.parametrize("level", ["header", "decode"])
def test_a_format_that_another_program_would_draw_is_refused(tmp_path, level):
    """Pillow hands an EPS file, whatever it is called, to Ghostscript."""
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    (tmp_path / "a.png").write_text(text)
    with pytest.raises(ValueError, match="neither an image nor a video"):
        check_media(str(tmp_path / "a.png"), level)


def misbehave(path: str, level: str, reader: str | None) -> Media:
    """A reader that does to itself what its file's name says."""
    name = Path(path).stem
    if name == "hang":
        time.sleep(60)
    if name == "die":
        os._exit(3)
    if name == "refuse":
        raise ValueError("no good")
    if name == "break":
        raise AttributeError("no such thing")
    return Media(1, 1)


def test_a_bad_reader_costs_one_result_and_not_the_run():
    names = ["a", "hang", "b", "die", "c", "refuse", "break", "d"]
    begin = time.monotonic()
    found = list(check_many(names, "header", workers=2, time_limit=3.0, check=misbehave))
    assert time.monotonic() - begin < 30
    good = Media(1, 1)
    assert found == [
        ("a", good),
        ("hang", f"reading took more than 3 s; where a player shows it, {CURE}"),
        ("b", good),
        ("die", f"the reader crashed (exit code 3); where a player shows it, {CURE}"),
        ("c", good),
        ("refuse", "no good"),
        ("break", "AttributeError: no such thing"),
        ("d", good),
    ]


def test_in_a_chunk_a_bad_file_costs_only_itself():
    """300 files go in chunks of 37; each bad one is among good ones."""
    bad = ["hang", "die", "refuse", "break"]
    names = [bad[i // 75] if i % 75 == 40 else f"good{i}" for i in range(300)]
    found = list(check_many(names, "header", workers=2, time_limit=3.0, check=misbehave))
    assert [name for name, _ in found] == names
    assert {name: result for name, result in found if isinstance(result, str)} == {
        "hang": f"reading took more than 3 s; where a player shows it, {CURE}",
        "die": f"the reader crashed (exit code 3); where a player shows it, {CURE}",
        "refuse": "no good",
        "break": "AttributeError: no such thing",
    }


def test_headers_are_read_many_to_a_job_and_pictures_one(monkeypatch):
    sizes = []
    monkeypatch.setattr(checks, "run_guarded", lambda f, jobs, workers, limit, chunk: sizes.append(chunk) or jobs)
    for level, count in (("header", 10_000), ("header", 16), ("decode", 10_000)):
        list(check_many(["x"] * count, level, workers=2))
    assert sizes == [64, 2, 1]


def test_many_real_files(media):
    found = dict(check_many([str(media / name) for name in ("good.mp4", "none.mp4", "good.png")], "decode"))
    assert list(found.values()) == [GOOD, "the file does not exist", Media(96, 64, format="PNG")]


def test_no_files_and_no_workers():
    assert list(check_many([], "decode")) == []
    with pytest.raises(ValueError, match="--workers must be at least 1, got 0"):
        list(check_many(["x"], "header", workers=0))


# ---------------------------------------------------------------------------------------------------------------- paths


@pytest.fixture
def tree(tmp_path) -> Path:
    """data/ with a file, a link within it and links out of it, beside a secret."""
    root = tmp_path / "data"
    (root / "videos").mkdir(parents=True)
    (root / "videos" / "a.mp4").touch()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s.mp4").touch()
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "out.mp4").symlink_to(tmp_path / "secret" / "s.mp4")
    (root / "in.mp4").symlink_to(root / "videos" / "a.mp4")
    return root


@pytest.mark.parametrize("relative", ["videos/a.mp4", "./videos/../videos/a.mp4", "in.mp4"])
def test_a_path_inside_is_resolved(tree, relative):
    assert resolve_under(str(tree), relative) == f"{tree}/videos/a.mp4"


def test_everything_is_inside_the_root_of_the_file_system():
    assert resolve_under("/", "dev/../dev/null") == "/dev/null"


@pytest.mark.parametrize(
    ("relative", "complaint"),
    [
        ("../secret/s.mp4", "leaves data/"),
        ("videos/../../secret/s.mp4", "leaves data/"),
        ("/etc/passwd", "leaves data/"),
        ("out/s.mp4", "leaves data/"),
        ("out.mp4", "leaves data/"),
        ("../data2/a.mp4", "leaves data/"),
        ("https://example.org/a.mp4", "not a file path"),
        ("file:///etc/passwd", "not a file path"),
        ("videos/a\0.mp4", "not a file path"),
    ],
)
def test_a_path_outside_is_refused(tree, relative, complaint):
    with pytest.raises(ValueError, match=complaint):
        resolve_under(str(tree), relative)
