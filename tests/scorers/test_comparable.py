"""What a baseline must have in common with the run that it is compared with."""

import json

import pytest

from eval.reporting.pages import plain_markdown
from eval.scorers.comparable import of_run
from swift_plugins.core.tasks.deeptrace_zero_shot import ZERO_SHOT_QUESTION
from tests.scorers.test_deeptrace import fake, real, said
from tests.scorers.test_dfj_pairwise import compared
from tests.scorers.test_dfj_pointwise import judged
from tests.scorers.test_loki import asked
from tests.scoring import refusal, score_rows, values, write_rows

RECORD = {
    "model": {"model": "base", "adapter": "output/checkpoint-9", "vision": {"MAX_PIXELS": "1000"}},
    "fingerprint": {"adapter/adapter_config.json": "f00d"},
    "data": {"path": "data/test.jsonl", "sha256": "da7a", "rows": 2},
    "media_sha256": "3ed1a",
    "prompts_sha256": "9507",
    "generation": {"max_tokens": 512, "temperature": 0.0},
    "prompt": "trained",
    "swap": False,
    "candidates": "safe",
    "backend": "transformers",
    "versions": {"swift": "4.6"},
}
ROWS = [fake(response=said()), real()]


def write_run(folder, name, rows, **changes):
    path = write_rows(folder / f"{name}.jsonl", rows)
    path.with_name(path.name + ".run.json").write_text(json.dumps(RECORD | changes))
    return path


def compare(folder, rows, *flags, main=ROWS, **changes):
    """The report of `main` beside a baseline with these rows and changes of its record."""
    write_run(folder, "out", main)
    return score_rows(folder, main, "--baseline", f"other={write_run(folder, 'other', rows, **changes)}", *flags)


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("data", {"data": RECORD["data"] | {"sha256": "07e7"}}, 'data ("07e7" and "da7a")'),
        ("media", {"media_sha256": "e15e"}, 'media ("e15e" and "3ed1a")'),
        ("prompts", {"prompts_sha256": "e15e"}, "prompts ("),
        ("vision", {"model": RECORD["model"] | {"vision": {"MAX_PIXELS": "9"}}}, "vision ("),
        ("max_tokens", {"generation": {"max_tokens": 64}}, "max_tokens (64 and 512)"),
        ("candidates", {"candidates": "exact"}, 'candidates ("exact" and "safe")'),
    ],
)
def test_what_a_record_says_otherwise_is_refused_unless_it_is_allowed(tmp_path, capsys, name, changes, told):
    other = write_run(tmp_path, "other", ROWS, **changes)
    write_run(tmp_path, "out", ROWS)
    error = refusal(tmp_path, capsys, ROWS, "--baseline", f"other={other}")
    assert told in error
    assert "--allow-different NAME" in error
    elsewhere = "order" if name == "data" else "data"
    assert told in refusal(tmp_path, capsys, ROWS, "--baseline", f"other={other}", "--allow-different", elsewhere)
    report = compare(tmp_path, ROWS, "--allow-different", name, **changes)
    assert f"other differs from this run in {name}, as --allow-different permits" in report["remarks"]
    assert report["baseline_runs"]["other"]["differs"] == [name]


@pytest.mark.parametrize(
    ("name", "rows", "other"),
    [
        ("truth", [judged("a", 3, 3)], [judged("a", 4, 3)]),
        ("truth", ROWS, [fake(response=said(), bbox=[0, 0, 10, 10]), real()]),
        ("truth", ROWS, [fake(response=said(), label="real", bbox=[], start=None), real()]),
        ("width", ROWS, [fake(response=said(), width=800), real()]),
        ("duration", ROWS, [fake(response=said(), duration=20.0), real()]),
        ("media", *([ROWS[0] | {"videos": [f"/data/{name}"]}] for name in ("a.mp4", "b.mp4"))),
        ("media", ROWS, [fake(response=said(), media_id="another"), real()]),
        ("order", [compared("p", "A", "A")], [compared("p", "A", "A", "BA") | {"id": "p/AB"}]),
        ("asks", [asked("m", "fake", "fake", "Yes")], [asked("m", "fake", "real", "No") | {"id": "m/fake"}]),
        (
            "prompts",
            [ROWS[0] | {"messages": [{"role": "user", "content": text}]} for text in ["Is it real?"]],
            [ROWS[0] | {"messages": [{"role": "user", "content": text}]} for text in ["Real or fake?"]],
        ),
    ],
)
def test_what_rows_say_otherwise_is_refused_unless_it_is_allowed(tmp_path, capsys, name, rows, other):
    path = write_rows(tmp_path / "other.jsonl", other)
    error = refusal(tmp_path, capsys, rows, "--baseline", f"other={path}")
    assert f"{name} (1 rows, the first '{rows[0]['id']}': " in error
    report = score_rows(tmp_path, rows, "--baseline", f"other={path}", "--allow-different", name)
    assert report["baseline_runs"]["other"]["differs"] == [name]


@pytest.mark.parametrize(
    ("gold", "other", "told"),
    [
        (asked("m", "fake", "fake", "Yes"), asked("m", "fake", "real", "No") | {"id": "m/fake"}, "asks 'real'"),
        (compared("p", "A", "A"), compared("p", "B", "B", "BA") | {"id": "p/AB"}, "order 'BA'"),
        (fake(), fake(response=said(), width=800), "width 800"),
    ],
)
def test_a_gold_file_does_not_hide_that_a_baseline_was_asked_otherwise(tmp_path, capsys, gold, other, told):
    paths = write_rows(tmp_path / "gold.jsonl", [gold]), write_rows(tmp_path / "other.jsonl", [other])
    rows = [gold | {"response": "Yes"}]
    error = refusal(tmp_path, capsys, rows, "--gold", paths[0], "--baseline", f"other={paths[1]}")
    assert f"predicted with {told}" in error


def test_files_are_the_same_wherever_they_lie(tmp_path):
    here, there = ([row | {"videos": [f"{folder}/a.mp4"]} for row in ROWS] for folder in ("/data", "/mnt/copy"))
    path = write_rows(tmp_path / "other.jsonl", there)
    assert score_rows(tmp_path, here, "--baseline", f"other={path}")["baseline_runs"]["other"]["differs"] == []


def test_what_was_asked_otherwise_is_read_as_it_was_asked(tmp_path):
    """No to "is it real?" is the same verdict as yes to "is it fake?"; B of a pair in the order BA is A of it."""
    rows, other = [asked("m", "fake", "fake", "Yes")], [asked("m", "fake", "real", "No") | {"id": "m/fake"}]
    path = write_rows(tmp_path / "other.jsonl", other)
    report = score_rows(tmp_path, rows, "--baseline", f"other={path}", "--allow-different", "asks")
    assert report["baselines"]["other"]["accuracy"]["value"] == 100
    rows, other = [compared("p", "A", "A")], [compared("p", "B", "B", "BA") | {"id": "p/AB"}]
    path = write_rows(tmp_path / "other.jsonl", other)
    flags = ("--allow-different", "order", "--allow-different", "truth")
    report = score_rows(tmp_path, rows, "--baseline", f"other={path}", *flags)
    assert report["baselines"]["other"]["accuracy_swapped"]["reason"].startswith("only one order")
    assert report["baselines"]["other"]["accuracy"]["reason"] == "no row is in the published order AB"


def test_what_only_one_side_says_is_no_difference_but_is_said(tmp_path):
    other = write_rows(tmp_path / "other.jsonl", ROWS)
    write_run(tmp_path, "out", ROWS)
    report = score_rows(tmp_path, ROWS, "--baseline", f"other={other}")
    assert report["baseline_runs"]["other"] == {"file": str(other), "grammar": "trained", "differs": [], "run": {}}
    assert report["comparisons"]["other"]["metrics"]["accuracy"]["p_value"] == 1
    assert any("compared with other by the rows alone" in remark for remark in report["remarks"])
    assert not any("rows alone" in remark for remark in compare(tmp_path, ROWS)["remarks"])


def test_settings_are_the_same_as_texts_and_as_numbers(tmp_path):
    report = compare(tmp_path, ROWS, model=RECORD["model"] | {"vision": {"MAX_PIXELS": 1000}})
    assert report["baseline_runs"]["other"]["differs"] == []


@pytest.mark.parametrize(
    ("here", "there", "same"),
    [
        # What ms-swift puts into the environment by itself stands in a checkpoint's record and in no recipe.
        ({"VIDEO_TOTAL_PIXELS": "90316800", "VIDEO_MAX_TOKEN_NUM": "9"}, {}, True),
        ({}, {"VIDEO_TOTAL_PIXELS": "90316800"}, True),
        # Each box is measured in the space that its row states.
        ({"BOX_SPACE": "resized"}, {"BOX_SPACE": "norm1000"}, True),
        ({"VIDEO_MAX_TOKEN_NUM": "9"}, {"VIDEO_MAX_TOKEN_NUM": "8"}, False),
        ({"IMAGE_MAX_TOKEN_NUM": "9"}, {}, False),  # from nothing stated: chosen
        ({"FPS": "4"}, {}, False),
    ],
)
def test_what_follows_from_a_stated_setting_is_no_difference(here, there, same):
    records = [{"model": {"vision": {"VIDEO_MAX_PIXELS": "7056"} | more}} for more in (here, there)]
    assert (of_run("vision", *records) is None) == same


def test_that_a_local_model_has_no_vision_settings_is_a_difference_and_a_servers_are_not_known():
    here, none = {"model": {"vision": {"MAX_PIXELS": "9"}}}, {"model": {"vision": {}}}
    assert of_run("vision", here, none)
    assert of_run("vision", here, {"model": {"vision": {}, "base_url": "http://localhost:8000/v1"}}) is None


def test_a_name_that_is_not_on_the_list_is_refused(tmp_path, capsys):
    error = refusal(tmp_path, capsys, ROWS, "--allow-different", "max_token")
    known = "data, media, prompts, vision, max_tokens, candidates, explanation_judge, versions, split, truth"
    assert f"did you mean 'max_tokens'? Available: {known}" in error


def test_a_zero_shot_baseline_is_read_by_its_own_grammar(tmp_path):
    question = {"messages": [{"role": "user", "content": ZERO_SHOT_QUESTION}]}
    tags = "FAKE <coordinates>[100, 50, 200, 150]</coordinates> <start_time>2</start_time>"
    other = [fake(response=tags) | question, real(response="REAL") | question]
    report = compare(tmp_path, other, "--allow-different", "prompts", prompts_sha256="0", prompt="zero_shot")
    assert report["baseline_runs"]["other"]["grammar"] == "tags"
    assert report["baselines"]["other"]["bbox_iou"]["value"] == values(report)["bbox_iou"] == 100
    assert report["policy"]["grammar"] == "trained"


def test_the_report_tells_all_that_the_records_say(tmp_path):
    report = compare(tmp_path, ROWS, "--out", tmp_path / "report", candidates="safe", backend="openai")
    assert report["run"] == {key: value for key, value in RECORD.items() if key != "versions"}
    assert report["baseline_runs"]["other"]["run"]["backend"] == "openai"
    page, text = ((tmp_path / "report" / f"report.{kind}").read_text() for kind in ("html", "md"))
    for told in ("output/checkpoint-9", "da7a", "f00d", "9507", "512", "3ed1a", "openai"):
        assert told in page, told
        assert told in text, told
    assert "- model.vision.MAX\\_PIXELS: 1000" in text
    assert "## Run of other" in text


def test_clusters_design_effects_and_what_is_rough_stand_beside_the_values(tmp_path):
    rows = [judged(f"r{i}", 1 + i % 5, 1 + (i + i % 7 // 6) % 5, media_id=f"m{i // 4}") for i in range(120)]
    report = score_rows(tmp_path, rows, "--out", tmp_path / "report")
    found = report["metrics"]["raw_agreement"]
    assert (found["n"], found["clusters"]) == (120, 30)
    assert 0 < found["deff"] < 4
    rough = next(remark for remark in report["remarks"] if remark.startswith("fewer than about 50 clusters"))
    page, text = ((tmp_path / "report" / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert rough in page
    assert plain_markdown(rough, 1000) in text
    assert f"| 120 | 30 | {found['deff']:.2f} |" in text
    assert f"<td>120</td><td>30</td><td>{found['deff']:.2f}</td>" in page
    part = report["slices"]["true score"]["1"]
    assert (part["n"], part["n_unparsed"]) == (24, 0)
    assert part["clusters"] == len({row["meta"]["media_id"] for row in rows if row["meta"]["score"] == 1})
    many = [judged(f"r{i}", 1 + i % 5, 1 + (i + i % 7 // 6) % 5, media_id=f"m{i // 2}") for i in range(120)]
    assert not any(remark.startswith("fewer than") for remark in score_rows(tmp_path, many)["remarks"])
