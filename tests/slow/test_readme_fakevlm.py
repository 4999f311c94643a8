"""The commands of the README about FakeVLM, run as they stand there, in a copy of the project."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.launcher import python, rows
from tests.readme import FAKEVLM, OWN, REAL_FAKEVLM, bash, checkpoint, interval, needs_gpus, report_of, stand_in


@pytest.fixture(scope="module")
def fakevlm(copy):
    """The folder in which the commands of FakeVLM's section have been run, all in one."""
    bash(*FAKEVLM, cwd=copy)
    return copy / "output" / "fakevlm"


@pytest.fixture(scope="module")
def strategies(fakevlm):
    return report_of(next((fakevlm / "answers").iterdir()) / "report")


@pytest.mark.slow
def test_the_strategies_learn_to_see_and_the_frozen_model_does_not(strategies):
    """All on the same held-out images, of the seven categories."""
    found = {"explained": strategies["metrics"]} | strategies["baselines"]
    assert strategies["n"] == 560
    majority = interval(found["majority verdict"]["accuracy"])
    for name in ("explained", "direct", "head", "probe"):
        assert interval(found[name]["accuracy"])[0] > majority[1]
    for name in ("explained", "direct", "head"):
        assert found[name]["accuracy"]["value"] >= 90
        assert found[name]["auc"]["value"] >= 95
    assert found["probe"]["auc"]["value"] >= 90
    assert found["frozen"]["accuracy"]["value"] <= majority[1]
    assert len(strategies["slices"]["category"]) == 7
    assert all(part["metrics"]["accuracy"]["value"] >= 80 for part in strategies["slices"]["category"].values())


@pytest.mark.slow
def test_only_what_explains_has_explanations_to_score(strategies):
    assert strategies["metrics"]["rouge_l"]["value"] >= 85
    for name in ("direct", "head", "probe"):
        assert strategies["baselines"][name]["rouge_l"]["reason"] == "no answer explains"


@pytest.mark.slow
def test_frames_and_videos_of_every_manipulation_are_scored(strategies):
    for name in ("auc_df", "auc_f2f", "auc_fs", "auc_nt", "auc_average", "accuracy_by_video", "auc_by_video"):
        assert strategies["metrics"][name]["value"] >= 80, name
    assert strategies["metrics"]["accuracy_by_video"]["n"] == 20  # of 80 frames


@pytest.mark.slow
def test_the_explanations_name_what_is_there(fakevlm):
    """The trained model's place and artifact are those of the image, far more often than another image's are."""
    said = rows(next((fakevlm / "answers").iterdir()) / "explained.jsonl")
    fakes = [row for row in said if row["meta"]["label"] == "fake"]
    parts = [(row["response"].split(", ")[1:], row["labels"].split(", ")[1:]) for row in fakes]
    right = sum(answer == gold for answer, gold in parts)
    chance = sum(answer == gold for (answer, _), (_, gold) in zip(parts, parts[1:] + parts[:1], strict=True))
    assert right / len(fakes) >= 0.7
    assert chance / len(fakes) < 0.2


@pytest.mark.slow
def test_accuracy_against_strength_is_tabled_and_drawn(fakevlm):
    report = report_of(fakevlm / "report_perturbed")
    assert set(report["robustness"]["kinds"]) == {"jpeg", "downscale", "blur", "noise"}
    for points in report["robustness"]["kinds"].values():
        assert [(point["strength"], point["n"]) for point in points] == [(0, 140), (1, 140), (3, 140), (5, 140)]
    assert report["n"] == 140
    page = (fakevlm / "report_perturbed" / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") > 6


@pytest.mark.slow
def test_the_commands_for_the_real_fakevlm_run_on_its_layout(copy, fakevlm, published):
    """FakeClue is synthetic, LOKI's annotations are the published ones, to which a few images are made."""
    python("converters/sample_fakeclue.py", "--out", "FakeClue", "--train", 28, "--test", 14, cwd=copy)
    shutil.copytree(published / "loki", copy / "LOKI")
    for folder in (copy / "LOKI", *filter(Path.is_dir, (copy / "LOKI").rglob("*"))):
        folder.chmod(0o755)  # the published files may lie write-protected
    asked = json.loads((copy / "LOKI" / "image" / "true_or_false.json").read_text(encoding="utf-8"))
    for row in asked[:40]:
        path = copy / "LOKI" / row["image_path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next((fakevlm / "raw" / "test" / "doc" / "fake").iterdir()), path)
    activate, fakeclue, loki, train, predict, score = REAL_FAKEVLM
    assert "0 rejected" in bash(activate, fakeclue, cwd=copy).stdout
    assert re.search("image/fakevlm +20 rows", bash(activate, loki, cwd=copy).stdout)
    needs_gpus(8, train, copy)
    stand_in(predict, checkpoint(fakevlm, "explained"), copy)
    assert "accuracy_upstream_parser" in bash(activate, predict, score, cwd=copy).stdout


@pytest.mark.slow
def test_the_commands_for_your_own_data_run(copy):
    """On folders of synthetic images, and beside FakeClue; what lacks here is the GPU."""
    for name in ("FakeClue", "own"):
        if not (copy / name).is_dir():
            python("converters/sample_fakeclue.py", "--out", name, "--train", 28, "--test", 14, cwd=copy)
    for image in filter(Path.is_file, sorted((copy / "own").rglob("*/*"))):
        parts = image.relative_to(copy / "own").parts
        if label := next((part for part in parts[:-1] if part in ("real", "fake")), None):
            folder = copy / "photos" / parts[0] / label
            folder.mkdir(parents=True, exist_ok=True)
            image.rename(folder / "_".join(parts))
    if not (copy / "data" / "fakeclue").is_dir():
        python("converters/fakeclue_to_swift.py", "--src", "FakeClue", "--out", "data/fakeclue", cwd=copy)
    activate, convert, train = OWN
    done = bash(activate, convert, cwd=copy).stdout
    assert "0 rejected" in done
    assert "DATASET=data/photos bash shell/train_fakevlm.sh" in done
    needs_gpus(1, train, copy)
