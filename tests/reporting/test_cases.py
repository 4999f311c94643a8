"""What the page shows of single rows, with their pictures."""

import json

import pytest
from PIL import Image

from tests.scorers.test_dfj_detect import verdict
from tests.scorers.test_dfj_pairwise import both
from tests.scorers.test_dfj_pointwise import judged, sure_of
from tests.scorers.test_dfj_reason import GOLD, reasoned
from tests.scorers.test_fakevlm import FAKE, answered
from tests.scorers.test_loki import BY_HAND, chosen, explained
from tests.scoring import read_by_run, score_rows, table_of


def test_the_report_shows_the_image_and_the_reliability(tmp_path):
    Image.new("RGB", (640, 320), "green").save(tmp_path / "x.png")
    rows = [verdict("a", "edited", "real", 0.2), verdict("b", "real", "real", 0.2)]
    rows[0] = read_by_run(rows[0] | {"images": [str(tmp_path / "x.png")]})
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert 'width="448" height="224"' in page
    assert "edited, answered real" in page
    assert "2 rows: mean P(fake) 0.200, share of fakes 0.500" in page
    assert "the row names no video or image" in page


def test_the_report_shows_both_orders_of_a_case(tmp_path):
    score_rows(tmp_path, both("p", "A", "A", "A"), "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "order AB: better is A, answered A; order BA: better is B, answered A" in page
    assert "the two orders contradict each other" in page
    assert "it melts" in page
    assert "it shines" in page
    assert "| accuracy_swapped (order BA) | 0.0" in (tmp_path / "report" / "report.md").read_text()


def test_the_report_shows_candidate_and_judge_as_text(tmp_path):
    rows = [judged("a", 5, 2, sure_of(2)), judged("b", 3, 3, sure_of(3)), judged("c", 3, None, sure_of(3))]
    rows[0]["messages"][0]["content"] = "<image>Judge: <script>x</script> shines."
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "&lt;script&gt;x&lt;" in page
    assert "<script" not in page
    assert "true score 5, answered 2" in page
    assert "Expected score against the true one" in page
    assert "nothing that can be parsed (no closed &lt;score&gt;)" in page
    assert "1 unparsed, counted as the score farthest from the truth" in page
    assert json.loads((tmp_path / "report" / "report.json").read_text())["cases"]["Worst"] == ["a", "c"]
    assert "| 5 | 0 | 1 | 0 | 0 | 0 | 0 |" in (tmp_path / "report" / "report.md").read_text()


def test_the_report_shows_both_rationales(tmp_path):
    score_rows(tmp_path, [reasoned("a", "it <b>shines</b>", judge_score=2)], "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "&lt;b&gt;shines" in page
    assert GOLD in page
    assert "judge&#39;s score 2" in page


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
    page = (tmp_path / "report" / "report.html").read_text()
    assert '<rect class="box true" x="10.0" y="10.0" width="50.0" height="50.0"/>' in page
    assert "the &lt;b&gt;fur&lt;/b&gt; is soft" in page
    assert "This is a fake image. the fur melts" in page
    assert "P(fake) 0.250" in page
    assert "ROUGE-L 44.4" in page  # 2 of 3 and 6 words: the tags count
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
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("data:image/jpeg") == 2
    assert page.count("no picture: ") == 1  # and the others are where they belong
    assert page.index("data:image/jpeg") < page.index("no picture: ") < page.rindex("data:image/jpeg")
    assert "A is on the left" in page


def test_the_page_says_what_was_asked_and_calls_no_explanation_right(tmp_path):
    score_rows(tmp_path, BY_HAND, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "fake, answered real · asked whether it is real, said yes · P(fake) 0.400" in page
    score_rows(tmp_path, [explained("a", "odd", "odd")], "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert '<p class="text">explained · ROUGE-L 100.0</p>' in page
