"""The DeepTraceReward converter: every trace and every real video becomes the row that the settings say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from swift_plugins.core.records import check_row
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.tasks.deeptrace import QUESTIONS
from swift_plugins.core.tasks.deeptrace_answer import Answer
from tests.converters.deeptrace.making import REAL_ID, Converted, earlier, fake, real, source


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
        # A fixed resolution, and limits that are no whole numbers of tokens.
        (["resized", "--min-pixels", "602112", "--max-pixels", "602112"], [1036, 588], "[104, 59, 518, 294]"),
        (["resized", "--min-pixels", "784", "--max-pixels", "603900"], [1008, 560], "[101, 56, 504, 280]"),
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


def test_other_vision_settings_of_the_environment_are_in_force_and_recorded(convert, monkeypatch):
    monkeypatch.setenv("VIDEO_MAX_TOKEN_NUM", "8")
    done = convert([fake()], "--box-space", "resized", "--min-pixels", "784")
    (row,) = done.rows
    assert [row["meta"]["box_width"], row["meta"]["box_height"]] == [84, 56]
    assert done.manifest["vision"]["VIDEO_MAX_TOKEN_NUM"] == "8"
