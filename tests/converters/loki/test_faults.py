"""The LOKI converter: what lies otherwise is set aside with its reason, or refused."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.layouts import loki
from tests.converters.loki.making import WHOLE, Converted, asked, both, pair, path_of, refused, seen, source

TF, MC, OPEN = "image/true_or_false", "image/multi_choice", "image/open_ended"
GOOD = both("a.png", "real")


def fake_b(**changes: Any) -> dict[str, Any]:
    return asked("b.png", "fake", "fake", **changes)


@pytest.mark.parametrize(
    ("name", "bad", "reason"),
    [
        (TF, fake_b(answer="No"), "contradiction: 'image_tf_image_fake_ask_fake_doc' means Yes, the answer is 'No'"),
        (TF, fake_b(answer="yes"), "contradiction: "),
        (TF, asked("a.png", "fake", "fake", id="x"), "contradiction: called real and fake: 'media_data/image/a"),
        (TF, fake_b(question_type="image_mc_fake_from_real_doc"), "question_type: not one of image/true_"),
        (TF, fake_b(question_type="video_tf_video_fake_ask_fake_doc"), "question_type: "),
        (TF, fake_b(question_type=None), "question_type: "),
        (TF, fake_b(id="doc_a.png_fake"), "id: another row has it"),
        (TF, fake_b(image_path=["a", "b"]), "image_path: expected 1 different path(s), got ['a', 'b']"),
        (TF, fake_b(image_path=None), "image_path: "),
        (TF, fake_b(question=7), "question: expected a text, got 7"),
        (TF, fake_b(question="Is it?"), "messages: 0 <image> tags but 1 images"),
        (TF, "b.png", "row: expected a JSON object, got str"),
        (MC, pair("b.png", "c.png", "fake", "C"), "answer: must be A or B, got 'C'"),
        (MC, pair("b.png", "c.png", "fake", ["A"]), "answer: must be A or B, got ['A']"),
        (MC, pair("b.png", "b.png", "fake", "A"), "image_path: expected 2 different path(s)"),
        (MC, pair("b.png", "c.png", "fake", "A", choices=["Left.", "Right."]), "choices: expected ['The fir"),
        (MC, pair("b.png", "c.png", "fake", "A", question_type="image_mc_fake_from_fake_doc"), "question_type: "),
        (MC, pair("a.png", "c.png", "fake", "A"), "contradiction: called real and fake: 'media_data/image/a.p"),
        (OPEN, seen("b.png", ""), "explanation: the row has none"),
        (OPEN, seen("b.png", "x", ([1, 2, 3], "y")), "problems: a region must be [x, y, width, height] in px"),
        (OPEN, seen("b.png", "x", ([1, 2, 3, -1], "y")), "problems: a region must be "),
        (OPEN, seen("b.png", "x", ([1, 2, 3, 10**30], "y")), "problems: a region must be "),
        (OPEN, seen("b.png", "x", problems={"global": [{"desc": None}]}), "problems: expected global and regional"),
        (OPEN, seen("b.png", "x", problems="many"), "problems: expected global and regional"),
    ],
)
def test_a_row_at_fault_is_set_aside_with_its_reason(convert, name, bad, reason):
    parts = {"image/true_or_false": [*GOOD, *both("c.png", "real", "object")]}
    parts[name] = [*parts.get(name, []), bad]
    found = convert(parts)
    reject = found.rejects[-1]
    assert reject["where"] == f"{loki.SUBSETS[name].path}[{len(parts[name]) - 1}]"
    assert reject["reason"].startswith(reason)
    assert found.manifest["rows_in"] == found.manifest["rows_out"] + len(found.rejects) == sum(map(len, parts.values()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(st.sampled_from(["desc", "region", "global"]), some),
    max_leaves=9,
)
KEYS = ("image_path", "question", "question_type", "answer", "choices", "problems")


@pytest.mark.parametrize(
    ("name", "row"),
    [(TF, fake_b()), (MC, pair("a.png", "b.png", "fake", "A")), (OPEN, seen("b.png", "x", ([1, 2, 3, 4], "y")))],
)
@given(key=st.sampled_from([*KEYS, "global", "regional", "region"]), value=JSON)
def test_no_value_anywhere_costs_more_than_its_row(name, row, key, value):
    problems = {"global": [{"desc": "x"}], "regional": [{"region": [1, 2, 3, 4], "desc": "y"}]}
    if key == "region":
        problems["regional"][0]["region"] = value
    elif key in problems:
        problems[key] = value
    changed = row | {"problems": problems} | ({key: value} if key in KEYS else {})
    with contextlib.suppress(ValueError):
        loki._read_row(changed, loki.SUBSETS[name])


@pytest.mark.parametrize("question", ["loki", "fakevlm"])
def test_media_that_two_files_call_by_two_names_are_not_used(convert, question):
    """A fake of the open-ended file cannot be a real of the other one."""
    parts = {"image/true_or_false": [*GOOD, *both("b.png", "real")], "image/open_ended": [seen("b.png", "Waxy.")]}
    found = convert(parts, "--question", question)
    assert {row["meta"]["image"] for row in found.rows} == {path_of("a.png")}
    assert set(found.reasons) == {"contradiction: called real and fake: 'media_data/image/b.png'"}
    assert len(found.reasons) == (3 if question == "loki" else 2)  # of each question, or of each file's image


def test_an_explanation_that_says_the_opposite_is_not_trained(convert):
    parts = {"image/true_or_false": GOOD, "image/open_ended": [seen("b.png", "Waxy. This is a real image.")]}
    found = convert(parts, "--question", "fakevlm")
    assert found.reasons == ["the answer does not read back as written: 'two different verdicts'"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../../secret.png", "media: the path leaves LOKI/"),
        ("https://example.com/x.png", "media: not a file path"),
        ("media_data/image/", "media: not a file path"),
    ],
)
def test_a_path_that_is_none_of_the_datasets_is_a_fault_of_the_medium(tmp_path, path, reason):
    src = source(tmp_path / "LOKI", {"image/true_or_false": [*GOOD, asked("b.png", "fake", "fake", image_path=path)]})
    found = Converted(src, tmp_path / "out", "--check", "none")
    assert [reason_found.startswith(reason) for reason_found in found.reasons] == [True]
    assert len(found.rows) == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "image/true_or_false.json: expected one JSON list of rows: "),
        (b"{}", "image/true_or_false.json: expected one JSON list of rows: got dict"),
        (b"[]", "image/true_or_false.json: expected one JSON list of rows: got list, empty"),
        (b"\xff\xfe{", "image/true_or_false.json: its byte order mark says UTF-16, but"),
        (b"[" * 100_000, "image/true_or_false.json: expected one JSON list of rows: "),
        (b'["\\ud800"]', "image/true_or_false.json: "),
        (b"[1]", "no usable row; the first one: image/true_or_false.json[0]: row: expected a JSON object, got int"),
    ],
)
def test_a_file_that_is_none_of_lokis_is_one_clear_line(tmp_path, capsys, content, complaint):
    src = source(tmp_path / "LOKI", {"image/true_or_false": content})
    assert complaint in refused(capsys, "--src", src, "--out", tmp_path / "out", "--check", "none")
    assert not list((tmp_path / "out").rglob("*.json*"))


def test_a_file_too_large_is_not_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(loki, "MAX_BYTES", 100)
    src = source(tmp_path / "LOKI", WHOLE)
    assert "at most 100 are read" in refused(capsys, "--src", src, "--out", tmp_path / "out", "--check", "none")
