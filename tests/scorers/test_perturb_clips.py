"""Perturbed copies of videos: their frames, times, sizes and boxes, and that rows and scores follow them."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from eval import perturb as command
from eval.perturbing import copies
from eval.perturbing.clips import CLIP_KINDS, Part, captured, one_of, part_shown, write_clip
from eval.perturbing.kinds import chance
from eval.perturbing.moire import filmed
from swift_plugins.core.box_rows import restated
from swift_plugins.core.checks import check_media
from swift_plugins.core.records import read_rows, sha256_file
from swift_plugins.core.settings import BOX_SPACE
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.tasks.deeptrace_answer import Answer
from swift_plugins.core.videos import frame_at, open_video, read_timeline, seen_stream, upright
from tests.core.clips import number_of
from tests.core.clips import write_clip as make_clip
from tests.killing import beside
from tests.scorers.test_perturb import rows_of, run, source_row
from tests.scoring import score_rows, write_rows

BOX = [24, 16, 72, 48]  # of 96 x 64 px: half of each side, in the middle


def deeptrace_row(path: str, row_id: str, bbox: list | None = None, **meta) -> dict:
    answer = Answer("fake", tuple(bbox), 0.8, "it melts") if bbox else Answer("real")
    facts = {
        "media_id": row_id.split("/")[0],
        "split": "test",
        "label": answer.verdict,
        "width": 96,
        "height": 64,
        "duration": 1.6,
        "fps": 10.0,
        "bbox": bbox or [],
        "start": 0.8 if bbox else None,
        "explanation": "it melts" if bbox else "",
        "box_space": "pixel",
        "box_width": 96,
        "box_height": 64,
        "task_version": "1",
    }
    messages = [
        {"role": "user", "content": deeptrace.QUESTIONS["full"]},
        {"role": "assistant", "content": deeptrace.render(answer)},
    ]
    return {"id": row_id, "task": "deeptrace", "messages": messages, "videos": [path], "meta": facts | meta}


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> str:
    """16 frames of 96 x 64 px at 10 frames/s, each of which shows its number."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=16)


def copy_of(clip: str, folder: Path, kind: str, strength: int) -> str:
    target = str(folder / f"{kind}{strength}.mp4")
    assert write_clip(clip, target, kind, strength, 0, "clip") is None
    return target


def frames_of(path: str) -> list[tuple[float, Image.Image]]:
    """(second, upright picture) of every frame."""
    with open_video(path) as container:
        seconds = read_timeline(container, seen_stream(container)).seconds
    with open_video(path) as container:
        return list(zip(seconds, map(upright, container.decode(seen_stream(container))), strict=True))


def told(path: str) -> list[tuple[float, int]]:
    return [(round(second, 4), number_of(image)) for second, image in frames_of(path)]


def distance(path: str, clip: str) -> float:
    pairs = zip(frames_of(path), frames_of(clip), strict=True)
    return float(np.mean([np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() for (_, a), (_, b) in pairs]))


# ------------------------------------------------------------------------------------------------------------ the kinds


@pytest.mark.parametrize("kind", ["h264", "downscale", "crop"])
def test_frames_keep_their_order_their_times_and_the_length(kind, clip, tmp_path):
    path = copy_of(clip, tmp_path, kind, 1)
    assert told(path) == told(clip) == [(number / 10, number) for number in range(16)]
    assert check_media(path, "decode").duration == pytest.approx(1.6)


def test_fewer_frames_a_second_are_shown_when_they_were(clip, tmp_path):
    path = copy_of(clip, tmp_path, "frame_rate", 3)
    assert told(path) == [(0, 0), (0.4, 4), (0.8, 8), (1.2, 12)]
    media = check_media(path, "decode")
    assert (media.duration, media.rate, media.frames) == (pytest.approx(1.6), pytest.approx(2.5), 4)


def test_a_recording_has_frames_at_its_own_rate(clip, tmp_path):
    path = copy_of(clip, tmp_path, "screen", 5)
    media = check_media(path, "decode")
    assert (media.width, media.height, media.frames, media.duration) == (480, 320, 24, pytest.approx(1.6))
    assert told(path) == [(round(tick / 15, 4), int(tick / 15 * 10 + 1e-6)) for tick in range(24)]


def test_a_filmed_screen_shows_beats_of_both_pixel_grids_that_its_seed_decides():
    """On even grey there are bands of 14 to 50 px and nothing that is finer than they; green follows red by a third."""
    grey = Image.new("RGB", (320, 200), (128, 128, 128))
    bands = [np.asarray(filmed(grey.size, 0.1, chance(seed, "x", "screen", 3))(grey), float) for seed in (0, 0, 1)]
    assert (bands[0] == bands[1]).all()
    assert np.abs(bands[0] - bands[2]).mean() > 2
    for picture in (bands[0], bands[2]):
        spectra = np.fft.rfft2(picture - picture.mean((0, 1)), axes=(0, 1))
        place = np.unravel_index(np.abs(spectra[..., 0]).argmax(), spectra.shape[:2])
        cycles = np.hypot(np.fft.fftfreq(200)[place[0]], place[1] / 320)
        assert 10 < 1 / cycles < 60
        steps = (
            np.angle(spectra[(*place, 1)] / spectra[(*place, 0)]),
            np.angle(spectra[(*place, 2)] / spectra[(*place, 1)]),
        )
        assert np.abs(steps) == pytest.approx(2 * np.pi / 3, abs=0.2)
        assert 128 - 12 < picture.min() < picture.max() < 128 + 12  # a tenth of the light, and half of that by rows


def test_the_deeper_the_moire_the_further_from_the_frame():
    photo = Image.fromarray(np.random.default_rng(0).integers(60, 190, (100, 160, 3), dtype=np.uint8))
    found = [
        np.abs(np.asarray(filmed(photo.size, level.moire, chance(0, "x", "screen", 1))(photo), float) - photo).mean()
        for level in CLIP_KINDS["screen"].levels
    ]
    assert found == sorted(found)
    assert 0.5 < found[0] < 3 < found[-1] < 15


def test_which_frames_are_shown_by_hand():
    seconds = [0, 0.1, 0.5, 0.55, 1.4]
    assert one_of(seconds, 1.5, 2) == [(0, 0), (2, 0.5), (4, 1.4)]
    level = CLIP_KINDS["screen"].levels[0]._replace(rate=4)
    assert captured(seconds, 1.5, level) == [(0, 0), (1, 0.25), (2, 0.5), (3, 0.75), (3, 1.0), (3, 1.25)]
    with pytest.raises(ValueError, match="too short: one frame of 8 leaves 1 of 5"):
        one_of(seconds, 1.5, 8)


@pytest.mark.parametrize(("kind", "left"), [("h264", [0, 1, 2, 3, 4]), ("frame_rate", [0, 2, 4])])
def test_a_variable_rate_and_a_late_start_and_a_turn_are_followed(kind, left, tmp_path):
    times = [0, 0.1, 0.5, 0.6, 1.4]
    source = make_clip(tmp_path / "phone.mp4", turn=90, start=5, times=times, sizes=[(64, 96)])
    path = copy_of(source, tmp_path, kind, 1)
    assert [second for second, _ in told(path)] == [times[number] for number in left]
    media = check_media(path, "decode")
    assert (media.width, media.height) == (96, 64)
    with av.open(path) as container:
        assert next(container.decode(video=0)).rotation == 0
    for second in (0, 0.55, 1.4):
        here, there = (np.asarray(frame_at(one, second)[0], float) for one in (path, source))
        assert kind != "h264" or np.abs(here - there).mean() < 5


@pytest.mark.parametrize("kind", ["h264", "downscale"])
def test_the_stronger_the_further_from_the_video(kind, tmp_path):
    rng = np.random.default_rng(0)
    source = str(tmp_path / "grain.mp4")
    with av.open(source, "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "4", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(3):
            blobs = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize((96, 64), Image.BICUBIC)
            container.mux(stream.encode(av.VideoFrame.from_image(blobs)))
        container.mux(stream.encode())
    found = [distance(copy_of(source, tmp_path, kind, strength), source) for strength in (1, 3, 5)]
    assert 0 < found[0] < found[1] < found[2]
    assert found[0] < 12


def test_sizes_are_even_and_foretold(tmp_path):
    assert part_shown("h264", 1, 97, 65) == Part((0, 0, 96, 64), (96, 64))
    assert part_shown("crop", 5, 97, 65) == Part((24, 16, 72, 48), (48, 32))
    assert part_shown("screen", 5, 97, 65).size == (480, 322)
    source = make_clip(tmp_path / "odd.mp4", codec="mpeg4", frames=2, sizes=[(97, 65)])
    for kind in ("h264", "crop"):
        media = check_media(copy_of(source, tmp_path, kind, 5), "header")
        assert (media.width, media.height) == part_shown(kind, 5, 97, 65).size
    with pytest.raises(ValueError, match="bad size: crop/5 gives 10x10"):
        part_shown("crop", 5, 20, 20)


def test_a_video_whose_size_changes_is_refused(tmp_path):
    parts = [
        Path(make_clip(tmp_path / f"{i}.ts", muxer="mpegts", frames=4, start=0.4 * i, sizes=[size]))
        for i, size in enumerate([(96, 64), (192, 128)])
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(ValueError, match="the size changes: from 96x64 to 192x128"):
        write_clip(str(tmp_path / "both.ts"), str(tmp_path / "x.mp4"), "h264", 1, 0, "both")
    assert not list(tmp_path.glob("*x.mp4*"))


def test_colours_stay_what_they_were_whatever_matrix_the_source_states(tmp_path):
    with av.open(str(tmp_path / "hd.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.colorspace = 1  # BT.709
        red = av.VideoFrame.from_image(Image.new("RGB", (96, 64), (220, 30, 40)))
        for packet in (*stream.encode(red.reformat(format="yuv420p", dst_colorspace=1)), *stream.encode()):
            container.mux(packet)
    (_, shown), *_ = frames_of(copy_of(str(tmp_path / "hd.mp4"), tmp_path, "h264", 1))
    assert shown.getpixel((48, 32)) == pytest.approx((220, 30, 40), abs=4)


def test_boxes_by_hand():
    crop = part_shown("crop", 5, 96, 64)  # shows 24..72, 16..48
    assert crop.moved((24, 16, 72, 48)) == ((0, 0, 48, 32), 1)
    assert crop.moved((48, 16, 96, 32)) == ((24, 0, 48, 16), 0.5)
    assert crop.moved((0, 0, 24, 16)) == (None, 0)
    screen = part_shown("screen", 5, 96, 64).moved((48, 32, 96, 64))
    assert screen == (pytest.approx((238.74, 158.74, 480, 320), abs=0.01), 1)


def test_the_same_bytes_each_time_and_no_sound_or_source_in_them(clip, tmp_path):
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths.append(copy_of(clip, tmp_path / name, "h264", 2))
    assert sha256_file(paths[0]) == sha256_file(paths[1])
    with av.open(paths[0]) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert (container.streams[0].codec_context.name, container.streams[0].pix_fmt) == ("h264", "yuv420p")


# ---------------------------------------------------------------------------------------------------------- the command


def test_rows_follow_their_copies(clip, tmp_path):
    corner = [0, 0, 30, 20]
    rows = [
        deeptrace_row(clip, "v/1", BOX),
        deeptrace_row(clip, "v/2", corner),
        deeptrace_row(clip, "n", BOX, box_space="norm1000", box_width=1000, box_height=1000),
        deeptrace_row(clip, "r"),
        deeptrace_row(clip, "bare", BOX, width=None),
    ]
    data, out = write_rows(tmp_path / "test.jsonl", rows), tmp_path / "out"
    assert run(data, out, "--kinds", "crop,frame_rate", "--strengths", "3") == 0
    found = {row["id"]: row for row in rows_of(out)}
    assert found["v/1"] == rows[0] | {"meta": rows[0]["meta"] | copies.CLEAN}
    cropped = found["v/1/crop/3"]["meta"]  # the middle 0.8: 76 x 50 px from (10, 7)
    assert [cropped[key] for key in ("width", "height", "box_width", "box_height")] == [76, 50, 76, 50]
    assert cropped["bbox"] == [14, 9, 62, 41]
    assert (cropped["start"], cropped["duration"]) == (0.8, pytest.approx(1.6))
    assert (cropped["parameter"], cropped["strength"]) == ("the middle 0.8 of each side", 3)
    said = {row_id: deeptrace.parse_trained(row["messages"][1]["content"]).answer for row_id, row in found.items()}
    assert said["v/1/crop/3"] == Answer("fake", (14, 9, 62, 41), 0.8, "it melts")
    assert said["n/crop/3"].bbox == (184, 180, 816, 820)
    assert found["n/crop/3"]["meta"]["box_width"] == 1000
    assert said["r/crop/3"] == Answer("real")
    assert said["v/1/frame_rate/3"].bbox == tuple(BOX)
    assert found["v/1/frame_rate/3"]["meta"]["fps"] == pytest.approx(2.5)
    assert found["v/1/crop/3"]["videos"] == found["r/crop/3"]["videos"]  # rows of one video share its copies
    gone = found["v/2/crop/3"]["meta"]  # 20 x 13 of 30 x 20 px are left of its box
    assert (gone["trace"], gone["bbox"], gone["start"], gone["explanation"]) == ("cropped away", [], None, "")
    assert (said["v/2/crop/3"], gone["label"]) == (Answer("fake"), "fake")
    assert said["v/2/frame_rate/3"].bbox == tuple(corner)
    rejects = {row["id"]: row["reason"] for _, row in read_rows(out / "rejects.jsonl")}
    assert list(rejects) == ["bare/crop/3", "bare/frame_rate/3"]
    assert rejects["bare/crop/3"].startswith("bad box: ")
    assert restated(found["v/1/crop/3"], {BOX_SPACE: "ratio"})["meta"]["box_width"] == 1


def test_a_damaged_video_costs_its_own_rows_and_a_killed_run_goes_on(clip, tmp_path, monkeypatch, capsys):
    whole = Path(clip).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile /etc/passwd\n")
    Image.new("RGB", (32, 32)).save(tmp_path / "still.mp4", "PNG")
    names = ("cut.mp4", "list.mp4", "still.mp4", "gone.mp4")
    rows = [deeptrace_row(clip, "good", BOX), *(deeptrace_row(str(tmp_path / name), name) for name in names)]
    data, out = write_rows(tmp_path / "test.jsonl", rows), tmp_path / "out"
    options = ("--kinds", "h264,downscale", "--strengths", "5")

    def killed(function, jobs, workers, time_limit):
        yield function(*jobs[0])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(copies, "run_guarded", killed)
        assert run(data, out, *options) == 130
    done = next(out.rglob("*.mp4"))
    before = done.stat().st_mtime_ns
    (done.parent / beside("x.mp4")).write_bytes(b"half")
    capsys.readouterr()
    assert run(data, out, *options) == 0
    assert "1 videos to write" in capsys.readouterr().out
    assert done.stat().st_mtime_ns == before
    assert not list(out.rglob("*.tmp"))
    assert [row["id"] for row in rows_of(out)] == ["good", "good/downscale/5", "good/h264/5"]
    reasons = {row["id"]: row["reason"] for _, row in read_rows(out / "rejects.jsonl")}
    assert len(reasons) == 3 * len(names)
    assert "cannot be read" in reasons["cut.mp4"]
    assert "neither an image nor a video" in reasons["list.mp4/h264/5"]
    assert reasons["still.mp4"] == "an image, not a video"
    assert reasons["gone.mp4"] == "the file does not exist"


def test_a_mixture_gets_the_kinds_of_each_medium(clip, tmp_path, capsys):
    Image.new("RGB", (32, 32), "red").save(tmp_path / "x.png")
    image = source_row(tmp_path / "x.png", "image")
    messages = [image["messages"][0] | {"content": "<video>Real or fake?"}, image["messages"][1]]
    video = {k: v for k, v in image.items() if k != "images"} | {"id": "video", "messages": messages, "videos": [clip]}
    data = write_rows(tmp_path / "test.jsonl", [image, video])
    assert run(data, tmp_path / "out", "--kinds", "jpeg,crop,h264", "--strengths", "2") == 0
    ids = [row["id"] for row in rows_of(tmp_path / "out")]
    assert ids == ["image", "image/jpeg/2", "image/crop/2", "video", "video/crop/2", "video/h264/2"]
    assert run(data, tmp_path / "other", "--kinds", "jpeg", "--strengths", "2") == 2
    problem = f"test.jsonl:2: no kind asked for is one of its medium: use --kinds {','.join(CLIP_KINDS)}"
    assert problem in capsys.readouterr().err


def test_by_default_videos_get_all_of_theirs(clip, tmp_path):
    short = make_clip(tmp_path / "short.mp4", frames=3)
    data = write_rows(tmp_path / "test.jsonl", [deeptrace_row(short, "a", BOX)])
    assert run(data, tmp_path / "out", "--strengths", "5") == 0
    assert {row["meta"]["perturbation"] for row in rows_of(tmp_path / "out")} == {"none", *CLIP_KINDS} - {"frame_rate"}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert list(manifest["levels"]) == manifest["options"]["kinds"] == list(CLIP_KINDS)
    assert manifest["reject_reasons"] == {"too short": 1}
    assert manifest["versions"]["av"] == av.__version__


def test_boxes_for_the_frames_of_one_base_are_refused(clip, tmp_path, capsys):
    row = deeptrace_row(clip, "a", BOX, box_space="resized", box_width=112, box_height=84)
    assert run(write_rows(tmp_path / "test.jsonl", [row]), tmp_path / "out", "--kinds", "h264") == 2
    assert "stated in resized, for the frames that one base sees of this very video" in capsys.readouterr().err


def test_from_the_command_to_the_table(clip, tmp_path):
    """The detector answers as the truth says, but takes the smaller crops for real and puts no box right in a h264.

    The trace of the second fake is cropped away: the verdict counts, and nothing else is asked of it.
    """
    rows = [deeptrace_row(clip, "f", BOX), deeptrace_row(clip, "g", [0, 0, 24, 16]), deeptrace_row(clip, "r")]
    data, out = write_rows(tmp_path / "test.jsonl", rows), tmp_path / "out"
    assert command.main(["--data", str(data), "--out", str(out), "--kinds", "h264,crop", "--strengths", "1,4"]) == 0
    answered = []
    for row in rows_of(out):
        response = row["messages"][1]["content"]
        if row["meta"]["perturbation"] == "crop" and row["meta"]["strength"] == 4:
            response = deeptrace.REAL_ANSWER
        elif row["meta"]["perturbation"] == "h264" and row["meta"]["label"] == "fake":
            response = deeptrace.render(Answer("fake", (80, 50, 96, 64), 1.6, "it melts"))
        answered.append(row | {"labels": row["messages"][1]["content"], "response": response})
    report = score_rows(tmp_path, answered, "--gold", out / "test.jsonl", "--out", tmp_path / "report")
    kinds = report["robustness"]["kinds"]

    def curve(kind: str, name: str) -> list[float]:
        return [point["metrics"][name]["value"] for point in kinds[kind]]

    assert curve("h264", "accuracy") == [100, 100, 100]
    assert curve("crop", "accuracy") == [100, 100, pytest.approx(100 / 3, abs=1e-4)]
    assert [point["metrics"]["bbox_iou"]["n"] for point in kinds["crop"]] == [2, 2, 1]
    assert kinds["crop"][2]["minus_clean"]["accuracy"] == {"n": 3, "only_this": 0, "only_other": 2}
    assert curve("h264", "bbox_iou") == [100, 0, 0]
    assert curve("crop", "bbox_iou") == [100, pytest.approx(100, abs=4), 0]
    assert curve("h264", "time_distance") == [0, pytest.approx(50), pytest.approx(50)]
    page = (tmp_path / "report" / "report.md").read_text()
    assert "| crop 4 | the middle 0.65 of each side | 3 |" in page
