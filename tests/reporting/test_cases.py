"""What the page shows of single rows, with their pictures."""

import json

import pytest
from PIL import Image

from eval.reporting import cases
from tests.scorers.test_dfj_detect import verdict
from tests.scorers.test_dfj_pairwise import both
from tests.scorers.test_dfj_pointwise import judged, sure_of
from tests.scorers.test_dfj_reason import GOLD, reasoned
from tests.scorers.test_fakevlm import FAKE, answered
from tests.scorers.test_loki import BY_HAND, chosen, explained
from tests.scoring import page_data, read_by_run, score_rows, shown_case, table_of, write_rows


def test_the_report_shows_the_image_and_the_reliability(tmp_path):
    Image.new("RGB", (640, 320), "green").save(tmp_path / "x.png")
    rows = [verdict("a", "edited", "real", 0.2), verdict("b", "real", "real", 0.2)]
    rows[0] = read_by_run(rows[0] | {"images": [str(tmp_path / "x.png")]})
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    case = shown_case(tmp_path / "report", "a")
    assert case["pictures"] == [
        {"kind": "image", "src": "../x.png", "width": 448, "height": 224, "second": 0.0, "at": 0}
    ]
    assert case["verdict"] == "edited, answered real"
    assert "2 rows: mean P(fake) 0.200, share of fakes 0.500" in page
    assert shown_case(tmp_path / "report", "b")["pictures"] == [{"reason": "the row names no video or image"}]


def test_the_report_shows_both_orders_of_a_case(tmp_path):
    score_rows(tmp_path, both("p", "A", "A", "A"), "--out", tmp_path / "report")
    first, second = page_data(tmp_path / "report")["cases"]
    assert first["verdict"] == "order AB: better is A, answered A; order BA: better is B, answered A"
    assert "the two orders contradict each other" in first["facts"]
    assert (first["right"], second["right"]) == (True, False)  # each row for itself
    assert ["candidate A", "it melts"] in first["texts"]
    assert ["candidate B", "it shines."] in first["texts"]
    assert "| accuracy_swapped (order BA) | 0.0" in (tmp_path / "report" / "report.md").read_text()


def test_the_report_shows_candidate_and_judge_as_text(tmp_path):
    rows = [judged("a", 5, 2, sure_of(2)), judged("b", 3, 3, sure_of(3)), judged("c", 3, None, sure_of(3))]
    rows[0]["messages"][0]["content"] = "<image>Judge: <script>x</script> shines."
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<script>x" not in page
    case = shown_case(tmp_path / "report", "a")
    assert case["texts"][0][1].startswith("<script>x<")
    assert case["verdict"] == "true score 5, answered 2"
    assert "Expected score against the true one" in page
    assert shown_case(tmp_path / "report", "c")["reason"] == "no closed <score>"
    assert "1 unparsed, counted as the score farthest from the truth" in page
    assert json.loads((tmp_path / "report" / "report.json").read_text())["cases"]["Worst"] == ["a", "c"]
    assert "| 5 | 0 | 1 | 0 | 0 | 0 | 0 |" in (tmp_path / "report" / "report.md").read_text()


def test_the_report_shows_both_rationales(tmp_path):
    score_rows(tmp_path, [reasoned("a", "it <b>shines</b>", judge_score=2)], "--out", tmp_path / "report")
    case = shown_case(tmp_path / "report", "a")
    assert ["written", GOLD] in case["texts"]
    assert "it <b>shines</b>" in case["texts"][1][1]
    assert "judge's score 2" in case["facts"]


def test_the_report_shows_both_answers_and_the_regions(tmp_path):
    Image.new("RGB", (200, 100), "green").save(tmp_path / "x.png")
    row = answered(
        "a",
        "fake",
        "This is a fake image. the <b>fur</b> is soft",
        0.25,
        width=200,
        height=100,
        regions='[{"bbox": [20, 10, 120, 60], "description": "fur"}]',
    )
    row = read_by_run(row | {"images": [str(tmp_path / "x.png")]})
    score_rows(tmp_path, [row, answered("b", "real", FAKE)], "--out", tmp_path / "report")
    page, case = (tmp_path / "report" / "report.html").read_text(), shown_case(tmp_path / "report", "a")
    assert case["boxes"] == [["true", 10.0, 10.0, 50.0, 50.0]]
    assert case["texts"] == [
        ["gold", "This is a fake image. the fur melts"],
        ["answer", "This is a fake image. the <b>fur</b> is soft"],
    ]
    assert case["facts"] == ["P(fake) 0.250", "ROUGE-L 44.4"]  # 2 of 3 and 6 words: the tags count
    assert "positive class: fake" in page
    assert "FakeVLM, table 2" in page


@pytest.mark.parametrize(
    "rows",
    [BY_HAND, [chosen("a", "fake", "A", "B")], [explained("a", "odd [x](y)", "odd"), explained("b", "dim", "")]],
    ids=["loki_tf", "loki_mc", "loki_open"],
)
def test_a_report_without_a_published_table_is_written(tmp_path, rows):
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    page, text = ((tmp_path / "report" / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert "Published" not in page + text
    assert "How this was computed" in page
    assert "Policy: " in text
    assert rows[0]["task"] in table_of(tmp_path, rows)


def test_the_page_shows_both_images_of_a_pair(tmp_path):
    images = [tmp_path / f"{name}.png" for name in ("one", "gone", "other")]
    for path in (images[0], images[2]):
        Image.new("RGB", (40, 30), "teal").save(path)
    pair = read_by_run(chosen("a", "fake", "A", "B") | {"images": list(map(str, images))})
    score_rows(tmp_path, [pair], "--out", tmp_path / "report")
    case = shown_case(tmp_path / "report", "a")
    assert [sorted(picture)[0] for picture in case["pictures"]] == ["at", "reason", "at"]
    assert "A is on the left" in case["facts"]


def test_the_page_says_what_was_asked_and_calls_no_explanation_right(tmp_path):
    score_rows(tmp_path, BY_HAND, "--out", tmp_path / "report")
    told = [(case["verdict"], *case["facts"]) for case in page_data(tmp_path / "report")["cases"]]
    assert ("fake, answered real", "asked whether it is real, said yes", "P(fake) 0.400") in told
    score_rows(tmp_path, [explained("a", "odd", "odd")], "--out", tmp_path / "report")
    case = shown_case(tmp_path / "report", "a")
    assert (case["verdict"], case["right"], case["facts"]) == ("explained", None, ["ROUGE-L 100.0"])


def test_beyond_its_limits_a_page_names_the_files_of_the_better_cases(tmp_path, monkeypatch):
    monkeypatch.setattr(cases, "EMBEDDED", 2)
    rows = []
    for name, said in (("a", "fake"), ("b", "real"), ("c", "real"), ("d", "fake")):
        Image.new("RGB", (40, 30), "teal").save(tmp_path / f"{name} #.png")
        rows.append(read_by_run(verdict(name, "fake", said) | {"images": [str(tmp_path / f"{name} #.png")]}))
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    shown = {case["id"]: case["pictures"][0] for case in page_data(tmp_path / "report")["cases"]}
    assert {name for name, picture in shown.items() if "at" in picture} == {"b", "c"}  # the wrong ones
    assert shown["a"] == {"kind": "image", "src": "../a%20%23.png"}


def test_a_picture_of_several_cases_stands_in_the_page_once(tmp_path):
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "x.png")
    rows = [read_by_run(verdict(name, "fake", "fake") | {"images": [str(tmp_path / "x.png")]}) for name in "abc"]
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    found = page_data(tmp_path / "report")
    assert len(found["pictures"]) == 1
    assert [case["pictures"][0]["at"] for case in found["cases"]] == [0, 0, 0]


def test_other_runs_answers_stand_beside(tmp_path):
    rows = [verdict("a", "fake", "fake", 0.9), verdict("b", "real", "real", 0.1)]
    other = write_rows(tmp_path / "other.jsonl", [verdict("a", "fake", "real", 0.3), verdict("b", "real", "real", 0.2)])
    score_rows(tmp_path, rows, "--baseline", f"other={other}", "--out", tmp_path / "report")
    (run,) = shown_case(tmp_path / "report", "a")["runs"]
    assert (run["title"], run["answered"], run["right"], run["measures"]) == ("other", "real", False, {"p_fake": 0.3})


def test_secrets_in_answers_are_masked(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "sk-0123456789abcdef")
    rows = [verdict("a", "fake", "fake"), verdict("b", "real", None) | {"response": "key sk-0123456789abcdef"}]
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    for name in ("report.html", "report.json", "report.md", "cases.csv"):
        assert "0123456789abcdef" not in (tmp_path / "report" / name).read_text()
    assert "[masked]" in shown_case(tmp_path / "report", "b")["texts"][0][1]
