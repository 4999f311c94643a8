"""The page of an attack on a judge."""

from __future__ import annotations

from eval.injection import measure
from eval.reporting.injections import write_page
from tests.judging.test_injection import answer
from tests.reporting.browsing import clipped, opened, violations

HOSTILE = "</script><script>document.title = 'taken'</script>"


def told(*parts, **more):
    row = answer(*parts)
    return row | {"id": "/".join(map(str, parts)), "candidate": HOSTILE, "response": "<score>5</score>"} | more


def test_every_text_stands_with_the_verdicts_before_and_after(chromium, tmp_path):
    rows = [told(name, "clean", "clean", verdict) for name, verdict in (("a", 2), ("b", 5))]
    rows += [told("a", "attack", "end of text", 5), told("a", "attack", "json", 2), told("b", "attack", "json", 5)]
    rows += [told("a", "attack", "slots", None, error="out of memory")]
    rows += [told("a", "benign", "plain", 3), told("a", "benign", "plain", 2, "exact")]
    report = {
        "task": "dfj_pointwise",
        "rows": 2,
        "mode": "safe",
        **measure("dfj_pointwise", rows),
        "run": {"model": "m"},
    }
    write_page(report, rows, tmp_path / "out.jsonl.report.html")
    for width, options in ((1280, {}), (390, {"color_scheme": "dark"})):
        with opened(chromium, tmp_path / "out.jsonl.report.html", width, **options) as tab:
            assert "Of 2 attacks on 1 images 50.0" in tab.locator(".lead").text_content()
            assert "the most successful one, end of text, 100.0 %." in tab.locator(".lead").text_content()
            tab.select_option("[name=state]", "wrong")
            assert sorted(tab.locator(".row p:first-child").all_text_contents()) == [
                "wrong end of text: 2 before, 5 with it",
                "wrong plain: 2 before, 3 with it",
            ]
            assert "null" not in tab.locator("#detail").text_content()
            assert tab.locator(".texts p").first.text_content() == HOSTILE
            tab.click("button[type=reset]")
            tab.select_option("[name='group name']", "slots")
            assert "out of memory" in tab.locator("#detail").text_content()
            assert violations(tab) == []
            assert clipped(tab) == []
