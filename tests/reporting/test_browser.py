"""The report in a real browser: its case browser, on a phone, in the dark, printed, and for a screen reader."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest
from PIL import Image

from eval import compare
from eval.reporting.tables import to_csv
from tests.core.clips import write_clip
from tests.reporting.browsing import clipped, opened, violations
from tests.scorers.test_deeptrace import fake, real, said
from tests.scorers.test_dfj_pairwise import both
from tests.scorers.test_fakevlm import FAKE, answered
from tests.scoring import page_data, read_by_run, score_rows, write_rows

ALL = "all, which takes minutes"
HOSTILE = '=1+1</script><script>document.title = "taken"</script><img src=x onerror="document.title = 1">'


def traces(clip, flipped=(), moved=()):
    """Twelve rows on one clip: right, with a box that is off, wrong and unparsed ones; `flipped` say the opposite, and
    `moved` another box and onset."""
    facts = {"width": 96, "height": 64, "duration": 2.0, "bbox": [10, 10, 40, 40], "start": 1.0}
    answers = [said("[10, 10, 40, 40]", "1"), said("[30, 30, 60, 60]", "1.5"), "REAL. It is real.", HOSTILE]
    rows = [fake(f"f{i}", answers[i % 4], source=f"S{i % 3}", **facts) | {"p_fake": 0.9 - i / 20} for i in range(8)]
    rows += [real(f"r{i}") | {"p_fake": 0.1 * i} for i in range(3)] + [real('=r"3', said()) | {"p_fake": 0.8}]
    for row in rows:
        if row["id"] in flipped:
            row["response"] = "REAL. It is real." if row["response"].startswith("FAKE") else said()
        if row["id"] in moved:
            row["response"] = said("[50, 30, 90, 60]", "0.5")
    return [read_by_run(row | {"videos": [clip]}) for row in rows]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    clip = write_clip(folder / "clip #1.mp4")
    other = write_rows(folder / "other.jsonl", traces(clip, flipped=("f0", "r1"), moved=["f1"]))
    score_rows(folder, traces(clip), "--baseline", f"other={other}", "--out", folder / "report")
    return folder / "report"


def ids(tab):
    """The cases of the list, those in sight."""
    return tab.locator(".row p:last-child").all_text_contents()


def until(tab, expression, wanted):
    """Wait up to ten seconds for what the page comes to."""
    end = time.monotonic() + 10
    while (found := tab.evaluate(expression)) != wanted and time.monotonic() < end:
        tab.wait_for_timeout(20)
    assert found == wanted


def printed(tab):
    """What a print says of its cases, and how many they are."""
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    found = tab.locator(".printed > p").text_content(), tab.locator(".printed article h3").count()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator(".printed article").count() == 0
    return found


def count(tab):
    return tab.locator("output").text_content()


def test_cases_are_filtered_sorted_and_searched(chromium, report):
    with opened(chromium, report / "report.html") as tab:
        assert count(tab) == "12 of 12 cases"
        tab.select_option("[name=state]", "unparsed")
        assert sorted(ids(tab)) == ["f3", "f7"]
        tab.select_option("[name=state]", "all")
        tab.select_option("[name='group source']", "S1")
        assert sorted(ids(tab)) == ["f1", "f4", "f7"]
        tab.click("button[type=reset]")
        tab.check("[name=disagree]")
        assert sorted(ids(tab)) == ["f0", "r1"]
        tab.click("button[type=reset]")
        tab.click("summary:text('ranges')")
        tab.fill("[name='from bbox_iou']", "5")
        tab.fill("[name='to time_distance']", "10")
        assert sorted(ids(tab)) == ["f0", "f4"]
        tab.click("button[type=reset]")
        tab.select_option("[name=order]", "p fake, high first")
        assert ids(tab)[0] == "f0"
        tab.fill("[name=text]", "TAKEN")
        assert sorted(ids(tab)) == ["f3", "f7"]
        tab.fill("[name=text]", "no such text")
        assert count(tab) == "0 of 12 cases"
        assert tab.title() == "deeptrace report"  # what the data holds is only ever text


def test_a_card_is_right_only_where_what_it_is_sorted_by_is(chromium, report):
    with opened(chromium, report / "report.html") as tab:
        tab.select_option("[name=order]", "as in the file")
        told = dict(zip(ids(tab), tab.locator(".row p:first-child span").all_text_contents(), strict=True))
    assert {told[name].strip() for name in ("f0", "f1", "f2", "f3", "r0")} == {
        "right",
        "verdict right",
        "wrong",
        "unparsed",
    }
    assert (told["f0"].strip(), told["f1"].strip()) == ("right", "verdict right")  # the box of f1 is off


def test_keys_step_through_the_cases_and_the_address_names_one(chromium, report):
    with opened(chromium, report / "report.html", fragment="#case=" + "%3Dr%223") as tab:
        assert tab.locator("#detail h3").text_content() == '=r"3'
        tab.focus("#list")
        tab.keyboard.press("Home")
        first = tab.locator("#detail h3").text_content()
        tab.keyboard.press("ArrowDown")
        second = tab.locator("#detail h3").text_content()
        assert first != second
        assert tab.evaluate("location.hash") == f"#case={second}"
        active = tab.get_attribute("#list", "aria-activedescendant")
        assert tab.get_attribute(f"#{active}", "aria-selected") == "true"
        tab.click("button:text('previous')")
        assert tab.locator("#detail h3").text_content() == first


def test_the_video_plays_in_place_and_the_box_shows_from_the_onset_on(chromium, report):
    with opened(chromium, report / "report.html", fragment="#case=f1") as tab:
        boxes = "[...document.querySelectorAll('#detail rect')].map(one => getComputedStyle(one).visibility)"
        assert tab.evaluate(boxes) == ["visible"] * 3  # the true one, this run's and the other's, on the picture
        tab.evaluate("document.querySelector('video').load()")
        tab.evaluate("document.querySelector('video').preload = 'auto'")
        until(tab, "document.querySelector('video').readyState >= 2", True)
        for at, wanted in ((0.2, []), (0.8, [2]), (1.2, [0, 2]), (1.8, [0, 1, 2])):  # onsets 1, 1.5 and 0.5 s
            tab.evaluate(f"document.querySelector('video').currentTime = {at}")
            until(tab, boxes, ["visible" if i in wanted else "hidden" for i in range(3)])
        assert tab.evaluate("document.querySelector('video').videoWidth") == 96
        assert "predicted onset 1.50 s" in tab.get_attribute(".time", "aria-label")
    with opened(chromium, report / "report.html", fragment="#case=f1") as tab:
        tab.click("text=play from the predicted onset")
        until(tab, "document.querySelector('video').currentTime >= 1.5", True)
        until(tab, boxes, ["visible"] * 3)


def test_the_boxes_and_onsets_of_other_runs_stand_beside_with_a_letter_and_can_be_hidden(chromium, report):
    seen = "[...document.querySelectorAll('{} [data-kind={}]')].map(one => one.checkVisibility())"
    with opened(chromium, report / "report.html", fragment="#case=f1") as tab:
        assert tab.locator("#detail .legend").inner_text().split() == ["T", "true", "P", "this", "run", "A", "other"]
        assert tab.locator("#detail rect[data-kind=run0]").get_attribute("x")[:4] == "52.0"  # 50 of 96 px
        assert tab.locator("#detail .tag").all_text_contents() == ["T", "P", "A"]
        dashes = "[...document.querySelectorAll('#detail rect')].map(one => getComputedStyle(one).strokeDasharray)"
        assert len(set(tab.evaluate(dashes))) == 3
        assert "predicted onset 1.50 s, onset of other 0.50 s" in tab.get_attribute("#detail .time", "aria-label")
        tab.uncheck("[data-shows=run0]")
        assert tab.evaluate(seen.format("#detail", "run0")) == [False] * 3  # box, letter and mark on the time line
        assert tab.evaluate(seen.format("#detail", "pred")) == [True] * 3
        tab.click("button:text('next')")
        tab.click("button:text('previous')")
        assert tab.evaluate(seen.format("#detail", "run0")) == [False] * 3
        tab.check("[data-shows=run0]")
        assert tab.evaluate(seen.format("#detail", "run0")) == [True] * 3
        assert violations(tab) == []
        tab.emulate_media(media="print")
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert tab.locator(".printed .legend").first.inner_text().split()[-2:] == ["A", "other"]
        assert True in tab.evaluate(seen.format(".printed", "run0"))


def test_what_is_shown_is_saved_as_a_table_without_formulas(chromium, report):
    with opened(chromium, report / "report.html") as tab:
        tab.fill("[name=text]", '=r"')
        with tab.expect_download() as download:
            tab.click("button:text('save these')")
        (row,) = csv.DictReader(io.StringIO(download.value.path().read_text()))
    assert (row["id"], row["right"], row["p_fake"]) == ("'=r\"3", "false", "0.8")
    whole = list(csv.DictReader(io.StringIO((report / "cases.csv").read_text())))
    assert [row["id"] for row in whole] == [f"f{i}" for i in range(8)] + ["r0", "r1", "r2", "'=r\"3"]
    assert (whole[1]["time_distance"], whole[1]["other: right"]) == ("25.0", "true")
    assert float(whole[1]["bbox_iou"]) == pytest.approx(100 / 17, abs=1e-3)


@pytest.mark.parametrize(("width", "colours"), [(390, "light"), (1280, "dark")])
def test_a_page_has_no_fault_for_a_screen_reader_and_clips_nothing_silently(chromium, report, width, colours):
    with opened(chromium, report / "report.html", width, color_scheme=colours) as tab:
        tab.click("summary:text('Policy, versions and run')")
        assert violations(tab) == []
        assert clipped(tab) == []


def test_other_tasks_pages_have_none_either(chromium, tmp_path):
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "x.png")
    pictured = {"images": [str(tmp_path / "x.png")]}
    for name, rows in {
        "pairs": both("p", "A", "A", "A"),
        "images": [read_by_run(answered("a", "fake", FAKE, 0.2) | pictured), answered("b", "real", FAKE, 0.9)],
    }.items():
        score_rows(tmp_path, rows, "--out", tmp_path / name)
        with opened(chromium, tmp_path / name / "report.html", 390) as tab:
            assert "null" not in tab.locator("#browser").text_content()
            assert violations(tab) == []
            assert clipped(tab) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_of_a_comparison_has_none_and_its_remarks_leave_room_for_the_values(chromium, tmp_path, width):
    for name, p in (("a", 0.9), ("a run with a long name", 0.6)):
        rows = [answered(f"{i}", "fake", FAKE, p) for i in range(3)] + [answered("r", "real", FAKE, 0.3)]
        write_rows(tmp_path / f"{name}.jsonl", rows)
    files = map(str, sorted(tmp_path.glob("*.jsonl")))
    assert compare.main([*files, "--out", str(tmp_path / "out")]) == 0
    with opened(chromium, tmp_path / "out" / "comparison.html", width, color_scheme="dark") as tab:
        assert violations(tab) == []
        assert clipped(tab) == []
        assert max(box["width"] for box in (one.bounding_box() for one in tab.locator("td.metric").all())) < 280


def test_printing_loses_nothing(chromium, report):
    with opened(chromium, report / "report.html", 1040) as tab:
        tab.emulate_media(media="print")
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert tab.locator(".printed article h3").count() == 12
        closed = "[...document.querySelectorAll('main details:not([open])')].filter(one => one.offsetParent).length"
        assert tab.evaluate(closed) == 0
        wide = (
            "[...document.querySelectorAll('.scroll, .printed article')].filter(x => x.scrollWidth > x.clientWidth + 1)"
        )
        assert tab.evaluate(f"{wide}.length") == 0
        headless = (
            "[...document.querySelectorAll('.scroll table')].filter(one => one.querySelector('th') && !one.tHead)"
        )
        assert tab.evaluate(f"{headless}.length") == 0  # a head stands on every sheet that a table goes over
        tab.evaluate("dispatchEvent(new Event('afterprint'))")
        assert tab.locator(".printed article").count() == 0
        assert tab.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_ten_thousand_cases_open_within_two_seconds(chromium, report, tmp_path):
    page = (report / "report.html").read_text()
    data = page_data(report)
    data["cases"] = [
        case | {"id": f"{case['id']}/{i}", "texts": [[title, text + "x" * 400] for title, text in case["texts"]]}
        for i in range(834)
        for case in data["cases"]
    ]
    before, _, after = page.partition('<script type="application/json" id="data">')
    many = json.dumps(data).replace("<", "\\u003c")
    (tmp_path / "many.html").write_text(
        before + '<script type="application/json" id="data">' + many + after[after.index("</script>") :]
    )
    with opened(chromium, tmp_path / "many.html") as tab:
        ready = "performance.getEntriesByType('navigation')[0].loadEventEnd"
        took = [tab.evaluate(ready)]
        while min(took) >= 2000 and len(took) < 3:  # other tests may have had the processor
            tab.reload()
            took.append(tab.evaluate(ready))
        assert min(took) < 2000
        assert count(tab) == "10008 of 10008 cases"
        assert len(ids(tab)) < 40  # only those in sight exist
        begin = time.perf_counter()
        tab.focus("#list")
        tab.keyboard.press("End")
        tab.select_option("[name=state]", "wrong")
        assert time.perf_counter() - begin < 2
        tab.click("button[type=reset]")
        until(tab, "document.querySelector('output').textContent", "10008 of 10008 cases")
        choice = tab.locator("[name=printed] option").all_text_contents()
        assert choice[1:] == ["2001 to 4000", "4001 to 6000", "6001 to 8000", "8001 to 10000", "10001 to 10008", ALL]
        for part, cases in ((choice[0], 2000), (choice[-2], 8), (ALL, 10_008)):
            tab.select_option("[name=printed]", label=part)
            told, number = printed(tab)
            assert number == cases
            assert told.startswith(
                "10008 cases, as" if part == ALL else f"cases {part} of 10008, as filtered and sorted; "
            )
        tab.fill("[name=text]", "f1/")
        assert printed(tab) == ("834 cases, as filtered and sorted", 834)
        assert not tab.locator("[name=printed]").is_visible()


def test_cells_of_a_table_are_numbers_or_text():
    told = {"id": "+1", "media_id": "m", "source": "@x", "truth": "fake", "answered": None, "right": True}
    told |= {"quality": -0.5, "reason": "-1", "groups": {}, "measures": {"bias": -2.0}, "runs": []}
    (row,) = csv.DictReader(io.StringIO(to_csv([told])))
    assert row["id"] == "'+1"
    assert (row["source"], row["reason"], row["answered"], row["right"]) == ("'@x", "'-1", "", "true")
    assert (row["quality"], row["bias"]) == ("-0.5", "-2.0")
