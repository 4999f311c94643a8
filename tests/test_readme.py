"""The two commands of the README and every other one, run as they stand there, in a copy of the project."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.launcher import clean, run

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
START, STEPS, JUDGE, FAKEVLM, REAL, REAL_JUDGE, REAL_FAKEVLM = (
    [line for line in block.splitlines() if line] for block in BLOCKS
)


def test_every_path_in_the_readme_exists():
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "recipes" / "README.md").read_text(
        encoding="utf-8"
    )
    paths = set(re.findall(r"(?:recipes|swift_plugins|converters|eval|shell|tests)/[\w./-]*\w", text))
    assert len(paths) > 12
    for path in paths - {"eval/published"}:
        assert (ROOT / path).exists() or "*" in path or list(ROOT.glob(f"{path}*")), path


def test_the_two_commands_and_what_ci_runs():
    assert START == ["bash shell/quickstart.sh", "bash shell/test.sh"]


def bash(*lines, cwd, **options):
    return run("bash", "-c", "\n".join(["set -e", *lines]), cwd=cwd, **options)


@pytest.fixture(scope="module")
def quickstart(copy):
    return bash(START[0], cwd=copy).stdout


@pytest.mark.slow
def test_the_quickstart_learns_what_it_must_and_its_baselines_do_not(copy, quickstart):
    report = json.loads((copy / "output" / "quickstart" / "report" / "report.json").read_text())
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
    html = Path(page).read_text(encoding="utf-8")
    assert html.count("data:image/jpeg") >= 12
    assert 'class="box true"' in html
    assert 'class="box pred"' in html
    assert "<script" not in html


@pytest.mark.slow
def test_the_held_out_clips_share_nothing_with_the_training_clips(copy, quickstart):
    def clips(split):
        rows = [json.loads(line) for line in open(copy / "output" / "quickstart" / "data" / f"{split}.jsonl")]
        return {Path(row["videos"][0]).read_bytes() for row in rows}

    assert not clips("train") & clips("test")


@pytest.mark.slow
def test_the_steps_run_as_they_stand(copy, quickstart):
    """On the quickstart's clips, which are what the step that draws them would draw, and for a few training steps."""
    shutil.copytree(copy / "output" / "quickstart" / "rewarddata", copy / "data" / "sample_rewarddata")
    drawing = "python converters/sample_deeptrace.py --out data/sample_rewarddata"
    training = STEPS.index(next(line for line in STEPS if "train.sh" in line))
    assert drawing in STEPS
    steps = [line for line in STEPS if line != drawing]
    steps[training - 1] += (
        " --max_steps 4 --save_steps 4 --eval_strategy no && mv output/sample/checkpoint-4 output/sample/checkpoint-360"
    )
    assert "0 rejected" in bash(*steps, cwd=copy).stdout
    assert (copy / "output" / "sample" / "report" / "report.html").is_file()


@pytest.mark.slow
def test_the_commands_for_the_real_dataset_run_on_its_layout(copy, quickstart):
    """The synthetic sample is in the published layout; the one thing that lacks here are the eight GPUs."""
    home = copy / "output" / "quickstart"
    (copy / "RewardData").symlink_to(home / "rewarddata")
    activate, convert, train, predict, score = REAL
    bash(activate, convert, cwd=copy)
    done = bash(train, cwd=copy, check=False, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "this needs 8 GPU(s), 0 found" in done.stderr
    checkpoint = copy / re.search(r"--model (\S+)", predict).group(1)
    checkpoint.parent.mkdir(parents=True)
    checkpoint.symlink_to(next((home / "train").glob("checkpoint-*")))
    assert "accuracy" in bash(activate, predict, score, cwd=copy).stdout


# ---------------------------------------------------------------------------------------------------------- the judges


@pytest.fixture(scope="module")
def judge(copy):
    """What the commands of the judge's section print, all in one."""
    return bash(*JUDGE, cwd=copy).stdout


@pytest.fixture(scope="module")
def pairwise(copy, judge):
    """The pairwise judge's folder of predictions: the first 600 held-out pairs in both orders."""
    bash("bash shell/train_pairwise.sh --tiny", cwd=copy)
    home = copy / "output" / "judge"
    data, out = home / "data" / "pairwise" / "test.jsonl", home / "pairwise.jsonl"
    python("eval/predict.py", "--model", checkpoint(home, "pairwise"), "--data", data, "--limit", 600, "--swap",
           "--out", out, *BIG, cwd=copy)  # fmt: skip
    return home


BIG = ("--batch-size", 64, "--max-tokens", 96)


def python(script, *flags, cwd, **options):
    return run(".venv/bin/python", script, *flags, cwd=cwd, **options).stdout


def checkpoint(home, kind):
    return next((home / f"train_{kind}").glob("checkpoint-*"))


def rows(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def scored(copy, path, *flags):
    return json.loads(python("eval/score.py", "--pred", path, "--json", *flags, cwd=copy))


def interval(metric):
    """A metric's 95 % interval; a point where nothing varies, as when all is right, or every image has every score."""
    return metric["ci95"] or [metric["value"], metric["value"]]


def exchanged(data, out, number):
    """The first rows of a test set, each with the image of another row of the same label."""
    chosen = rows(data)[:number]
    by_label = {label: [row for row in chosen if row["meta"]["label"] == label] for label in ("real", "fake", "edited")}
    for some in by_label.values():
        images = [row["images"] for row in some]
        for row, image in zip(some, images[len(some) // 2 :] + images[: len(some) // 2], strict=True):
            row["images"] = image
    out.write_text("".join(json.dumps(row) + "\n" for row in chosen))
    return out


@pytest.mark.slow
def test_the_pointwise_judge_beats_the_constant_answer_on_images_it_has_not_seen(copy, judge):
    report = json.loads((copy / "output" / "judge" / "report_pointwise" / "report.json").read_text())
    found, constant = report["metrics"], report["baselines"]["best constant score"]
    assert report["n"] == 1000
    assert found["pearson"]["value"] >= 0.6
    assert interval(found["pearson"])[0] > 0
    for name in ("rmse", "mae"):
        assert interval(found[name])[1] < interval(constant[name])[0]
    for name in ("qwk", "raw_agreement", "within_one"):
        assert interval(found[name])[0] > interval(constant[name])[1]
    assert found["pearson_expected"]["value"] >= 0.6
    assert "score 2" in judge  # a jagged outline, where the image has extra balls
    assert re.search(r"^attack success rate +[\d.]+ \[", judge, re.M)
    assert re.search(r"^benign drift +[\d.]+ ", judge, re.M)


@pytest.mark.slow
def test_the_pairwise_judge_beats_the_constant_answer_in_both_orders(copy, pairwise):
    report = scored(copy, pairwise / "pairwise.jsonl")
    found, constant = report["metrics"], report["baselines"]["always A"]
    assert report["n"] == 1200
    for name in ("accuracy", "accuracy_swapped"):
        assert found[name]["value"] >= 80
        assert interval(found[name])[0] > interval(constant[name])[1]
    assert found["consistency"]["value"] >= 80
    assert 40 < found["first_position_rate"]["value"] < 60


@pytest.mark.slow
def test_the_judges_look_at_the_image(copy, pairwise):
    for kind, metric in (("pointwise", "pearson"), ("pairwise", "accuracy")):
        data = exchanged(pairwise / "data" / kind / "test.jsonl", pairwise / f"{kind}_exchanged.data.jsonl", 600)
        out = pairwise / f"{kind}_exchanged.jsonl"
        python("eval/predict.py", "--model", checkpoint(pairwise, kind), "--data", data, "--out", out, *BIG, cwd=copy)
        blind, seeing = (scored(copy, path)["metrics"][metric] for path in (out, pairwise / f"{kind}.jsonl"))
        assert interval(blind)[1] < interval(seeing)[0]


@pytest.mark.slow
def test_held_out_images_share_nothing_with_those_of_training(copy, judge):
    def images(split):
        folder = copy / "output" / "judge" / "raw" / "dfj-meta" / "dfj-meta-pointwise" / split / "images"
        return {path.read_bytes() for path in folder.iterdir()}

    assert not images("train") & images("test")


@pytest.mark.slow
def test_another_models_rationales_get_the_judges_score(copy, judge):
    """The written rationales of dfj-reason, and the same ones about other images of the same label."""
    home = copy / "output" / "judge"
    data, said = rows(home / "data" / "reason" / "test.jsonl"), []
    for label in ("real", "fake"):
        some = [row for row in data if row["meta"]["label"] == label]
        for name, others in (("right", some), ("wrong", some[1:] + some[:1])):
            said += [row | {"id": f"{name}/{row['id']}", "messages": row["messages"][:1],
                            "response": other["messages"][1]["content"]}
                     for row, other in zip(some, others, strict=True)]  # fmt: skip
    given, judged = home / "reason.jsonl", home / "reason_judged.jsonl"
    given.write_text("".join(json.dumps(row) + "\n" for row in said))
    python("eval/judge.py", "--model", checkpoint(home, "pointwise"), "--data", given, "--out", judged, *BIG, cwd=copy)
    scores = {}
    for name in ("right", "wrong"):
        part = home / f"reason_{name}.jsonl"
        part.write_text("".join(json.dumps(row) + "\n" for row in rows(judged) if row["id"].startswith(name)))
        metrics = scored(copy, part)["metrics"]
        assert metrics["accuracy"]["value"] == 100
        scores[name] = metrics["judge_score"]
    assert scores["right"]["value"] > 4
    assert interval(scores["wrong"])[1] < interval(scores["right"])[0]


@pytest.fixture
def server(copy, judge):
    """The pointwise judge behind `swift deploy`: a real server with OpenAI's protocol; gives the flags to ask it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [".venv/bin/swift", "deploy", "--model", checkpoint(copy / "output" / "judge", "pointwise"), "--model_type",
            "qwen2_5_vl", "--template", "forensic_qwen2_5_vl", "--external_plugins", "swift_plugins/register.py",
            "--infer_backend", "transformers", "--torch_dtype", "float32", "--host", "127.0.0.1", "--port", port,
            "--served_model_name", "judge"]  # fmt: skip
    env = clean(MAX_PIXELS="7056", MIN_PIXELS="784", CUDA_VISIBLE_DEVICES="", LOG_LEVEL="ERROR")
    with open(copy / "deploy.log", "w") as log:
        process = subprocess.Popen(
            list(map(str, line)), cwd=copy, env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(240):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, (copy / "deploy.log").read_text()[-3000:]
            time.sleep(0.5)
        yield "--backend", "openai", "--base-url", f"http://127.0.0.1:{port}/v1", "--model", "judge"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_served_judge_answers_as_its_checkpoint(copy, server):
    home = copy / "output" / "judge"
    local = rows(home / "pointwise.jsonl")[:6]
    python("eval/predict.py", *server, "--data", home / "data" / "pointwise" / "test.jsonl", "--limit", 6, "--out",
           home / "served.jsonl", "--max-tokens", 96, cwd=copy)  # fmt: skip
    for here, there in zip(local, rows(home / "served.jsonl"), strict=True):
        assert there["response"] == here["response"]
        assert there["choice_probs"] == pytest.approx(here["choice_probs"], abs=0.02)
    row = local[0]
    candidate = row["messages"][0]["content"][slice(*row["meta"]["candidate"])]
    said = python("eval/judge.py", *server, "--image", row["images"][0], "--label", row["meta"]["label"],
                  "--response", candidate, "--json", cwd=copy)  # fmt: skip
    assert json.loads(said)["judge_response"] == row["response"]


@pytest.mark.slow
def test_the_commands_for_the_real_judges_run_on_their_layout(copy, pairwise):
    """On a few synthetic images; what lacks here are the two GPUs."""
    few = ("--train", 8, "--test", 4, "--human", 4, "--bench", 8)
    python("converters/sample_deepfakejudge.py", "--out", "DeepfakeJudge-Dataset", *few, cwd=copy)
    activate, convert, pointwise, pairs, predict, score = REAL_JUDGE
    assert "0 rejected" in bash(activate, convert, cwd=copy).stdout
    for train in (pointwise, pairs):
        done = bash(train, cwd=copy, check=False, CUDA_VISIBLE_DEVICES="")
        assert done.returncode == 2
        assert "this needs 2 GPU(s), 0 found" in done.stderr
    named = copy / re.search(r"--model (\S+)", predict).group(1)
    named.parent.mkdir(parents=True)
    named.symlink_to(checkpoint(pairwise, "pairwise"))
    assert "consistency" in bash(activate, predict, score, cwd=copy).stdout


# ------------------------------------------------------------------------------------------------------------- FakeVLM


@pytest.fixture(scope="module")
def fakevlm(copy):
    """The folder in which the commands of FakeVLM's section have been run, all in one."""
    bash(*FAKEVLM, cwd=copy)
    return copy / "output" / "fakevlm"


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


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
    assert "<script" not in page


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
    assert "20 rows" in bash(activate, loki, cwd=copy).stdout
    done = bash(train, cwd=copy, check=False, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "this needs 8 GPU(s), 0 found" in done.stderr
    named = copy / re.search(r"--model (\S+)", predict).group(1)
    named.parent.mkdir(parents=True)
    named.symlink_to(next((fakevlm / "train_explained").glob("checkpoint-*")))
    assert "accuracy_upstream_parser" in bash(activate, predict, score, cwd=copy).stdout
