"""The DeepfakeJudge converter as a command: what is there is converted, each subset to its own file and on record."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from converters.deepfakejudge_to_swift import main
from converters.layouts.deepfakejudge import SUBSETS
from swift_plugins.core.records import check_row, read_rows
from swift_plugins.core.tasks import get_task
from tests.converters.deepfakejudge.making import Converted, contents, pairwise, pointwise, sha256, source


@pytest.mark.parametrize("name", SUBSETS)
def test_every_subset_keeps_the_contract(judge_sample, whole, name):
    raw = [row for _, row in read_rows(judge_sample / SUBSETS[name].path)]
    rows, task = whole.subsets[name], get_task(SUBSETS[name].task)
    assert len(rows) == len(raw) > 0
    assert len({tuple((key, type(value)) for key, value in row["meta"].items()) for row in rows}) == 1
    folder = (judge_sample / SUBSETS[name].path).parent
    for before, row in zip(raw, rows, strict=True):
        check_row(row)
        assert row["task"] == task.NAME
        assert row["messages"][0]["content"].count("<image>") == 1
        assert row["images"] == [str(folder / before["images"][0].removeprefix("./"))]
        assert row["meta"]["split"] == name.split("/")[1]
        assert row["meta"]["source"] == before["source"]
        assert row["meta"]["task_version"] == task.VERSION
        answer = task.GRAMMARS["trained"](row["messages"][1]["content"]).answer
        if task.CANDIDATES:
            assert row["messages"] == before["messages"]
            assert row["meta"]["label"] == before["label"]
            key, decided = ("score", answer.score) if name.startswith("point") else ("answer", answer.better)
            assert row["meta"][key] == before[key] == decided
            assert row["meta"]["ratings"] == before.get("ratings", [])
        else:
            assert row["messages"][0]["content"] == task.PROMPT
            assert row["meta"]["label"] == answer.verdict == before["answer"]
            assert answer.reasoning == before.get("reasoning")


def test_ids_are_unique_and_an_image_is_one_cluster_in_all_subsets(judge_sample, whole):
    assert len({row["id"] for row in whole.rows}) == len(whole.rows)
    digests = {row["meta"]["media_id"]: sha256(Path(row["images"][0])) for row in whole.rows}
    assert all(digest.startswith(name) for name, digest in digests.items())
    assert len(digests) == len({sha256(path) for path in judge_sample.rglob("*.png")})


def test_the_manifest_says_what_was_made_of_what(judge_sample, whole):
    manifest = whole.manifest
    lines = {name: sum(1 for _ in read_rows(judge_sample / subset.path)) for name, subset in SUBSETS.items()}
    assert manifest["rows_in"] == manifest["rows_out"] == sum(lines.values()) == len(whole.rows)
    assert manifest["rows_rejected"] == len(whole.rejects) == 0
    assert manifest["counts"] == {n: Counter(r["meta"]["label"] for r in rows) for n, rows in whole.subsets.items()}
    assert manifest["sources"] == {subset.path: sha256(judge_sample / subset.path) for subset in SUBSETS.values()}
    assert manifest["files"] == {f"{name}.jsonl": sha256(whole.out / f"{name}.jsonl") for name in SUBSETS}
    assert manifest["options"] == {"limit": None, "check": "decode", "keep_leaked": False}
    assert manifest["media_missing"] == 0
    assert "Apache-2.0" in manifest["licence"]
    assert "edited image counts as fake" in manifest["label_rule"]
    for name, facts in manifest["subsets"].items():
        task = get_task(facts["task"])
        assert [facts["task_version"], facts["prompt"]] == [task.VERSION, task.PROMPT]
        assert facts["prompt_sha256"] == hashlib.sha256(task.PROMPT.encode()).hexdigest()
        assert facts["rows_in"] == facts["rows_out"] == lines[name]
        assert facts["rows_of_this_prompt"] == (lines[name] if task.CANDIDATES else None)
        assert facts["prompt_is"].startswith("the dataset's" if task.CANDIDATES else "the project's own")
        assert facts["keys"]["images"] == "images"
        assert facts["keys_not_used"] == []
    assert sorted(contents(whole.out)) == sorted(
        [*(f"{name}.jsonl" for name in SUBSETS), "manifest.json", "rejects.jsonl"]
    )


def test_limit_takes_rows_from_everywhere_in_each_subset(convert):
    parts = {
        name: [pointwise(i) if name[1] == "o" else pairwise(i) for i in range(20)]
        for name in ("pointwise/train", "pairwise/test")
    }
    done = convert(parts, "--limit", "5")
    taken = [row["id"].rpartition("/") for row in done.rows]
    assert [(name, (int(line) - 1) // 4) for name, _, line in taken] == [(name, i) for name in parts for i in range(5)]
    assert done.manifest["options"]["limit"] == 5
    assert convert(parts, "--limit", "1000").manifest["rows_out"] == 40


def test_only_the_subsets_that_are_there_are_converted(convert):
    done = convert({"pairwise/human": [pairwise()]})
    assert sorted(contents(done.out)) == ["manifest.json", "pairwise/human.jsonl", "rejects.jsonl"]


def test_a_source_one_folder_too_high_is_found(tmp_path, convert):
    src = source(tmp_path / "above" / "Judge", {"pointwise/test": [pointwise()]})
    (tmp_path / "above" / ".cache").mkdir()
    one, other = (Converted(path, tmp_path / path.name / "out", "--check", "none") for path in (src, src.parent))
    assert contents(one.out) == contents(other.out)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda src: (src / "x" / "y").mkdir(parents=True)])
def test_a_source_without_subsets_is_told_how_to_be_filled(tmp_path, capsys, make):
    src = tmp_path / "Judge"
    make(src)
    assert main(["--src", str(src), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {src} holds none of DeepfakeJudge's subsets (such as dfj-meta/")
    for cure in (
        "gated: ask for access",
        "hf auth login",
        "hf download MBZUAI/DeepfakeJudge-Dataset",
        "--local-dir",
        f"python converters/sample_deepfakejudge.py --out {src}",
    ):
        assert cure in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_file_that_lost_some_rows_is_noticed(convert, capsys):
    for lost, noticed in ((0, False), (1, True), (80, False)):  # 80 of 88: a sample of the user's own
        convert({"pairwise/human": [pairwise(i) for i in range(88 - lost)]})
        told = "count differs: pairwise/human has 87 rows, published are 88"
        assert (told in capsys.readouterr().out) == noticed
