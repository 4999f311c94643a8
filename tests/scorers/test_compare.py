"""Runs compared through the command line: differences, tests, ranks, what is refused, and the page."""

import contextlib
import io
import json

import pytest

from eval.compare import main, titled
from eval.estimates.paired import holm
from eval.scorers.deeptrace_tables import noted, published
from eval.scorers.tables import published_rows, with_comparability
from tests.scorers.test_comparable import RECORD
from tests.scorers.test_comparable import ROWS as TRACES
from tests.scorers.test_deeptrace import fake, said
from tests.scorers.test_dfj_detect import verdict
from tests.scorers.test_robustness import ROWS as PERTURBED
from tests.scoring import write_rows

LABELS = ["fake" if i % 2 else "real" for i in range(20)]


def run_of(wrong, p=0.8, rows=range(20), **meta):
    """Twenty verdicts, those at the places `wrong` the opposite of the truth."""
    other = {"fake": "real", "real": "fake"}
    said = {i: other[label] if i in wrong else label for i, label in enumerate(LABELS)}
    return [verdict(f"r{i}", LABELS[i], said[i], p if said[i] == "fake" else 1 - p, **meta) for i in rows]


def files(folder, **runs):
    return [f"{name}={write_rows(folder / f'{name}.jsonl', rows)}" for name, rows in runs.items()]


def compared(folder, *flags, **runs):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*files(folder, **runs), "--json", *map(str, flags)]) == 0
    return json.loads(out.getvalue())


def refused(folder, capsys, *flags, **runs):
    assert main([*files(folder, **runs), *flags]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_differences_and_tests_by_hand(tmp_path):
    """`a` has 8 rows right that `b` has wrong, and one the other way: McNemar's exact test has 2 (1 + 9) / 2^9."""
    report = compared(tmp_path, a=run_of({19}), b=run_of(range(8)), c=run_of({19}))
    ab, ac, _bc = report["pairs"]
    assert (ab["this"], ab["other"]) == ("a", "b")
    assert ab["accuracy"] == {"n": 20, "only_this": 8, "only_other": 1}
    found = ab["metrics"]["accuracy"]
    assert (found["value"], found["p_value"]) == (35, pytest.approx(20 / 2**9, rel=1e-3))
    assert found["ci95"][0] < 35 < found["ci95"][1]
    every = [metric["p_value"] for pair in report["pairs"] for metric in pair["metrics"].values()]
    tests = [p for p in every if p is not None]
    assert found["p_holm"] == pytest.approx(holm(tests)[0], rel=1e-3)
    assert found["p_value"] < found["p_holm"] <= len(tests) * found["p_value"]
    error = (found["ci95"][1] - 35) / 2.0930  # t of 19 degrees
    assert found["detectable"] == pytest.approx((2.0930 + 0.8610) * error, rel=1e-3)
    assert ac["metrics"]["accuracy"] == {
        "value": 0.0,
        "ci95": None,
        "n": 20,
        "clusters": 20,
        "p_value": 1.0,
        "detectable": None,
        "p_holm": 1.0,
    }


def test_rows_of_one_medium_are_no_independent_tests(tmp_path):
    rows = [run_of(wrong) for wrong in (set(), range(8))]
    for run in rows:
        for i, row in enumerate(run):
            row["meta"]["media_id"] = f"m{i // 4}"
    metrics = compared(tmp_path, a=rows[0], b=rows[1])["pairs"][0]["metrics"]
    assert metrics["accuracy"]["p_value"] == 2 / 2**2
    assert metrics["accuracy"]["clusters"] == 5


def test_the_ranking_tells_what_is_sure(tmp_path):
    report = compared(tmp_path, good=run_of({19}), same=run_of({18}), bad=run_of(range(18)))
    ranked = report["ranking"]["accuracy"]
    assert [(row["run"], row["rank"], row["ranks"]) for row in ranked] == [
        ("good", 1, [1, 2]),
        ("same", 1, [1, 2]),
        ("bad", 3, [3, 3]),
    ]
    assert ranked[2]["first"] == 0
    assert ranked[0]["first"] == pytest.approx(0.5, abs=0.03)
    assert report["by"] == "accuracy"
    lower = report["ranking"]["brier"]
    assert lower[0]["value"] < lower[2]["value"]
    assert lower[2]["run"] == "bad"


@pytest.mark.parametrize(
    ("name", "other", "told"),
    [
        ("rows", run_of({19}, rows=range(18)), "2 are in"),
        ("split", run_of({19}, split="val"), 'split (20 rows, the first \'r0\': split "test" and "val")'),
        ("truth", [row | {"meta": row["meta"] | {"label": "real"}} for row in run_of({19})], "truth (10 rows"),
        (
            "prompts",
            [row | {"messages": [{"role": "user", "content": "Real?"}]} for row in run_of({19})],
            "prompts (20 rows",
        ),
    ],
)
def test_rows_that_differ_are_refused_unless_it_is_allowed(tmp_path, capsys, name, other, told):
    assert told in refused(tmp_path, capsys, a=other, b=run_of(set()))
    flags = ["--allow-different", name]
    report = compared(tmp_path, *flags, a=other, b=run_of(set()))
    assert report["n"] == len(other)
    if name != "rows":
        assert f"b differs from a run before it in {name}, as --allow-different permits" in report["remarks"]
    assert "unknown name for --allow-different 'row'" in refused(
        tmp_path, capsys, "--allow-different", "row", a=other, b=other
    )


def test_every_two_records_are_held_against_each_other(tmp_path, capsys):
    """`a` has no record, so only `b` and `c` can tell that they were made with other versions."""
    for name, versions in (("b", {"swift": "4.6", "peft": "1"}), ("c", {"swift": "4.7"})):
        (tmp_path / f"{name}.jsonl.run.json").write_text(json.dumps(RECORD | {"versions": versions}))
    runs = {"a": TRACES, "b": TRACES, "c": TRACES}
    assert 'versions ({"swift":"4.7"} and {"swift":"4.6"})' in refused(tmp_path, capsys, **runs)
    report = compared(tmp_path, "--allow-different", "versions", **runs)
    assert report["runs"]["c"]["differs"] == ["versions"]
    assert any(remark.startswith("no record (OUT.run.json) of a:") for remark in report["remarks"])


def test_answers_in_another_form_are_another_grammar(tmp_path, capsys):
    """A zero-shot question tells its grammar; where only one file tells its question, the grammars tell it."""
    from swift_plugins.core.tasks.deeptrace_zero_shot import ZERO_SHOT_QUESTION

    asked = [row | {"messages": [{"role": "user", "content": ZERO_SHOT_QUESTION}]} for row in TRACES]
    assert 'grammar ("tags" and "trained")' in refused(tmp_path, capsys, a=TRACES, b=asked)
    assert compared(tmp_path, "--allow-different", "grammar", a=TRACES, b=asked)["runs"]["b"]["grammar"] == "tags"


def test_of_perturbed_rows_the_clean_ones_count(tmp_path):
    report = compared(tmp_path, a=PERTURBED, b=PERTURBED)
    assert report["n"] == sum(row["meta"]["perturbation"] == "none" for row in PERTURBED)


def test_files_have_names_of_their_own(tmp_path):
    assert list(titled(["x/a.jsonl", "y/a.jsonl", "b=c.jsonl"])) == ["a", "y/a.jsonl", "b"]
    (tmp_path / "a,b.jsonl").touch()
    assert titled([f"one={tmp_path}/a,b.jsonl", "c.jsonl"])["one"] == [tmp_path / "a,b.jsonl"]
    for texts, told in ((["a.jsonl"], "two or more"), (["a=b", "a=c"], "two files are called 'a'")):
        with pytest.raises(ValueError, match=told):
            titled(texts)


SEEDS = {"plain": ({0, 1, 2, 3}, {4, 5}, {0, 6, 7}), "weighted": ({0}, {4}, set()), "other": ({1}, {2}, {3, 8})}


def seeds_of(folder, **groups):
    """The arguments of groups of runs, one file a seed."""
    return [
        f"{name}={','.join(str(write_rows(folder / f'{name}_{i}.jsonl', run_of(w))) for i, w in enumerate(wrong))}"
        for name, wrong in groups.items()
    ]


def test_a_name_of_several_files_is_the_mean_over_seeds(tmp_path, capsys):
    """Accuracy of plain is 80, 90 and 85 by seed, of weighted 95, 95 and 100: pairs differ by 15, 5 and 15."""
    arguments = seeds_of(tmp_path, **SEEDS)
    flags = ["--metric", "accuracy", "--metric", "brier", "--out", str(tmp_path / "out")]
    assert main([*arguments, *flags]) == 0
    printed = capsys.readouterr().out
    assert "difference of accuracy" in printed
    assert "difference of brier" in printed
    assert "auc" not in printed
    report = json.loads((tmp_path / "out" / "comparison.json").read_text())
    plain = report["metrics"]["plain"]
    assert [*plain] == ["accuracy", "brier"]
    assert plain["accuracy"]["value"] == 85
    assert plain["accuracy"]["seeds"]["values"] == [80, 90, 85]
    pair = report["pairs"][0]
    assert (pair["this"], pair["other"]) == ("plain", "weighted")
    found = pair["metrics"]["accuracy"]
    assert found["seeds"]["values"] == [-15, -5, -15]
    assert found["ci95"][0] < found["value"] == pytest.approx(-35 / 3, abs=1e-4)
    tests = [metric["p_value"] for pair in report["pairs"] for metric in pair["metrics"].values()]
    assert len(tests) == 6
    assert found["p_holm"] == pytest.approx(holm(tests)[0], rel=1e-3)
    assert [row["run"] for row in report["ranking"]["accuracy"]] == ["weighted", "other", "plain"]
    assert "other seeds" in report["policy"]["seeds"]
    told = report["runs"]["plain"]["seeds"]
    assert [one["file"] for one in told.values()] == arguments[0].removeprefix("plain=").split(",")
    by_seed = ("80.0, 90.0, 85.0", "se of rows", "se of seeds")
    shown = [(tmp_path / "out" / f"comparison.{end}").read_text() for end in ("md", "html")]
    assert all(text in place for text in by_seed for place in [*shown, printed])


def test_groups_have_as_many_files_each_of_another_seed(tmp_path, capsys):
    two = seeds_of(tmp_path, plain=({1}, {2}), weighted=({1},))
    assert main(two) == 2
    assert "got plain 2, weighted 1" in capsys.readouterr().err
    twice = f"{two[1]},{two[1].removeprefix('weighted=')}"
    assert main([two[0], twice]) == 2
    assert "a file stands twice" in capsys.readouterr().err
    assert main([two[0], two[0].replace("plain", "again", 1), "--metric", "acuracy"]) == 2
    assert "did you mean 'accuracy'?" in capsys.readouterr().err


def test_the_page_the_markdown_and_the_terminal_show_it_as_text(tmp_path, capsys):
    hostile = "<script>x</script>|[y](http://x.org)"
    runs = {"a": run_of({19}), hostile.replace("/", ""): run_of(range(8)), "c": run_of({2})}
    paths = [f"{name}={write_rows(tmp_path / f'{i}.jsonl', rows)}" for i, (name, rows) in enumerate(runs.items())]
    assert main([*paths, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "difference of accuracy" in printed
    assert "1 (1 to 2)" in printed
    assert "not comparable: the table is of 2,000 rows, these are 20" in printed
    page, text = ((tmp_path / "out" / f"comparison.{end}").read_text() for end in ("html", "md"))
    assert "<script>x" not in page
    assert "](http" not in text
    assert page.count("<svg") == 2
    for shown in ("p (Holm)", "accuracy 63.7 is not between", "Not comparable"):
        assert shown in page
        assert shown in text
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["by"] == "accuracy"


def test_the_metric_to_rank_by_is_one_that_ranks(tmp_path, capsys):
    assert "did you mean 'accuracy'?" in refused(tmp_path, capsys, "--by", "acuracy", a=run_of(()), b=run_of(()))
    assert compared(tmp_path, "--by", "brier", a=run_of(()), b=run_of(()))["by"] == "brier"


def test_published_rows_that_cannot_be_are_flagged():
    """Overall of GPT 5 is (90.7 + 40.9 + 10.4 + 100 - 100) / 4 = 35.5, and its accuracy between 84.6 and 98.8."""
    row = published_rows("deeptrace_test.csv")[0]
    assert "note" not in noted(row)
    assert noted(row | {"overall": "35.8"})["note"] == "overall 35.8 is not the mean of its four parts, 35.5"
    assert "accuracy 99.1 is not between" in noted(row | {"accuracy": "99.1"})["note"]
    for split in ("test", "val"):
        assert not [row for row in map(noted, published_rows(f"deeptrace_{split}.csv")) if "note" in row]


def test_a_table_of_other_rows_is_marked():
    class Case:
        row = fake(response=said())

    table = with_comparability(published([Case()]), 1)
    assert table["not_comparable"] == "the table is of 772 rows, these are 1"
    assert with_comparability(published([Case()]), 772)["not_comparable"] is None


def test_what_is_of_other_truths_has_a_difference_and_no_test(tmp_path):
    """Scores cannot be exchanged between rows that are fakes in one run and reals in the other."""
    other = [
        row | {"meta": row["meta"] | {"label": LABELS[i - 1] if i < 2 else LABELS[i]}}
        for i, row in enumerate(run_of({3}))
    ]
    report = compared(tmp_path, "--allow-different", "truth", a=run_of({3}), b=other)
    found = report["pairs"][0]["metrics"]["auc"]
    assert found["value"] > 0
    assert (found["p_value"], found["p_holm"]) == (None, None)
    assert [row["ranks"] for row in report["ranking"]["auc"]] == [[1, 2], [1, 2]]
