"""Whether two back ends are one model: what differs in tokens, answers and probabilities is found and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.parity import compare_tokens, main
from tests.exchanging.test_exchange import GOLD, gold_row, lines
from tests.launcher import called, python

FAKE = "FAKE. The video is AI-generated."
REAL = "REAL. The video is real. There is no unnatural part."


def side(path: Path, answers, probabilities, tokens=(7, 8, 9), errors=()) -> Path:
    """A file of predict.py on a server, which tells the number of tokens alone."""
    rows = []
    for i, (row, answer, p_fake) in enumerate(zip(GOLD, answers, probabilities, strict=True)):
        said = {"response": answer, "p_fake": p_fake, "usage": {"prompt_tokens": tokens[i]}}
        rows.append(row | ({"response": None, "error": "gone"} if i in errors else said))
    lines(path, rows)
    model = {"model": "m", "base_url": "http://127.0.0.1:1/v1", "vision": {}}
    path.with_name(f"{path.name}.run.json").write_text(json.dumps({"backend": "openai", "model": model}))
    return path


@pytest.fixture
def compare(tmp_path, capsys):
    """Compare two files; returns (exit code, what was found)."""

    def call(a: Path, b: Path, *options: str):
        data = lines(tmp_path / "gold.jsonl", GOLD)
        argv = ["--data", str(data), "--a", str(a), "--b", str(b), "--out", str(tmp_path / "out"), *options]
        code = main(argv)
        call.said = capsys.readouterr()
        return code, json.loads((tmp_path / "out" / "parity.json").read_text()) if code < 2 else None

    return call


def test_the_same_answers_are_one_model(compare, tmp_path):
    a = side(tmp_path / "a.jsonl", (FAKE, FAKE, REAL), (0.9, 0.8, 0.1))
    b = side(tmp_path / "b.jsonl", (FAKE, f"{FAKE} The reason is because it melts.", REAL), (0.9, 0.83, 0.1))
    code, found = compare(a, b)
    assert code == 0
    assert found["input_tokens"] == {"by": "number", "rows": 3, "same": 3, "differ": []}
    assert (found["answers"]["same_text"], found["answers"]["same_decision"]) == (2, 3)
    assert found["probabilities"] == {"rows": 3, "largest": 0.03, "mean": 0.01, "largest_at": GOLD[1]["id"]}
    assert "3 rows; one model" in compare.said.out
    assert compare(a, b, "--tolerance", "0.02")[0] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answers": (REAL, FAKE, REAL)}, "v1/1: fake and real"),
        ({"tokens": (7, 8, 10)}, "v2/1: a 9, b 10"),
        ({"errors": (2,)}, "--b: 1 rows with an error"),
        ({"probabilities": (0.9, 0.2, 0.1)}, "by 0.6 in v1/2"),
    ],
)
def test_whatever_differs_makes_them_two(compare, tmp_path, change, said):
    same = {"answers": (FAKE, FAKE, REAL), "probabilities": (0.9, 0.8, 0.1)}
    assert compare(side(tmp_path / "a.jsonl", **same), side(tmp_path / "b.jsonl", **same | change))[0] == 1
    assert "3 rows; not the same" in compare.said.out
    assert said in compare.said.out


def test_ids_are_compared_where_both_sides_tell_them():
    a = {"x": [1, 2, 3], "y": [1, 2], "z": [5]}
    told = compare_tokens(a, {"x": [1, 4, 3], "y": [1, 2]})
    differ = {"id": "x", "a": 3, "b": 3, "first_at": 1, "ids_a": [2, 3], "ids_b": [4, 3]}
    assert told == {"by": "ids", "rows": 2, "same": 1, "differ": [differ]}
    assert compare_tokens(a, {"x": 3, "y": 3})["differ"] == [{"id": "y", "a": 2, "b": 3}]


def test_probabilities_of_choices_differ_by_half_the_sum(compare, tmp_path):
    rows = [side(tmp_path / f"{name}.jsonl", (FAKE,) * 3, (None,) * 3) for name in "ab"]
    for path, p in zip(rows, (0.7, 0.6), strict=True):
        read = [json.loads(line) for line in path.read_text().splitlines()]
        lines(path, [row | {"choice_probs": {"A": p, "B": 1 - p}} for row in read])
    assert compare(*rows)[1]["probabilities"]["largest"] == 0.1


def test_what_cannot_be_compared_is_said(compare, tmp_path):
    a = side(tmp_path / "a.jsonl", (FAKE, FAKE, REAL), (0.9, 0.8, 0.1))
    other = lines(tmp_path / "c.jsonl", [gold_row(9, "v9", "fake") | {"response": FAKE}])
    for b, said in (
        (tmp_path / "gone.jsonl", "neither a file of eval/predict.py nor its options"),
        (other, "--a and --b have no row of"),
        ("--model gone --nonsense", "--b: eval/predict.py ended with 2: --model gone --nonsense"),
    ):
        assert compare(a, b)[0] == 2
        assert said in compare.said.err


@pytest.mark.slow
def test_a_tiny_model_is_one_with_itself_in_other_batches(tmp_path):
    pytest.importorskip("swift")
    python("converters/sample_fakeclue.py", "--out", tmp_path / "raw", "--train", 8, "--test", 4)
    python("converters/fakeclue_to_swift.py", "--src", tmp_path / "raw", "--out", tmp_path / "data")
    data = tmp_path / "data" / "test.jsonl"
    tiny = ("--architecture", "llava1_5", "--data", data, "--out", tmp_path / "m")
    python("swift_plugins/tiny_model.py", *tiny)
    options = f"--model {tmp_path}/m --recipe recipes/fakevlm/tiny.yaml --max-tokens 4 --check none --batch-size "
    sides = ("--a", f"{options}1", "--b", f"{options}2", "--rows", 2)
    called(main, "--data", data, "--out", tmp_path / "out", *sides)
    found = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert found["input_tokens"] == {"by": "ids", "rows": 2, "same": 2, "differ": []}
    assert found["answers"]["same_decision"] == 2
