"""The report's three files: what they show, and that text of the data is only ever text."""

import copy
import json

import pytest

from eval.reporting.pages import plain_markdown
from eval.scorers import fakevlm
from eval.scorers.fakevlm_tables import FILES
from eval.scorers.robustness import POLICY
from tests.scorers import test_dfj_detect as detect
from tests.scorers import test_robustness as robustness
from tests.scorers.test_deeptrace import fake, real, said
from tests.scorers.test_fakevlm import FACES
from tests.scoring import read_by_run, score_rows, table_of


def test_a_damaged_picture_costs_itself_and_not_the_report(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    rows = [read_by_run(fake(response="REAL.") | {"videos": [str(tmp_path / "broken.mp4")]}), real()]
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    assert "no picture: the video cannot be read" in (tmp_path / "report" / "report.html").read_text()


def test_the_markdown_report_shows_text_of_the_data_as_text(tmp_path):
    rows = [fake(response=said(), source="<script>x</script> | ![a](http://evil.example/x.png)\n# head"), real()]
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.md").read_text()
    assert "<script" not in page.replace("\\<", "")
    assert "![a](" not in page
    assert "\n# head" not in page


def test_the_markdown_report_shows_keys_of_the_runs_record_as_text(tmp_path):
    hostile = "<script>x</script>\n# head\n![a](http://evil.example/x.png)"
    model = {"model": "m", "adapter": None, "vision": {}}
    record = {"model": model, "data": {"rows": 2}, "versions": {hostile: hostile}}
    (tmp_path / "out.jsonl.run.json").write_text(json.dumps(record))
    score_rows(tmp_path, [fake(response=said()), real()], "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.md").read_text()
    assert "evil" in page
    assert "<script" not in page.replace("\\<", "")
    assert "![a](" not in page
    assert "\n# head" not in page


def test_the_report_is_three_files_that_need_nothing_else(tmp_path):
    hostile = "FAKE. <script>alert(1)</script><img src=http://x.example/y>"
    score_rows(tmp_path, [fake(response=hostile), fake("f2", response=said()), real()], "--out", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["cases"]["Worst"] == ["f1"]
    page = (tmp_path / "report" / "report.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img src=http" not in page
    assert "no picture: the row names no video or image" in page
    assert "| accuracy | 100.0" in (tmp_path / "report" / "report.md").read_text()


def test_the_published_row_that_cannot_be_is_named_wherever_it_is_printed(tmp_path):
    rows = [detect.verdict("a", "fake", "fake", 0.9), detect.verdict("b", "real", "real", 0.2)]
    note = "accuracy 63.7 is not between real_f1 76.6 and fake_f1 79.8"
    published = score_rows(tmp_path, rows, "--out", tmp_path / "report")["published"]["rows"]
    assert [row["model"] for row in published if "note" in row] == ["Qwen-3-VL-235B-Thinking"]
    said = table_of(tmp_path, rows)
    assert f"published Qwen-3-VL-235B-Thinking: {note}" in said
    assert "check that accuracy lies between real_f1 and fake_f1: holds" in said
    assert note in (tmp_path / "report" / "report.html").read_text()
    assert note.replace("_", r"\_") in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.parametrize("dataset", [*FILES, "own"])
def test_the_table_of_the_rows_dataset_stands_beside(tmp_path, dataset):
    rows = copy.deepcopy(FACES)
    for row in rows:
        row["meta"]["dataset"] = dataset
    published = score_rows(tmp_path, rows, "--out", tmp_path / "report")["published"]
    assert [row["model"] for row in published["rows"] if row["model"] == "FakeVLM"] == ["FakeVLM"] * (dataset != "own")
    columns = {name for row in published["rows"] for name in row}
    assert columns <= {"set", "model", "fake_f1", "note", *fakevlm.METRICS}
    text = (tmp_path / "report" / "report.md").read_text()
    assert (f"{published['title']}. Compare only" in text) == bool(published["rows"]) == (dataset != "own")
    said, noted = table_of(tmp_path, rows), [row for row in published["rows"] if "note" in row]
    assert all(plain_markdown(row["note"], 1000) in text for row in noted)
    if len(noted) > 2:
        assert f"in the report (--out), with notes on {', '.join(row['model'] for row in noted)}" in said
    else:
        assert all(f"published {row['model']}: {row['note']}" in said for row in noted)


def test_the_page_and_the_markdown_show_every_point(tmp_path):
    score_rows(tmp_path, robustness.ROWS, "--out", tmp_path / "report")
    page, text = ((tmp_path / "report" / f"report.{end}").read_text() for end in ("html", "md"))
    assert page.count('aria-label="accuracy under ') == 2
    assert page.count('class="curve"') == 2
    assert "<script" not in page
    for shown in ("jpeg 1", "jpeg 3", "blur 2", "quality 70", "-25.0"):
        assert shown in page
        assert shown in text
    assert plain_markdown(POLICY, 1000) in text  # whole
    table = text[text.index("## Robustness") : text.index("## Answers")].strip().splitlines()
    assert sum(line.startswith("| ") for line in table) == 1 + 4  # the head, and clean once for all kinds
    assert "" not in table[table.index(next(line for line in table if line.startswith("|"))) :]


def test_texts_of_the_data_are_only_ever_text(tmp_path):
    bad = "<script>alert(1)</script>|[x](http://x.org)"
    rows = [robustness.verdict("a", "real", "real"), robustness.verdict("a", "real", "real", bad, 1, parameter=bad)]
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    page, text = ((tmp_path / "report" / f"report.{end}").read_text() for end in ("html", "md"))
    assert "<script" not in page
    assert "](http" not in text
