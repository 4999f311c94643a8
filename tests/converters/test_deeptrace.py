"""The DeepTraceReward converter: every row by its contract, every other row with a reason, and nothing half-written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from converters import deeptrace_to_swift
from converters.deeptrace_to_swift import main
from converters.layouts.rewarddata import FULL_COUNTS, SPLITS
from swift_plugins.core.records import check_row, read_rows
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.tasks.deeptrace import QUESTIONS
from swift_plugins.core.tasks.deeptrace_answer import Answer

REAL_ID = "0_30_s_academic_v0_1_"
WRITTEN = ["manifest.json", "rejects.jsonl", "test.jsonl", "train.jsonl", "val.jsonl"]


def fake(name: str = "cm1", **changes: Any) -> dict[str, Any]:
    """A trace as published."""
    return {
        "video_id": name,
        "video_type": "fake_video",
        "video_path": f"videos/{name}.mp4",
        "video_source": "Kling 1.0",
        "video_prompt": "a dog",
        "video_width": 1280,
        "video_height": 720,
        "video_frame_rate": 30,
        "video_frame_count": 153,
        "video_duration": 5.1,
        "video_mime_type": "video/mp4",
        "split": "train",
        "faketrace_first_frame": 16,
        "faketrace_last_frame": 153,
        "faketrace_duration": 4.6,
        "faketrace_bbox": {"left": 128, "top": 72, "width": 512.6, "height": 288},
        "faketrace_explanations": " The dog’s leg melts. ",
        "faketrace_check_applies": ["shape distortion", "merging"],
    } | changes


def real(name: str = "W7EHF", **changes: Any) -> dict[str, Any]:
    """A real video as published."""
    row = {key: value for key, value in fake(REAL_ID + name).items() if not key.startswith("faketrace")}
    return (
        row
        | {
            "video_type": "real_video",
            "video_path": f"real_videos/{REAL_ID}{name}.mp4",
            "video_source": "LLaVA-Video-178K_0_30_s_academic_v0_1",
        }
        | changes
    )


def earlier(**changes: Any) -> dict[str, Any]:
    """The trace of fake() in the spelling of the earlier upload."""
    return {
        "label_id": "x",
        "label_creater": "someone@lab.example",
        "label_name": "unsmooth motion",
        "label_duration": 4.6,
        "video_id": "cm1",
        "video_source": "Kling 1.0",
        "video_prompt": "a dog",
        "height": 720,
        "width": 1280,
        "mime_type": "video/mp4",
        "frame_rate": 30,
        "frame_count": 153,
        "duration": 5.1,
        "split": "train",
        "first_frame": 16,
        "last_frame": 153,
        "label_bbox": {"height": 288, "left": 128, "top": 72, "width": 512.6},
        "check_applies": ["shape distortion", "merging"],
        "explanation": "The dog’s leg melts.",
        "video_file": "/lab/someone/raw/cm1.mp4",
        "frames_folder": "/lab/someone/frames",
        "timestamps": [0.0333],
    } | changes


def source(folder: Path, *rows: Any, text: str | None = None) -> Path:
    """A RewardData folder with these rows and no videos."""
    for name in ("videos", "real_videos"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "all_data.json").write_text(json.dumps(rows) if text is None else text, encoding="utf-8")
    return folder


class Converted:
    """What a conversion wrote."""

    def __init__(self, src: Path, out: Path, *options: str):
        assert main(["--src", str(src), "--out", str(out), *options]) == 0
        self.out = out
        self.splits = {split: [row for _, row in read_rows(out / f"{split}.jsonl")] for split in SPLITS}
        self.rows = [row for rows in self.splits.values() for row in rows]
        self.rejects = [row for _, row in read_rows(out / "rejects.jsonl")]
        self.manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture
def convert(tmp_path):
    """Convert rows with options; each call has a folder of its own."""
    count = iter(range(100))

    def call(rows: list[Any], *options: str) -> Converted:
        folder = tmp_path / str(next(count))
        return Converted(source(folder / "RewardData", *rows), folder / "out", *options)

    return call


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ------------------------------------------------------------------------------------------------------------- the rows


@pytest.mark.parametrize("row", [fake(), earlier()], ids=["published", "earlier"])
def test_a_trace_becomes_this_row(tmp_path, row):
    src = source(tmp_path / "RewardData", row)
    assert Converted(src, tmp_path / "out").rows == [
        {
            "id": "cm1/1",
            "task": "deeptrace",
            "messages": [
                {"role": "user", "content": QUESTIONS["full"]},
                {
                    "role": "assistant",
                    "content": "FAKE. The video is AI-generated. The unnatural part is at "
                    "[128, 72, 641, 360] starting 0.53 seconds. The reason is because The dog’s leg melts.",
                },
            ],
            "videos": [str(src / "videos" / "cm1.mp4")],
            "meta": {
                "media_id": "cm1",
                "parent": "cm1",
                "split": "train",
                "source": "Kling 1.0",
                "label": "fake",
                "width": 1280,
                "height": 720,
                "duration": 5.1,
                "fps": 30.0,
                "bbox": [128.0, 72.0, 640.6, 360.0],
                "start": 16 / 30,
                "categories": ["object merging", "object distortion"],
                "raw_tags": ["shape distortion", "merging"],
                "explanation": "The dog’s leg melts.",
                "setting": "full",
                "box_space": "pixel",
                "box_width": 1280,
                "box_height": 720,
                "task_version": deeptrace.VERSION,
            },
        }
    ]


def test_a_real_video_becomes_this_row(convert):
    (row,) = convert([real()]).rows
    assert row["id"] == row["meta"]["media_id"] == f"{REAL_ID}W7EHF"
    assert row["messages"][1]["content"] == "REAL. The video is real. There is no unnatural part."
    assert row["videos"][0].endswith(f"/real_videos/{REAL_ID}W7EHF.mp4")
    expected = {"label": "real", "bbox": [], "start": None, "categories": [], "raw_tags": [], "explanation": ""}
    assert row["meta"].items() >= expected.items()


def test_emails_and_lab_paths_are_dropped(convert):
    out = convert([earlier(), earlier(width="wide")]).out
    written = "".join(path.read_text(encoding="utf-8") for path in out.iterdir())
    assert "someone" not in written
    assert "/lab" not in written


def test_a_converted_dataset_keeps_the_contract(sample, tmp_path):
    rows = Converted(sample, tmp_path / "out").rows
    raw = {r["video_id"]: r for r in json.loads((sample / "all_data.json").read_text())}
    forms = set()
    for row in rows:
        check_row(row)
        meta, of = row["meta"], raw[row["meta"]["media_id"]]
        forms.add(tuple((key, type(value)) for key, value in meta.items() if key != "start"))
        assert Path(row["videos"][0]).is_file()
        answer = deeptrace.parse_trained(row["messages"][1]["content"]).answer
        assert answer.verdict == meta["label"] == of["video_type"].removesuffix("_video")
        if answer.verdict == "fake":
            assert answer == Answer("fake", tuple(meta["bbox"]), round(meta["start"], 2), meta["explanation"])
            assert meta["start"] == of["faketrace_first_frame"] / of["video_frame_rate"]
            assert len(meta["categories"]) == 1
    assert len(forms) == 1
    assert len({row["id"] for row in rows}) == len(rows) == 24


def test_the_traces_of_a_video_have_ids_of_their_own(convert):
    rows = convert([fake(), fake("cm2"), fake(), fake()]).rows
    assert [row["id"] for row in rows] == ["cm1/1", "cm2/1", "cm1/2", "cm1/3"]


@pytest.mark.parametrize("text", ["", "  \n", None])
def test_a_trace_without_explanation_leaves_the_clause_out(convert, text):
    (row,) = convert([fake(faketrace_explanations=text)]).rows
    assert row["messages"][1]["content"].endswith("[128, 72, 641, 360] starting 0.53 seconds.")
    assert row["meta"]["explanation"] == ""


def test_a_box_is_clipped_to_the_frame_and_counted(convert):
    box = {"left": -10, "top": 700, "width": 100, "height": 100}
    done = convert([fake(faketrace_bbox=box), fake("cm2")])
    assert done.rows[0]["meta"]["bbox"] == [0, 700, 90, 720]
    assert done.manifest["boxes_clipped_to_the_frame"] == 1


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("307-Nz9EAqTBrNw-split_5", "youcook2/Nz9EAqTBrNw"),
        ("W7EHF", "charades/W7EHF"),
        ("v_bcXc6mKSEEM", "activitynet/v_bcXc6mKSEEM"),
        ("1026-9740013012", "nextqa/9740013012"),
        ("something else", "something else"),
    ],
)
def test_the_parent_is_read_off_the_flattened_id(convert, name, parent):
    assert convert([real(name)]).rows[0]["meta"]["parent"] == parent


# ------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("setting", "answer"),
    [
        ("full", Answer("fake", (128, 72, 641, 360), 0.53, "The dog’s leg melts.")),
        ("no_time", Answer("fake", (128, 72, 641, 360), None, "The dog’s leg melts.")),
        ("no_explanation", Answer("fake", (128, 72, 641, 360), 0.53)),
        ("no_time_no_explanation", Answer("fake", (128, 72, 641, 360))),
        ("label_only", Answer("fake")),
    ],
)
def test_setting(convert, setting, answer):
    done = convert([fake(), real()], "--setting", setting)
    assert [m["content"] for m in done.rows[0]["messages"]] == [QUESTIONS[setting], deeptrace.render(answer)]
    assert done.rows[1]["messages"][0]["content"] == QUESTIONS[setting]
    assert done.rows[0]["meta"]["start"] == 16 / 30  # the truth stays, whatever is supervised
    assert done.manifest["prompt"] == QUESTIONS[setting]
    assert done.manifest["prompt_sha256"] == hashlib.sha256(QUESTIONS[setting].encode()).hexdigest()


@pytest.mark.parametrize(
    ("options", "across", "stated"),
    [
        (["pixel"], [1280, 720], "[128, 72, 641, 360]"),
        (["norm1000"], [1000, 1000], "[100, 100, 500, 500]"),
        (["resized"], [1008, 560], "[101, 56, 504, 280]"),
        (["resized", "--min-pixels", "784", "--max-pixels", "7056"], [112, 56], "[11, 6, 56, 28]"),
        (["ratio"], [1, 1], "[0.1, 0.1, 0.5, 0.5]"),
    ],
)
def test_box_space(convert, options, across, stated):
    done = convert([fake()], "--box-space", *options)
    meta = done.rows[0]["meta"]
    assert f" at {stated} starting" in done.rows[0]["messages"][1]["content"]
    assert [meta["box_space"], meta["box_width"], meta["box_height"]] == [options[0], *across]
    assert meta["bbox"] == [128.0, 72.0, 640.6, 360.0]  # the truth stays in source pixels
    assert (done.manifest["pixel_limits"] is not None) == (options[0] == "resized")


def test_limit_takes_rows_from_everywhere(convert):
    rows = [fake(f"cm{i}") for i in range(50)] + [real(f"v_{i}") for i in range(50)]
    done = convert(rows, "--limit", "10")
    places = [row["meta"]["media_id"].removeprefix(REAL_ID) for row in done.rows]
    assert [place.rstrip("0123456789") for place in places] == ["cm"] * 5 + ["v_"] * 5
    assert [int(place.lstrip("cmv_")) // 10 for place in places] == [0, 1, 2, 3, 4] * 2
    assert convert(rows, "--limit", "1000").manifest["rows_out"] == 100


# -------------------------------------------------------------------------------------------------------------- rejects


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (fake(faketrace_bbox={"left": 1280, "top": 0, "width": 9, "height": 9}), "bbox outside the frame: "),
        (fake(faketrace_bbox={"left": 5, "top": 5, "width": 0, "height": 9}), "bbox outside the frame: "),
        (fake(faketrace_first_frame=200), "onset outside the video: 6.67 s of 5.1 s"),
        (fake(faketrace_first_frame=-1), "onset outside the video: "),
        (fake(faketrace_bbox=None), "no trace: "),
        (fake(faketrace_first_frame=None), "no trace: "),
        (fake(video_width="wide"), "malformed row: "),
        (fake(faketrace_bbox=[1, 2, 3, 4]), "malformed row: "),
        ({"video_type": "fake_video"}, "malformed row: "),
        ({}, "malformed row: "),
        (7, "malformed row: "),
        (None, "malformed row: "),
        (fake(video_height=0), "bad numbers: "),
        (fake(video_frame_rate=0), "bad numbers: "),
        (fake(video_type="cartoon"), "unknown video_type: 'cartoon'"),
        (fake("cm2", split="dev"), "unknown split: 'dev'; expected one of train, val, test"),
        (fake("cm2", split=None), "unknown split: None"),
        (fake(video_path="../secret.mp4"), "the path leaves RewardData/: "),
        (fake(video_path="videos/../../secret.mp4"), "the path leaves RewardData/: "),
        (fake(video_path="/etc/passwd"), "the path leaves RewardData/: "),
        (fake(video_path="https://example.org/x.mp4"), "not a file path: "),
        (fake(video_path="videos/a\0.mp4"), "not a file path: "),
        (fake(faketrace_explanations="Odd. REAL. Or not."), "the explanation is too long or holds a verdict"),
        (fake(faketrace_explanations="see <video>"), "2 <video> tags but 1 videos"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_with_its_reason(convert, row, reason):
    done = convert([fake("good"), row, real()])
    assert [r["meta"]["media_id"] for r in done.rows] == ["good", f"{REAL_ID}W7EHF"]
    (reject,) = done.rejects
    assert reject["where"] == "all_data.json[1]"
    assert reject["reason"].startswith(reason)
    assert [done.manifest[key] for key in ("rows_in", "rows_out", "rows_rejected")] == [3, 2, 1]
    assert list(done.manifest["reject_reasons"].values()) == [1]


@pytest.mark.parametrize(
    "rows",
    [
        [real(), real()],  # one id twice
        [fake("x"), real(), fake(f"{REAL_ID}W7EHF")],  # one video both real and fake
        [fake(), fake(split="test")],  # one video in two splits
        [earlier(label_bbox=None)],  # a trace without its box is no real video
        [fake(video_width=10**400)],
        [fake(video_path="videos/")],
        [fake(video_path="")],
    ],
    ids=["twice", "both", "two splits", "no box", "huge", "folder", "empty"],
)
def test_rows_that_contradict_each_other_or_themselves_are_rejected(convert, rows):
    assert convert([*rows, fake("good")]).rejects


ROWS = [fake("good"), fake("bad"), real()]


def spoilt(**changes: str) -> bytes:
    """The file of ROWS, the second of them with these fields in JSON's spelling."""
    items = [json.dumps(row) for row in ROWS]
    for key, literal in changes.items():
        items[1] = items[1].replace(f'"{key}": {json.dumps(ROWS[1][key])}', f'"{key}": {literal}')
    assert items[1] != json.dumps(ROWS[1])
    return f"[{', '.join(items)}]".encode("latin-1")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (spoilt(video_width="NaN"), "malformed row: Expected `int`, got `float` - at `$.video_width`"),
        (spoilt(video_duration="NaN"), "bad numbers: video_duration is nan, it must be above 0 and at most 86400"),
        (spoilt(video_frame_rate="Infinity"), "bad numbers: video_frame_rate is inf, it must be above 0 and at most "),
        (spoilt(video_frame_rate='"inf"'), "bad numbers: video_frame_rate is inf"),
        (spoilt(video_duration="1e999"), "bad numbers: video_duration is inf"),
        (spoilt(video_width="9" * 5000), "malformed row: "),
        (spoilt(faketrace_first_frame="9" * 390), "onset outside the video: inf s of 5.1 s"),
        (spoilt(faketrace_bbox='{"left": 1, "top": 1, "width": Infinity, "height": 9}'), "bad numbers: faketrace_bbox"),
        (spoilt(faketrace_explanations=r'"a \ud800"'), r"malformed row: a text holds '\ud800', which is no character"),
        (spoilt(faketrace_explanations='"caf\xe9"'), r"malformed row: a text holds '\udce9', which is no character"),
        (spoilt(faketrace_check_applies=r'["\ud800"]'), "malformed row: a text holds "),
        (spoilt(video_source="7"), "malformed row: Expected `str`, got `int` - at `$.video_source`"),
    ],
)
def test_a_bad_value_costs_its_row_and_not_the_file(tmp_path, content, reason):
    src = source(tmp_path / "RewardData")
    (src / "all_data.json").write_bytes(content)
    done = Converted(src, tmp_path / "out")
    assert [row["meta"]["media_id"] for row in done.rows] == ["good", f"{REAL_ID}W7EHF"]
    (reject,) = done.rejects
    assert (reject["where"], reject["id"]) == ("all_data.json[1]", "bad")
    assert reject["reason"].startswith(reason)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + json.dumps(ROWS).encode(),
        spoilt(video_prompt=r'"\ud800"'),
        spoilt(video_frame_count="NaN"),
        spoilt(video_prompt='"a\tdog"'),
    ],
    ids=["byte order mark", "half a character", "NaN", "tab"],
)
def test_what_no_row_uses_costs_nothing(tmp_path, content):
    src = source(tmp_path / "RewardData")
    (src / "all_data.json").write_bytes(content)
    assert Converted(src, tmp_path / "out").manifest["rows_out"] == 3


@pytest.mark.parametrize("literal", [r'"bad\ud800"', "7", "null", '["bad"]'])
def test_an_id_that_cannot_be_read_is_left_out(tmp_path, literal):
    src = source(tmp_path / "RewardData")
    (src / "all_data.json").write_bytes(spoilt(video_id=literal))
    (reject,) = Converted(src, tmp_path / "out").rejects
    assert (reject["id"], reject["reason"].split(":")[0]) == (None, "malformed row")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"video_width": -5}, "video_width is -5, it must be 1..16384"),
        ({"video_height": 20_000}, "video_height is 20000, it must be 1..16384"),
        ({"video_frame_rate": 0}, "video_frame_rate is 0.0, it must be above 0 and at most 1000"),
        ({"video_duration": 1e9}, "video_duration is 1000000000.0, it must be above 0 and at most 86400"),
    ],
)
def test_bad_numbers_are_named(convert, changes, reason):
    (reject,) = convert([fake("good"), fake("bad", **changes)]).rejects
    assert reject["reason"] == f"bad numbers: {reason}"


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ("../secret.mp4", "secret.mp4"),
        ("videos/../../secret.mp4", "secret.mp4"),
        ("out/x.mp4", "elsewhere/x.mp4"),
        ("/etc/passwd", "/etc/passwd"),
        ("/x.mp4", "/x.mp4"),
    ],
)
def test_a_path_that_leaves_is_told_as_given_and_where_it_leads(tmp_path, given, end):
    src = source(tmp_path / "RewardData", fake("good"), fake("bad", video_path=given))
    (tmp_path / "elsewhere").mkdir()
    (src / "out").symlink_to(tmp_path / "elsewhere")
    (reject,) = Converted(src, tmp_path / "out").rejects
    end = str(tmp_path / end)  # an absolute path stays as it is
    told, semicolon, hint = reject["reason"].partition("; ")
    assert told == f"the path leaves RewardData/: {given!r} leads to {end!r}"
    assert bool(semicolon) == given.startswith("out/") == hint.startswith("a link out of the folder is not followed")


def test_a_link_out_of_the_dataset_is_rejected(tmp_path):
    src = source(tmp_path / "RewardData", fake("good"), fake("link"))
    (tmp_path / "secret.mp4").touch()
    (src / "videos" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    done = Converted(src, tmp_path / "out")
    assert [row["id"] for row in done.rows] == ["good/1"]
    assert done.rejects[0]["reason"].startswith("the path leaves RewardData/")


@pytest.mark.parametrize("level", ["none", "header", "decode"])
def test_check_rejects_what_the_files_contradict(sample, tmp_path, level):
    src = tmp_path / "RewardData"
    shutil.copytree(sample, src)
    rows = json.loads((src / "all_data.json").read_text())
    wide, cut, gone = rows[0], rows[1], rows[-1]
    wide["video_width"] += 2
    video = src / cut["video_path"]
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 6 // 10])
    (src / gone["video_path"]).unlink()
    source(src, *rows, fake(video_path="../outside.mp4"))
    done = Converted(src, tmp_path / "out", "--check", level, "--workers", "2")
    reasons = {reject["id"]: reject["reason"] for reject in done.rejects}
    assert reasons.pop("cm1").removeprefix("media: ").startswith("the path leaves RewardData/")
    assert done.manifest["media_checked"] == level
    if level == "none":
        assert not reasons
        assert done.manifest["shortcuts"]["audio"]["accuracy"] is None
    else:
        assert reasons.keys() == {wide["video_id"], cut["video_id"], gone["video_id"]}
        assert reasons[wide["video_id"]] == "size differs: the file has 168x168, the annotation 170x168"
        assert reasons[cut["video_id"]].startswith("media: the video cannot be read")
        assert reasons[gone["video_id"]] == "media: the file does not exist"


# --------------------------------------------------------------------------------------------------------------- splits


def many_rows() -> list[dict[str, Any]]:
    """300 fake videos with 1 to 3 traces; 300 real clips of 1 to 9 a parent, spread over the published splits."""
    rows = [fake(f"cm{i}", split=SPLITS[i % 3]) for i in range(300) for _ in range(1 + i % 3)]
    clips = [f"7-parent{parent:05}-split_{k}" for parent in range(60) for k in range(1 + parent % 9)]
    return rows + [real(clip, split=SPLITS[i % 3]) for i, clip in enumerate(clips)]


@pytest.mark.parametrize("by", ["parent", "video"])
def test_split_by_keeps_together_and_gives_8_1_1(convert, by):
    done = convert(many_rows(), "--split-by", by)
    assert done.manifest["rows_rejected"] == 0
    for label in ("fake", "real"):
        videos = {row["meta"]["media_id"]: row["meta"]["split"] for row in done.rows if row["meta"]["label"] == label}
        shares = Counter(videos.values())
        assert [shares[split] / len(videos) for split in SPLITS] == pytest.approx([0.8, 0.1, 0.1], abs=0.03)
    for key in ("media_id", "parent") if by == "parent" else ("media_id",):
        homes = Counter(member for member, _ in {(row["meta"][key], row["meta"]["split"]) for row in done.rows})
        assert set(homes.values()) == {1}
    assert all(row["meta"]["split"] == split for split, rows in done.splits.items() for row in rows)
    assert (done.manifest["leakage"]["test_videos_whose_parent_is_in_train"] == 0) == (by == "parent")


@pytest.mark.parametrize("by", ["parent", "video"])
def test_split_by_depends_on_the_seed_alone(convert, by):
    rows = many_rows()
    first, again, other = (
        convert(r, "--split-by", by, "--seed", seed).splits["test"]
        for r, seed in ((rows, "0"), (rows[::-1], "0"), (rows, "1"))
    )
    assert {row["meta"]["media_id"] for row in first} == {row["meta"]["media_id"] for row in again}
    assert {row["meta"]["media_id"] for row in first} != {row["meta"]["media_id"] for row in other}


# ------------------------------------------------------------------------------------------------------------- manifest


def test_the_manifest_says_what_was_made_of_what(tmp_path, capsys):
    rows = [
        fake("cm1"),
        fake("cm1"),
        fake("cm2", split="test"),
        fake("bad", faketrace_bbox=None),
        real("v_a", split="val"),
    ]
    src = source(tmp_path / "RewardData", *rows)
    done = Converted(src, tmp_path / "out", "--box-space", "norm1000", "--seed", "7")
    manifest = done.manifest
    assert sorted(path.name for path in done.out.iterdir()) == WRITTEN
    assert manifest["task"] == "deeptrace"
    assert manifest["task_version"] == deeptrace.VERSION
    assert manifest["counts"] == {"train": {"fake": 2}, "val": {"real": 1}, "test": {"fake": 1}}
    assert manifest["reject_reasons"] == {"no trace": 1}
    assert manifest["sources"] == {"all_data.json": sha256(src / "all_data.json")}
    assert manifest["files"] == {f"{split}.jsonl": sha256(done.out / f"{split}.jsonl") for split in SPLITS}
    options = {"setting": "full", "box_space": "norm1000", "split_by": "published", "seed": 7, "limit": None}
    assert manifest["options"].items() >= options.items()
    assert "LLaVA-Video-178K" in manifest["licence"]
    assert "4 rows to" in capsys.readouterr().out


def test_leakage_and_shortcuts_are_found_and_told(convert, capsys):
    small = {"video_width": 640, "video_height": 480}
    rows = [fake(f"cm{i}", split=split) for i, split in enumerate(["train", "train", "test", "test"])]
    rows += [real(f"1-aaaaaaaaaaa-split_{i}", split=split, **small) for i, split in enumerate(["train", "test"])]
    rows += [real(f"2-bbbbbbbbbbb-split_{i}", split=split, **small) for i, split in enumerate(["train", "test"])]
    manifest = convert([*rows, real("v_x", split="test", **small)]).manifest
    assert manifest["leakage"] == {
        "parents": 7,
        "parents_in_several_splits": 2,
        "test_videos": 5,
        "test_videos_whose_parent_is_in_train": 2,
    }
    assert manifest["shortcuts"]["resolution"]["accuracy"] == 100
    assert manifest["shortcuts"]["duration"]["accuracy"] == manifest["shortcuts"]["duration"]["majority"] == 40
    told = capsys.readouterr().out
    assert "leakage: 2 test videos" in told
    assert "shortcut: resolution alone gives 100" in told


def full_dataset() -> list[dict[str, Any]]:
    """As many rows, videos, traces and explanations in each split as the whole dataset has."""
    rows, explained = [], FULL_COUNTS["explanations"]
    for split in SPLITS:
        videos = FULL_COUNTS[f"{split}_videos"] - FULL_COUNTS[f"{split}_real_rows"]
        for i in range(FULL_COUNTS[f"{split}_fake_rows"]):
            text = {} if len(rows) < explained else {"faketrace_explanations": ""}
            rows.append(fake(f"cm-{split}-{i % videos}", split=split, **text))
    reals = [real(f"v_{split}{i}", split=split) for split in SPLITS for i in range(FULL_COUNTS[f"{split}_real_rows"])]
    return rows + reals


def test_the_full_dataset_is_compared_with_the_published_counts(convert, capsys):
    rows = full_dataset()
    counts = convert(rows).manifest["published_counts"]
    assert counts.keys() == FULL_COUNTS.keys()
    assert all(count["ok"] for count in counts.values())
    assert "count differs" not in capsys.readouterr().out
    rows[0]["faketrace_explanations"] = ""
    assert not convert(rows).manifest["published_counts"]["explanations"]["ok"]
    assert "count differs: explanations is 2715, published 2716" in capsys.readouterr().out
    assert "published_counts" not in convert(rows[:50]).manifest
    assert "published_counts" not in convert(rows, "--limit", "7100").manifest


def test_a_file_that_lost_rows_is_noticed(convert, capsys):
    counts = convert(full_dataset()[:-600]).manifest["published_counts"]
    assert counts["rows"] == {"published": 7652, "found": 7052, "ok": False}
    assert counts["traces"]["ok"]
    assert "count differs: real_videos is 2718, published 3318" in capsys.readouterr().out


def test_without_held_out_rows_no_shortcut_is_measured(convert, capsys):
    rows = [fake("cm1"), real("v_a", video_width=640)]
    unknown = {"accuracy": None, "reason": "no held-out rows to measure it on"}
    assert convert(rows).manifest["shortcuts"]["resolution"] == unknown
    assert "shortcut" not in capsys.readouterr().out
    unknown["reason"] = "no training rows to learn it from"
    assert convert([row | {"split": "test"} for row in rows]).manifest["shortcuts"]["resolution"] == unknown


def test_the_manifest_names_the_library_versions(convert):
    versions = convert([fake()]).manifest["versions"]
    assert versions.keys() == {"swift-forensics", "msgspec", "av", "pillow"}
    assert all(versions.values())


# ------------------------------------------------------------------------------------------------- media not there


def with_media(src: Path, *names: str) -> Path:
    for name in names:
        (src / name).touch()
    return src


def test_videos_that_are_not_there_are_counted_and_told(tmp_path, capsys):
    rows = [fake("cm1"), fake("cm1"), fake("cm2"), fake("cm3"), fake("cm3"), real("v_a"), fake("bad", video_width=0)]
    src = with_media(source(tmp_path / "RewardData", *rows), "videos/cm1.mp4", f"real_videos/{REAL_ID}v_a.mp4")
    (src / "videos" / "cm2.mp4").symlink_to(src / "videos" / "cm1.mp4")
    manifest = Converted(src, tmp_path / "out").manifest
    assert [manifest["videos"], manifest["media_missing"]] == [5, 2]
    assert capsys.readouterr().out.splitlines()[-1] == "note: 2 of 5 videos are not there"
    (src / "videos" / "cm1.mp4").unlink()  # and with it what the link leads to
    assert Converted(src, tmp_path / "out").manifest["media_missing"] == 4


def test_nothing_is_noted_where_every_video_is_there(sample, tmp_path, capsys):
    assert Converted(sample, tmp_path / "out").manifest["media_missing"] == 0
    assert "note: " not in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["videos", "real_videos"])
def test_a_folder_that_is_not_there_is_told_with_its_cure(tmp_path, capsys, folder):
    src = source(tmp_path / "RewardData", fake("cm1"), real("v_a"))
    with_media(src, "videos/cm1.mp4", f"real_videos/{REAL_ID}v_a.mp4")
    shutil.rmtree(src / folder)
    assert Converted(src, tmp_path / "out").manifest["rows_out"] == 2
    *_, count, cure = capsys.readouterr().out.splitlines()
    assert count == "note: 1 of 2 videos are not there"
    assert cure.startswith(f"note: there is no {src / folder}. Get it with: hf download DeepTraceReward/RewardData ")
    assert cure.endswith(f"unzip -q {folder}.zip")


def test_a_folder_is_listed_once(tmp_path, monkeypatch):
    src = source(tmp_path / "RewardData", *[fake(f"cm{i}") for i in range(20)])
    listed, scan = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(str(path)) or scan(path))
    assert Converted(src, tmp_path / "out").manifest["media_missing"] == 20
    assert listed == [str(src / "videos")]


# --------------------------------------------------------------------------------------------------------- wrong input


def no_source(src: Path) -> None:
    pass


def packed(src: Path) -> None:
    source(src, fake())
    (src / "videos").rmdir()
    (src / "videos.zip.001").touch()


def packed_reals(src: Path) -> None:
    source(src, fake())
    (src / "real_videos").rmdir()
    (src / "real_videos.zip").touch()


def holding(text: str):
    return lambda src: source(src, text=text)


@pytest.mark.parametrize(
    ("prepare", "options", "complaint"),
    [
        (no_source, [], "all_data.json not found. Get it with: hf download DeepTraceReward/RewardData "),
        (packed, [], "videos is still packed. Unpack it: cd "),
        (packed_reals, [], "unzip -q real_videos.zip"),
        (holding('[{"video_id": "cm1"'), [], "all_data.json: expected one JSON list of rows: "),
        (holding('{"rows": []}'), [], "all_data.json: expected one JSON list of rows: "),
        (holding("[" * 100_000), [], "all_data.json: expected one JSON list of rows: "),
        (holding(""), [], "all_data.json: expected one JSON list of rows: "),
        (holding("[]"), [], "all_data.json: the list is empty"),
        (holding('[{"a": 1}]'), [], "all_data.json: no usable row; the first one: malformed row: "),
        (lambda src: source(src, fake(split=None), real(split=None)), [], "has no splits: choose --split-by parent"),
    ],
)
def test_wrong_input_ends_in_one_clear_line_and_no_output(tmp_path, capsys, prepare, options, complaint):
    prepare(tmp_path / "RewardData")
    assert main(["--src", str(tmp_path / "RewardData"), "--out", str(tmp_path / "out"), *options]) == 2
    told = capsys.readouterr()
    assert complaint in told.err
    lines = [line for line in told.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in told.err
    assert told.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--limit", "--workers", "--min-pixels", "--max-pixels"])
@pytest.mark.parametrize("value", ["0", "-3", "1.5", "many"])
def test_a_number_that_makes_no_sense_is_refused(tmp_path, capsys, option, value):
    src = source(tmp_path / "RewardData", fake())
    with pytest.raises(SystemExit, match="2"):
        main(["--src", str(src), "--out", str(tmp_path / "out"), f"{option}={value}"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"error: argument {option}: must be a whole number of at least 1, got {value!r}")
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert main(["--src", str(source(tmp_path / "src", fake())), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert (tmp_path / "out").read_text() == "a file"


def test_a_crash_leaves_the_output_that_was_there(tmp_path, monkeypatch):
    src = source(tmp_path / "RewardData", *[fake(f"cm{i}") for i in range(9)])
    out = Converted(src, tmp_path / "out", "--limit", "3").out
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    calls = iter([deeptrace.render] * 5)
    monkeypatch.setattr(deeptrace_to_swift.deeptrace, "render", lambda answer: next(calls)(answer))
    with pytest.raises(StopIteration):
        main(["--src", str(src), "--out", str(out)])
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


# --------------------------------------------------------------------------------------------------- the command itself


def command(root: Path, cwd: Path, *options: str, seed: str = "0") -> subprocess.CompletedProcess:
    script = [sys.executable, str(root / "converters" / "deeptrace_to_swift.py")]
    return subprocess.run(
        [*script, *options], cwd=cwd, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True
    )


def test_it_runs_from_any_folder_and_repeats_to_the_byte(root, tmp_path):
    source(tmp_path / "RewardData", *many_rows())
    for seed in ("1", "2"):
        options = ["--src", "RewardData", "--out", f"out{seed}", "--split-by", "parent"]
        done = command(root, tmp_path, *options, seed=seed)
        assert (done.returncode, done.stderr) == (0, "")
    for name in WRITTEN:
        assert (tmp_path / "out1" / name).read_bytes() == (tmp_path / "out2" / name).read_bytes()
    _, row = next(read_rows(tmp_path / "out1" / "train.jsonl"))
    assert row["videos"] == [str(tmp_path / "RewardData" / "videos" / "cm0.mp4")]


def test_without_a_source_it_says_how_to_get_it(root, tmp_path):
    done = command(root, tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: data/RewardData/all_data.json not found. Get it with: hf download ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


# -------------------------------------------------------------------------------------------------- the published files


def test_our_published_counts_are_the_publishers(published):
    summary = json.loads((published / "deeptrace_outputs" / "dataset_summary.json").read_text(encoding="utf-8"))
    names = {
        "rows": "annotation_rows",
        "fake_videos": "fake_videos",
        "real_videos": "real_videos",
        "traces": "trace_annotations",
        "explanations": "written_trace_explanations",
    }
    assert {name: FULL_COUNTS[name] for name in names} == {k: summary["totals"][v] for k, v in names.items()}
    videos = {split: FULL_COUNTS[f"{split}_videos"] for split in SPLITS}
    assert videos == summary["distributions"]["splits_labeled_videos"]


def test_the_published_annotations_convert(published, tmp_path):
    data = next(published.rglob("all_data.json"), None)
    if data is None:
        pytest.skip("all_data.json is not among the published files here")
    manifest = Converted(data.parent, tmp_path / "out").manifest
    assert all(count["ok"] for count in manifest["published_counts"].values())
    assert manifest["rows_rejected"] <= 0.01 * manifest["rows_in"]
