"""The FaceForensics++ converter: the official splits to the row, and the very frames that were asked for."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from converters.ffpp_to_swift import main
from converters.layouts.ffpp import Video, manipulation_of, read_splits, videos_of
from converters.layouts.ffpp_frames import FaceForensics
from swift_plugins.core.frames import FrameRule, cut_frames, frame_rule
from swift_plugins.core.records import check_row, read_rows
from swift_plugins.core.tasks import fakevlm
from tests.killing import beside

FRAMES = 12
PAIRS = {"train": [["071", "054"]], "val": [["720", "672"]], "test": [["953", "974"]]}
REAL, FAKE = "original_sequences/youtube/c23", "manipulated_sequences/{}/c23"


def write_video(path: Path, frames: int = FRAMES) -> Path:
    """A clip whose frame i is a flat grey of 20 + 16 i, with frames that refer forward."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "6", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(frames):
            picture = np.full((48, 64, 3), 20 + 16 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def number_in(path: str | Path) -> int:
    """The number of the frame that a picture shows, told by its brightness."""
    with Image.open(path) as image:
        return round((float(np.asarray(image.convert("L")).mean()) - 20) / 16)


def write_frames(folder: Path, numbers: list[int], pattern: str = "{:03d}.png") -> None:
    folder.mkdir(parents=True)
    for number in numbers:
        Image.new("RGB", (32, 32), (20 + 16 * number,) * 3).save(folder / pattern.format(number))


def write_splits(folder: Path, splits: dict[str, Any] = PAIRS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, pairs in splits.items():
        (folder / f"{name}.json").write_text(json.dumps(pairs))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """Deepfakes and originals of three pairs as videos; read it, do not change it."""
    root = tmp_path_factory.mktemp("ffpp") / "FaceForensics++"
    write_splits(root / "splits")
    clip = write_video(root / "clip.mp4").read_bytes()
    for (pair,) in PAIRS.values():
        for a, b in (pair, pair[::-1]):
            for path in (
                root / REAL / "videos" / f"{a}.mp4",
                root / FAKE.format("Deepfakes") / "videos" / f"{a}_{b}.mp4",
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(clip)
    return root


def convert(root: Path, out: Path, *options: str) -> dict[str, Any]:
    assert main(["--src", str(root), "--out", str(out), "--workers", "2", *options]) == 0
    return json.loads((out / "manifest.json").read_text())


def rows_of(out: Path, split: str = "train") -> list[dict[str, Any]]:
    return [row for _, row in read_rows(out / f"{split}.jsonl")]


def rejects_of(out: Path) -> list[str]:
    return [row["reason"] for _, row in read_rows(out / "rejects.jsonl")]


# ----------------------------------------------------------------------------------------------------------- the splits


def test_the_official_splits_give_the_published_videos(published):
    splits = read_splits(published / "ffpp_splits")
    assert {split: len(pairs) for split, pairs in splits.items()} == {"train": 360, "val": 70, "test": 70}
    counts = {
        split: Counter(v.manipulation for v in videos_of(pairs, ["Deepfakes", "FaceShifter"]))
        for split, pairs in splits.items()
    }
    assert counts == {
        split: {"Deepfakes": n, "FaceShifter": n, "original": n}
        for split, n in {"train": 720, "val": 140, "test": 140}.items()
    }
    train = videos_of(splits["train"], ["Face2Face"])
    assert train[:2] == [("Face2Face", "071_054"), ("Face2Face", "054_071")]
    assert {"original/071", "original/054"} < {video.name for video in train}


def test_the_official_splits_convert_to_the_video(published, tmp_path):
    (tmp_path / "src" / "original_sequences").mkdir(parents=True)
    splits = ("--splits", str(published / "ffpp_splits"))
    manifest = convert(tmp_path / "src", tmp_path / "out", "--check", "none", "--media", "videos", *splits)
    assert manifest["counts"] == {
        "train": {"fake": 2880, "real": 720},
        "val": {"fake": 560, "real": 140},
        "test": {"fake": 560, "real": 140},
    }
    assert manifest["media_missing"] == 5000
    assert manifest["leakage"] == {"ids_in_several_splits": []}


def test_the_official_splits_convert_without_any_video(published, tmp_path, capsys):
    """By default to frames: of each of the 5000 videos the first."""
    manifest = convert(published / "ffpp_splits", tmp_path / "out", "--check", "none")
    assert manifest["counts"] == {
        "train": {"fake": 2880, "real": 720},
        "val": {"fake": 560, "real": 140},
        "test": {"fake": 560, "real": 140},
    }
    assert (manifest["media_checked"], manifest["media_missing"]) == ("none", 5000)
    assert {row["meta"]["frame"] for row in rows_of(tmp_path / "out", "val")} == {0}
    said = capsys.readouterr().out
    assert "note: 5000 videos are not there, one frame of each is named" in said
    assert "images are not there" not in said


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"val": [["../..", "071"]]}, "val.json[0]: expected two ids"),
        ({"test": [["071", "054", "000"]]}, "test.json[0]: expected two ids"),
        ({"train": [["071", "054"], [71, 54]]}, "train.json[1]: expected two ids"),
        ({"train": {"071": "054"}}, "expected a list of pairs"),
    ],
)
def test_a_split_of_something_else_is_refused(splits, message, dataset, tmp_path, capsys):
    write_splits(tmp_path / "splits", PAIRS | splits)
    assert main(["--src", str(dataset), "--out", str(tmp_path / "out"), "--splits", str(tmp_path / "splits")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_said_in_one_line(tmp_path, capsys):
    assert main(["--src", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "github.com/ondyari/FaceForensics" in error
    assert "or convert with --check none" in error
    (tmp_path / "original_sequences").mkdir()
    assert main(["--src", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "dataset/splits of https://github.com/ondyari/FaceForensics" in capsys.readouterr().err


def test_an_identity_in_two_splits_is_reported(dataset, tmp_path, capsys):
    write_splits(tmp_path / "splits", PAIRS | {"test": [["953", "071"]]})
    manifest = convert(
        dataset,
        tmp_path / "out",
        "--media",
        "videos",
        "--manipulations",
        "Deepfakes",
        "--splits",
        str(tmp_path / "splits"),
    )
    assert manifest["leakage"]["ids_in_several_splits"] == ["071"]
    assert "leakage: 1 ids stand in more than one split, 071 among them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Neuraltexture", "NeuralTextures"),
        ("neuraltextures", "NeuralTextures"),
        ("Original", "original"),
        ("FaceShifter", "FaceShifter"),
    ],
)
def test_spellings_of_a_manipulation(name, meant):
    assert manipulation_of(name) == meant


def test_an_unknown_manipulation_is_refused_with_what_was_meant(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--manipulations", "FaceSwop"])
    assert stopped.value.code == 2
    assert "did you mean 'FaceSwap'?" in capsys.readouterr().err


# ----------------------------------------------------------------------------------------------------------- the frames


@pytest.mark.parametrize(
    ("text", "numbers", "taken"),
    [
        ("first", range(3, 9), [3]),
        ("index:5", range(12), [5]),
        ("index:5", [0, 4, 8], [4]),
        ("index:0", [0, 4], [0]),
        ("uniform:4", range(12), [0, 3, 6, 9]),
        ("uniform:4", [1, 5, 9], [1, 5, 9]),
        ("uniform:1", [7, 8], [7]),
    ],
)
def test_a_rule_takes_these_frames(text, numbers, taken):
    assert frame_rule(text).pick(numbers) == taken
    assert str(frame_rule(text)) == text


def test_a_frame_before_the_first_extracted_is_none():
    with pytest.raises(ValueError, match="at or before number 2; the first is 5"):
        FrameRule("index", 2).pick([5, 9])


@pytest.mark.parametrize("text", ["", "last", "index", "index:-1", "index:1.5", "uniform:0", "first:1", "uniform:1e9"])
def test_a_rule_that_does_not_exist_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be first, index:N, uniform:N"):
        frame_rule(text)


def test_the_cut_frames_are_those_asked_for(tmp_path):
    clip = write_video(tmp_path / "clip.mp4")
    cut = cut_frames(str(clip), str(tmp_path / "cut"), FrameRule("uniform", 5))
    assert [number for number, _ in cut] == [0, 2, 4, 7, 9]
    assert [number_in(path) for _, path in cut] == [0, 2, 4, 7, 9]
    assert cut_frames(str(clip), str(tmp_path / "one"), FrameRule("index", 11)) == [(11, f"{tmp_path}/one/011.png")]
    assert number_in(tmp_path / "one" / "011.png") == 11
    with pytest.raises(ValueError, match="there is no frame 12: the video has 12"):
        cut_frames(str(clip), str(tmp_path / "one"), FrameRule("index", 12))


def test_cutting_goes_on_where_it_was_stopped(tmp_path):
    clip, folder = str(write_video(tmp_path / "clip.mp4")), tmp_path / "cut"
    rule = FrameRule("uniform", 4)
    paths = [Path(path) for _, path in cut_frames(clip, str(folder), rule)]
    before = {path: path.stat().st_mtime_ns for path in paths}
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[: len(whole) // 2])  # truncated
    Image.new("RGB", (8, 8)).save(paths[2])  # of another video
    paths[3].unlink()
    (folder / beside("009.png")).write_bytes(whole[:20])  # what a killed writer leaves
    assert [path for _, path in cut_frames(clip, str(folder), rule)] == list(map(str, paths))
    assert [number_in(path) for path in paths] == [0, 3, 6, 9]
    assert paths[0].stat().st_mtime_ns == before[paths[0]]
    assert sorted(os.listdir(folder)) == ["000.png", "003.png", "006.png", "009.png"]


def test_frames_of_a_video_that_was_replaced_are_cut_anew(tmp_path):
    clip = write_video(tmp_path / "clip.mp4")
    ((_, path),) = cut_frames(str(clip), str(tmp_path / "cut"), FrameRule("first"))
    Image.new("RGB", (64, 48), "white").save(path)  # as of an earlier file of the same size
    os.utime(path, ns=(0, clip.stat().st_mtime_ns - 10**9))
    cut_frames(str(clip), str(tmp_path / "cut"), FrameRule("first"))
    assert number_in(path) == 0


def test_a_frames_folder_is_read_by_number(tmp_path):
    write_frames(tmp_path / FAKE.format("Neuraltexture") / "frames" / "071_054", [0, 2, 10], "{}.png")
    (tmp_path / FAKE.format("Neuraltexture") / "frames" / "071_054" / "landmarks.txt").write_text("")
    source, video = FaceForensics(tmp_path, "c23"), Video("NeuralTextures", "071_054")
    taken = source.extracted(video, FrameRule("uniform", 9))
    assert [frame.number for frame in taken] == [0, 2, 10]
    assert taken[2].image == "manipulated_sequences/Neuraltexture/c23/frames/071_054/10.png"
    assert [number_in(frame.path) for frame in taken] == [0, 2, 10]


def test_frames_may_be_jpegs(tmp_path):
    write_frames(tmp_path / FAKE.format("Deepfakes") / "frames" / "071_054", [3, 5], "{:03d}.jpg")
    taken = FaceForensics(tmp_path, "c23").extracted(Video("Deepfakes", "071_054"), FrameRule("uniform", 2))
    assert [number_in(frame.path) for frame in taken] == [3, 5]


def test_frames_by_other_names_are_told_of_and_none_is_cut_from_the_video_instead(tmp_path):
    write_splits(tmp_path / "splits")
    write_frames(tmp_path / FAKE.format("Deepfakes") / "frames" / "071_054", [0, 5], "frame_{:03d}.png")
    for name in ("071_054", "054_071"):
        write_video(tmp_path / FAKE.format("Deepfakes") / "videos" / f"{name}.mp4")
    convert(tmp_path, tmp_path / "out", "--frames-per-video", "2", "--manipulations", "Deepfakes")
    assert {row["meta"]["video"] for row in rows_of(tmp_path / "out")} == {"Deepfakes/054_071"}
    assert rejects_of(tmp_path / "out")[0] == (
        "media: manipulated_sequences/Deepfakes/c23/frames/071_054/frame_000.png is not named as a frame is: "
        "<number>.png or .jpg, such as 000.png"
    )


# ------------------------------------------------------------------------------------------------------------- the rows


def test_frames_cut_from_videos_become_rows(dataset, tmp_path):
    manifest = convert(dataset, tmp_path / "out", "--frames-per-video", "3", "--manipulations", "Deepfakes")
    assert manifest["counts"] == {split: {"fake": 6, "real": 6} for split in PAIRS}
    assert manifest["frames_from"] == {"videos": 12}
    assert manifest["frame_rule"] == "uniform:3"
    assert manifest["videos"]["train"] == {
        "Deepfakes": {"found": 2, "expected": 2},
        "original": {"found": 2, "expected": 2},
    }
    assert manifest["image_audit"]["images"] == 36
    rows = rows_of(tmp_path / "out")
    for row in rows:
        check_row(row)
        assert number_in(row["images"][0]) == row["meta"]["frame"]
        assert fakevlm.parse_trained(row["messages"][1]["content"]).answer.verdict == row["meta"]["label"]
    assert rows[1] == {
        "id": "train/Deepfakes/071_054/4",
        "task": "fakevlm",
        "messages": [
            {"role": "user", "content": "<image>Does the image looks real/fake?"},
            {"role": "assistant", "content": "This is a fake image."},
        ],
        "images": [f"{tmp_path}/out/frames/c23/Deepfakes/071_054/004.png"],
        "meta": {
            "media_id": "Deepfakes/071_054",
            "image": "frames/c23/Deepfakes/071_054/004.png",
            "split": "train",
            "source": "FF++ Deepfakes",
            "label": "fake",
            "category": "deepfake",
            "manipulation": "Deepfakes",
            "video": "Deepfakes/071_054",
            "frame": 4,
            "width": 64,
            "height": 48,
            "explanation": "",
            "dataset": "ffpp",
            "part": "",
            "task_version": fakevlm.VERSION,
        },
    }
    assert rows[-1]["meta"]["video"] == "original/054"
    assert len({row["id"] for split in PAIRS for row in rows_of(tmp_path / "out", split)}) == 36


def test_videos_become_rows(dataset, tmp_path):
    manifest = convert(dataset, tmp_path / "out", "--media", "videos", "--manipulations", "Deepfakes")
    assert manifest["image_audit"] is None
    row = rows_of(tmp_path / "out", "test")[0]
    check_row(row)
    assert row["id"] == "test/Deepfakes/953_974"
    assert [message["content"] for message in row["messages"]] == [
        "<video>Does the video looks real/fake?",
        "This is a fake video.",
    ]
    assert row["videos"] == [str(dataset / FAKE.format("Deepfakes") / "videos" / "953_974.mp4")]
    assert (row["meta"]["width"], row["meta"]["height"], row["meta"]["frame"]) == (64, 48, None)


def test_a_missing_video_is_one_reject(dataset, tmp_path, capsys):
    manifest = convert(dataset, tmp_path / "out", "--frames-per-video", "2", "--manipulations", "Deepfakes", "FaceSwap")
    assert manifest["rows_rejected"] == 6
    assert manifest["media_missing"] == 6
    assert manifest["videos"]["test"]["FaceSwap"] == {"found": 0, "expected": 2}
    assert rejects_of(tmp_path / "out")[0] == (
        "missing: neither manipulated_sequences/FaceSwap/c23/frames/071_054/ nor "
        "manipulated_sequences/FaceSwap/c23/videos/071_054.mp4 is there"
    )
    assert "FaceSwap 0/2" in capsys.readouterr().out
    assert main(["--src", str(dataset), "--out", str(tmp_path / "none"), "--compression", "raw"]) == 2
    assert "no usable row; the first one: train.json: missing: neither" in capsys.readouterr().err


def test_crops_beside_whole_frames_are_noted(dataset, tmp_path, capsys):
    os.symlink(dataset / "original_sequences", tmp_path / "original_sequences")  # leaves the folder: refused
    write_splits(tmp_path / "splits")
    write_frames(tmp_path / FAKE.format("Deepfakes") / "frames" / "071_054", [0, 5])
    write_video(tmp_path / FAKE.format("Deepfakes") / "videos" / "054_071.mp4")
    manifest = convert(tmp_path, tmp_path / "out", "--frames-per-video", "2", "--manipulations", "Deepfakes")
    assert manifest["frames_from"] == {"frames folders": 1, "videos": 1}
    assert "may be cropped to the face" in capsys.readouterr().out
    assert sum("the path leaves" in reason for reason in rejects_of(tmp_path / "out")) == 6
    assert [row["meta"]["width"] for row in rows_of(tmp_path / "out")] == [32, 32, 64, 64]


def test_a_damaged_video_costs_itself(dataset, tmp_path):
    write_splits(tmp_path / "splits")
    whole = (dataset / "clip.mp4").read_bytes()
    folder = tmp_path / REAL / "videos"
    folder.mkdir(parents=True)
    (folder / "071.mp4").write_bytes(whole)
    (folder / "054.mp4").write_bytes(whole[:-200])
    (folder / "720.mp4").write_bytes(b"no video")
    os.symlink("/etc/hostname", folder / "672.mp4")
    convert(tmp_path, tmp_path / "out", "--frames-per-video", "2", "--manipulations", "Deepfakes")
    assert [row["meta"]["video"] for row in rows_of(tmp_path / "out")] == ["original/071"] * 2
    reasons = {reason for reason in rejects_of(tmp_path / "out") if reason.startswith("media")}
    assert len(reasons) == 3
    assert any("truncated" in reason and "054.mp4" in reason for reason in reasons)
    assert any("the video cannot be read" in reason and "720.mp4" in reason for reason in reasons)
    assert any("the path leaves" in reason and "672.mp4" in reason for reason in reasons)
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_a_second_run_cuts_nothing_anew(dataset, tmp_path):
    options = ("--frames-per-video", "2", "--manipulations", "Deepfakes")
    first = convert(dataset, tmp_path / "out", *options)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "frames").rglob("*.png")}
    assert convert(dataset, tmp_path / "out", *options)["files"] == first["files"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "frames").rglob("*.png")} == times


def test_a_manipulation_that_is_left_out_is_in_the_test_set_alone(dataset, tmp_path):
    counts = convert(dataset, tmp_path, "--media", "videos", "--leave-out", "Deepfakes")["counts"]
    assert counts == {"train": {"real": 2}, "val": {"real": 2}, "test": {"fake": 6, "real": 2}}
    assert {row["meta"]["split"] for row in rows_of(tmp_path, "test")} == {"test"}
