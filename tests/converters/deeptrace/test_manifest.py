"""The DeepTraceReward converter: splits, what the manifest tells, and media that are not there."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from converters.deeptrace_to_swift import main
from converters.layouts.rewarddata import FULL_COUNTS, SPLITS
from swift_plugins.core.tasks import deeptrace
from tests.converters.deeptrace.making import REAL_ID, WRITTEN, Converted, fake, real, sha256, source


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
    assert "\nnote: 2 of 5 videos are not there\n" in capsys.readouterr().out
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
    *_, count, cure = capsys.readouterr().out.partition("\nnext:")[0].splitlines()
    assert count == "note: 1 of 2 videos are not there"
    assert cure.startswith(f"note: there is no {src / folder}. Get it with: hf download DeepTraceReward/RewardData ")
    assert cure.endswith(f"unzip -q {folder}.zip")


def test_a_folder_is_listed_once(tmp_path, monkeypatch):
    src = source(tmp_path / "RewardData", *[fake(f"cm{i}") for i in range(20)])
    listed, scan = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(str(path)) or scan(path))
    assert Converted(src, tmp_path / "out").manifest["media_missing"] == 20
    assert listed == [str(src / "videos")]


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


def test_a_generator_that_is_left_out_is_in_the_test_set_alone(convert, tmp_path, capsys):
    """Fakes of three generators and reals in all splits; what is not of the one left out stays where it was."""
    splits = [split for split in SPLITS for _ in range(3)]
    rows = [
        fake(f"{source[:3]}{i}", split=split, video_source=source)
        for source in ("Kling 1.0", "Gen-3", "Sora")
        for i, split in enumerate(splits)
    ]
    rows += [real(f"R{i}", split=split) for i, split in enumerate(splits)]
    whole, held = convert(rows), convert(rows, "--leave-out", "Sora")
    ids = {split: {row["id"] for row in held.splits[split] if row["meta"]["source"] == "Sora"} for split in SPLITS}
    assert {split: len(found) for split, found in ids.items()} == {"train": 0, "val": 0, "test": 9}
    for split in SPLITS:
        others, before = (
            [row["id"] for row in done.splits[split] if row["meta"]["source"] != "Sora"] for done in (held, whole)
        )
        assert others == before
        assert {row["meta"]["split"] for row in held.splits[split]} == {split}
    assert held.manifest["options"]["leave_out"] == "Sora"
    assert held.rejects == []
    assert main(["--src", str(source(tmp_path / "s", *rows)), "--out", str(tmp_path / "o"), "--leave-out", "Sara"]) == 2
    told = "unknown generator to leave out 'Sara'; did you mean 'Sora'? Available: Gen-3, Kling 1.0, Sora"
    assert told in capsys.readouterr().err
