"""The report's three files: what they show, and that text of the data is only ever text."""

import copy
import json

import pytest

from eval.reporting.pages import plain_markdown
from eval.scorers import fakevlm
from eval.scorers.fakevlm_tables import FILES
from eval.scorers.robustness import POLICY
from tests.scorers import test_dfj_detect as detect
from tests.scorers import test_dfj_pairwise as pairwise
from tests.scorers import test_robustness as robustness
from tests.scorers.test_deeptrace import fake, real, said
from tests.scorers.test_fakevlm import FACES, answered
from tests.scoring import read_by_run, score_rows, shown_case, table_of


def test_a_damaged_picture_costs_itself_and_not_the_report(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    rows = [read_by_run(fake(response="REAL.") | {"videos": [str(tmp_path / "broken.mp4")]}), real()]
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    assert shown_case(tmp_path / "report", "f1")["pictures"][0]["reason"].startswith("the video cannot be read")


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


def test_the_report_is_files_that_need_nothing_else(tmp_path):
    hostile = "FAKE. <script>alert(1)</script><img src=http://x.example/y>"
    score_rows(tmp_path, [fake(response=hostile), fake("f2", response=said()), real()], "--out", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["cases"]["Worst"] == ["f1"]
    page = (tmp_path / "report" / "report.html").read_text()
    assert ["answer", hostile] in shown_case(tmp_path / "report", "f1")["texts"]
    assert "<script>alert" not in page
    assert "<img src=http" not in page
    assert page.count("<script") == 2  # the data and the page's own, by its hash
    assert "script-src 'sha256-" in page
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "report.html",
        "report.json",
        "report.md",
        "cases.csv",
    }
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
    assert "<script>alert" not in page
    assert "](http" not in text


def test_one_sentence_says_what_the_run_is_worth(tmp_path):
    rows = [detect.verdict(f"f{i}", "fake", "fake" if i else "real") for i in range(8)]
    rows += [detect.verdict(f"r{i}", "real", "real") for i in range(8)]
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "accuracy is 93.8 on 16 rows of 16 media, and on other media of the same kind it would lie between " in page
    assert "(95 % interval): better than one answer for all rows (majority verdict, 50.0)." in page


def test_slices_show_no_metric_that_has_no_meaning_there(tmp_path):
    rows = [
        answered(f"f{i}", "fake", f"This is a {said} image.", source="made") for i, said in enumerate(("fake", "real"))
    ]
    rows += [answered(f"r{i}", "real", "This is a real image.", source="photo") for i in range(2)]
    rows += [answered("x", "fake", "This is a fake image.", source="both")]
    rows += [answered("y", "real", "This is a real image.", source="both")]
    slices = score_rows(tmp_path, rows)["slices"]["source"]
    assert {source: "f1" in part["metrics"] for source, part in slices.items()} == {
        "made": False,
        "photo": False,
        "both": True,
    }
    assert slices["photo"]["metrics"]["accuracy"]["value"] == 100


def test_the_run_stands_below_the_published_rows_and_not_in_bold(tmp_path):
    rows = [detect.verdict("a", "fake", "fake", 0.9), detect.verdict("b", "real", "real", 0.2)]
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    page, text = ((tmp_path / "report" / f"report.{end}").read_text() for end in ("html", "md"))
    table = page[page.index('id="published"') :]
    assert table.index("Qwen-3-VL-235B-Thinking") < table.index("<td>this run</td>")
    assert "on 2 rows, whether or not they are the paper" in table
    assert "<b>" not in table[: table.index("</table>")]
    assert "**" not in text


def test_curves_of_p_fake_and_distributions_are_drawn(tmp_path):
    rows = [fake(f"f{i}", said("[140, 70, 240, 170]", "3.5")) | {"p_fake": 0.5 + i / 10} for i in range(3)]
    rows += [real(f"r{i}") | {"p_fake": 0.3 * i} for i in range(3)]
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    for title in (
        "ROC of P(fake)",
        "Precision and recall of P(fake)",
        "Reliability of P(fake)",
        "IoU",
        "Time distance",
    ):
        assert f"<h2>{title}</h2>" in page
    assert "<title>15 to 20: 3 rows</title>" in page  # 1.5 s of 10
    assert 'points="50.0,290.0 50.0,196.7 143.3,103.3 143.3,10.0 ' in page  # the second fake is even with a real


def test_a_pairwise_judges_position_bias_is_drawn(tmp_path):
    score_rows(tmp_path, pairwise.both("p", "A", "A", "A"), "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    for said_ in ("AB, answered: 1.000", "AB, true: 1.000", "BA, answered: 1.000", "BA, true: 0.000"):
        assert f"<title>order {said_} of 1 rows</title>" in page


def test_perturbed_rows_are_among_the_cases(tmp_path):
    score_rows(tmp_path, robustness.ROWS, "--out", tmp_path / "report")
    lines = (tmp_path / "report" / "cases.csv").read_text().splitlines()
    assert len(lines) == 1 + len(robustness.ROWS)
    assert "perturbation" in lines[0]
    assert shown_case(tmp_path / "report", robustness.ROWS[-1]["id"])["groups"]["perturbation"]
