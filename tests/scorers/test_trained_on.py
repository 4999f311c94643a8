"""Rows that the model was trained on are told of, in the terminal and in every form of the report."""

from __future__ import annotations

import json

import pytest

from eval.score import main
from tests.scorers.test_fakevlm import answered
from tests.scoring import score_rows, table_of, write_rows

ROWS = [
    answered(str(i), "fake" if i % 2 else "real", f"This is a {'fake' if i % 2 else 'real'} image.") for i in range(6)
]
SOME = {"rows": 6, "trained_on": 4, "by_id": 4, "by_media": 3}
TOLD = "WARNING: 4 of 6 rows were trained on (4 by their id, 3 by the content of their media)"


def ran(folder, name="out.jsonl", data="1" * 64, trained="2" * 64, **facts):
    """The record of a prediction on `data` with a checkpoint that was trained on the file `trained`."""
    run = {"model": {"vision": {}, "trained": {"data": [{"sha256": trained}]}}, "versions": {}, "tasks": {}}
    run |= {"data": {"path": "test.jsonl", "sha256": data, "rows": 6}}
    (folder / f"{name}.run.json").write_text(json.dumps(run | facts))


def remarks(folder, *flags):
    return score_rows(folder, ROWS, *flags)["remarks"]


def test_counts_on_record_are_told_everywhere(tmp_path):
    ran(tmp_path, trained_on=SOME)
    assert f"\n{TOLD}" in table_of(tmp_path, ROWS, "--out", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["remarks"][0].startswith(TOLD)
    assert report["run"]["trained_on"] == SOME
    assert "WARNING" in (tmp_path / "report" / "report.md").read_text()
    assert TOLD in (tmp_path / "report" / "report.html").read_text()


def test_the_hash_of_the_training_file_is_enough(tmp_path):
    ran(tmp_path, trained="1" * 64)
    assert remarks(tmp_path)[0].startswith("WARNING: 6 of 6 rows were trained on")


def test_new_rows_are_not_warned_of(tmp_path):
    for facts in ({}, {"trained_on": None}, {"trained_on": dict.fromkeys(SOME, 0)}):
        ran(tmp_path, **facts)
        assert not any("WARNING" in remark for remark in remarks(tmp_path))


def test_a_baseline_that_was_trained_on_them_is_named(tmp_path):
    ran(tmp_path)
    ran(tmp_path, "other.jsonl", trained_on=SOME)
    write_rows(tmp_path / "other.jsonl", ROWS)
    assert remarks(tmp_path, "--baseline", f"theirs={tmp_path / 'other.jsonl'}")[0].startswith(f"theirs: {TOLD}")


@pytest.mark.parametrize("wrong", [{"rows": 6}, "all", {**SOME, "by_id": "4"}])
def test_a_record_that_is_none_is_refused(tmp_path, capsys, wrong):
    ran(tmp_path, trained_on=wrong)
    assert main(["--pred", str(write_rows(tmp_path / "out.jsonl", ROWS))]) == 2
    assert "not the record of eval/predict.py" in capsys.readouterr().err
