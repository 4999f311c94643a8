"""The stand-ins write what they are asked for and rate it rightly, so that the whole factory runs without a model."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from converters import make_judge_data
from converters.factories.prompts import prompt
from converters.samples import standin
from converters.samples.reasoning import ARTIFACTS, BALLS, GRADES, Scene, candidate

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize(
    ("label", "fact"), [("real", "red"), ("fake", "object splitting"), ("edited", "redundant object")]
)
def test_a_candidate_of_a_grade_is_rated_so(grade, label, fact):
    scene, rng = Scene(label, fact, "", (1, 2)), np.random.default_rng(0)
    for _ in range(20):
        assert standin.rated(scene, candidate(rng, scene, grade).text).grade == grade


@pytest.mark.parametrize("how", ["vague_hedging", "wrong_region", "hallucinated_artifact"])
def test_each_way_to_fall_short_is_its_own(how):
    scene, rng = Scene("fake", "object splitting", "", (1, 2)), np.random.default_rng(0)
    said = prompt(f"grading/degradations/{how}").text
    found = [standin.rated(scene, standin.rationale(rng, scene, 2, said)) for _ in range(20)]
    assert {of.grade for of in found} == {2}
    claims = {of.claim for of in found}
    assert (
        claims
        == {
            "vague_hedging": {None},
            "wrong_region": {"object splitting"},
            "hallucinated_artifact": {*ARTIFACTS} - {"object splitting"},
        }[how]
    )


@pytest.mark.parametrize("grade", GRADES)
def test_other_words_for_a_candidate_deserve_the_same(grade):
    scene, rng = Scene("real", "purple", "", (0, 0)), np.random.default_rng(1)
    for _ in range(20):
        text = candidate(rng, scene, grade).text
        other = standin.reworded(rng, text)
        assert other != text
        assert standin.rated(scene, other).grade == grade
        assert standin.claim_of(other) == standin.claim_of(text)
    assert standin.claim_of(BALLS["purple"][1]) == ("purple", None)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of sample_models.py, run as the script runs it."""
    place = tmp_path_factory.mktemp("served") / "url"
    process = subprocess.Popen([sys.executable, "converters/sample_models.py", "--url-file", place], cwd=ROOT)
    try:
        for _ in range(300):
            if place.is_file():
                break
            assert process.poll() is None
            time.sleep(0.1)
        yield place.read_text()
    finally:
        process.kill()
        process.wait()


def test_the_whole_factory_runs_on_them(reasoned, served, tmp_path):
    asked = ["--data", str(reasoned), "--out", str(tmp_path), "--generator", f"stand-in@{served}"]
    assert make_judge_data.main([*asked, "--paraphrases", "1", "--similarity", "5:95", "--check", "none"]) == 0
    grading = json.loads((tmp_path / "manifest.json").read_text())["grading"]
    assert grading["acceptance"] == 1
    images = grading["levels"]["5"]["images"]
    rated = grading["confusion_intended_by_rated"]["first"]
    assert rated == {level: {level: images} for level in rated}
    assert "paraphrase rated otherwise" not in grading["paraphrases_not_taken"]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"messages": []}', b'{"messages": [{"content": "Hello"}]}', b"[1"])
def test_a_prompt_of_something_else_is_refused(served, body):
    assert httpx.post(f"{served}/chat/completions", content=body).status_code == 400
