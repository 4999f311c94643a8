"""A scored run as text for a terminal."""

import re

from eval.scorers.verdicts import BY_P_FAKE
from tests.scorers.test_deeptrace import fake, real, said
from tests.scorers.test_fakevlm import MIXED
from tests.scorers.test_robustness import ROWS
from tests.scoring import table_of, write_rows


def test_the_terminal_shows_what_has_a_value_and_why_the_rest_has_none(tmp_path):
    said = table_of(tmp_path, [row | {"p_fake": None} for row in MIXED]).splitlines()
    first = [line.partition(" ")[0] for line in said]
    assert "accuracy" in first
    assert "auc" not in first
    assert "no value: css, css_answer: not asked for: score with --css" in said
    assert f"no value: {', '.join(BY_P_FAKE)}: 4 rows have no P(fake) (p_fake)" in said
    assert next(line for line in said if line.startswith("f1: ")).startswith("f1: positive class fake")


def test_the_terminal_shows_kinds_by_strength(tmp_path):
    lines = [line.split() for line in table_of(tmp_path, ROWS).splitlines()]
    assert ["accuracy", "clean", "1", "2", "3"] in lines
    assert ["jpeg", "75.0", "100.0", "50.0"] in lines
    assert ["blur", "75.0", "0.0"] in lines


def test_the_papers_table_has_a_line_for_each_run_and_each_model_that_was_trained(tmp_path):
    untimed = said().replace(" starting 2 seconds", "")
    rows = [*(fake(name, said()) | {"explanation_score": 0.5} for name in ("a", "b")), real("c"), real("d")]
    other = [*(fake(name, untimed) | {"explanation_score": 1} for name in ("a", "b")), real("c", "?"), real("d", "?")]
    options = ("--as-published", "full", "--baseline", f"w/o time={write_rows(tmp_path / 'other.jsonl', other)}")
    found = [re.split("  +", line) for line in table_of(tmp_path, rows, *options, "--out", tmp_path / "r").splitlines()]
    names = next(line[1:] for line in found if line[0] == "value [95 % interval]")
    assert [names[0], names[-1], len(names)] == ["overall", "time_distance", 8]
    lines = {line[0]: dict(zip(names, line[1:], strict=True)) for line in found if len(line) == 9}
    assert lines["full"]["overall"].startswith("87.5 [")  # (100 + 50 + 100 + 100 - 0) / 4
    assert lines["w/o time"]["time_distance"].startswith("100.0 [")
    assert lines["w/o time"]["accuracy"].startswith("50.0 [")
    assert lines["best constant box"]["bbox_iou"].startswith("100.0")
    assert lines["published: Our (base VideoLLaMa3 7B) w/o time"]["bbox_iou"] == "32.4"
    assert len([title for title in lines if title.startswith("published: Our ")]) == 8
    assert not any("GPT" in title for title in lines)
    page, text = ((tmp_path / "r" / f"report.{end}").read_text() for end in ("html", "md"))
    assert re.search(r"\| w/o time \| [\d.]+ \[[\d., ]+\] \| 50\.0 \[", text)
    assert "<td>w/o time</td>" in page  # below the published rows


def test_rows_that_no_table_is_of_have_the_runs_alone(tmp_path):
    found = table_of(tmp_path, [fake(response=said(), split="mine"), real(split="mine")], "--as-published", "ours")
    assert re.search(r"^ours +", found, re.M)
    assert "published:" not in found
    assert "DeepTraceReward has no table of these rows" in found
