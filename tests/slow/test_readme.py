"""The two commands of the README and those about DeepTraceReward, run as they stand there, in a copy of the project."""

import re
import shutil
from pathlib import Path

import pytest

from swift_plugins.core.boxes import iou
from tests.launcher import python, rows
from tests.readme import REAL, ROOT, START, STEPS, bash, needs_gpus, report_of, stand_in
from tests.scoring import page_data
from tests.test_imports import PACKAGES


def test_every_path_in_the_readme_exists():
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "recipes" / "README.md").read_text(
        encoding="utf-8"
    )
    paths = set(re.findall(r"(?:recipes|swift_plugins|converters|eval|shell|tests)/[\w./-]*\w", text))
    assert len(paths) > 12
    for path in paths - {"eval/published"}:
        assert (ROOT / path).exists() or "*" in path or list(ROOT.glob(f"{path}*")), path


def test_the_table_of_folders_names_every_room_and_no_other():
    """A room is a folder of modules or of what the project ships; tests and caches have no line of their own."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w/]+)/` \|", text, re.M))
    packages = {path.parent.relative_to(ROOT).as_posix() for top in PACKAGES for path in (ROOT / top).rglob("*.py")}
    assert named == packages | {"recipes", "shell", "tests", "eval/published"}


def test_a_room_holds_at_least_three_files():
    rooms = {path.parent for top in PACKAGES for path in (ROOT / top).rglob("*.py")}
    small = {room.relative_to(ROOT).as_posix(): len(list(room.glob("[!_]*.py"))) for room in rooms}
    assert {room: count for room, count in small.items() if count < 3} == {}


def test_the_two_commands_and_what_ci_runs():
    assert START == ["bash shell/quickstart.sh", "bash shell/test.sh"]


@pytest.fixture(scope="module")
def quickstart(copy):
    return bash(START[0], cwd=copy).stdout


@pytest.mark.slow
def test_the_quickstart_learns_what_it_must_and_its_baselines_do_not(copy, quickstart):
    report = report_of(copy / "output" / "quickstart" / "report")
    found, baselines = report["metrics"], report["baselines"]
    assert report["n"] == 200
    assert found["accuracy"]["value"] >= 90
    assert found["category_accuracy"]["value"] >= 80
    assert found["time_distance"]["value"] <= 15
    assert found["bbox_iou"]["ci95"][0] > baselines["best constant box"]["bbox_iou"]["ci95"][1]
    for name in ("untrained model", "majority answer", "best constant box"):
        assert baselines[name]["accuracy"]["value"] <= 50
        assert baselines[name]["category_accuracy"]["value"] <= 50


@pytest.mark.slow
def test_the_quickstart_ends_with_the_scores_and_the_report(copy, quickstart):
    assert re.search(r"^accuracy +[\d.]+ \[", quickstart, re.M)
    page = re.search(r"^report: (.*)$", quickstart, re.M).group(1)
    shown = page_data(Path(page).parent)
    assert len(shown["cases"]) == 200
    assert len(shown["pictures"]) >= 12
    assert {kind for case in shown["cases"] for kind, *_ in case["boxes"]} == {"true", "pred"}
    assert shown["runs"] == ["untrained model"]


@pytest.mark.slow
def test_one_held_out_clip_is_explained(copy, quickstart, tmp_path):
    home = copy / "output" / "quickstart"
    row = next(row for row in rows(home / "data" / "test.jsonl") if row["meta"]["label"] == "fake")
    clip, model = row["videos"][0], next((home / "train").glob("checkpoint-*"))
    done = python("eval/explain.py", "--model", model, clip, "--out", tmp_path / "out.mp4", cwd=copy)
    first, where, *_ = done.stdout.splitlines()
    assert re.fullmatch(re.escape(clip) + r": FAKE, P\(fake\) [01]\.\d{3}", first)
    box = [float(x) for x in re.search(r"box \[(.*)\] px", where)[1].split(", ")]
    assert iou(box, row["meta"]["bbox"]) > 0.5
    assert (tmp_path / "out.mp4").stat().st_size > 1000


@pytest.mark.slow
def test_the_held_out_clips_share_nothing_with_the_training_clips(copy, quickstart):
    def clips(split):
        converted = rows(copy / "output" / "quickstart" / "data" / f"{split}.jsonl")
        return {Path(row["videos"][0]).read_bytes() for row in converted}

    assert not clips("train") & clips("test")


@pytest.mark.slow
def test_the_steps_run_as_they_stand(copy, quickstart):
    """On the quickstart's clips, which that step would draw as well; a few training steps and answers."""
    shutil.copytree(copy / "output" / "quickstart" / "rewarddata", copy / "data" / "sample_rewarddata")
    drawing = "python converters/sample_deeptrace.py --out data/sample_rewarddata"
    assert drawing in STEPS
    steps = [line for line in STEPS if line != drawing]
    training, asking = (next(i for i, line in enumerate(steps) if name in line) for name in ("train.sh", "predict.py"))
    steps[training] += (
        " --max_steps 4 --save_steps 4 --eval_strategy no && mv output/sample/checkpoint-4 output/sample/checkpoint-360"
    )
    steps[asking] += " --limit 24"  # so little trained, each answer goes on to the limit of tokens
    assert "0 rejected" in bash(*steps, cwd=copy).stdout
    assert (copy / "output" / "sample" / "report" / "report.html").is_file()


@pytest.mark.slow
def test_the_commands_for_the_real_dataset_run_on_its_layout(copy, quickstart):
    """The synthetic sample is in the published layout; the one thing that lacks here are the eight GPUs."""
    home = copy / "output" / "quickstart"
    (copy / "RewardData").symlink_to(home / "rewarddata")
    activate, convert, train, predict, score = REAL
    bash(activate, convert, cwd=copy)
    needs_gpus(8, train, copy)
    stand_in(predict, next((home / "train").glob("checkpoint-*")), copy)
    assert "accuracy" in bash(activate, predict, score, cwd=copy).stdout
