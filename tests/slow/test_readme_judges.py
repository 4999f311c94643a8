"""The commands of the README about the judges, run as they stand there, in a copy of the project."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from swift_plugins.core.records import spread
from tests.launcher import clean, python, rows
from tests.readme import JUDGE, REAL_JUDGE, bash, checkpoint, interval, needs_gpus, report_of, scored, stand_in


@pytest.fixture(scope="module")
def judge(copy):
    """What the commands of the judge's section print, all in one."""
    return bash(*JUDGE, cwd=copy).stdout


@pytest.fixture(scope="module")
def pairwise(copy, judge):
    """The pairwise judge's folder of predictions: 600 held-out pairs in both orders."""
    bash("bash shell/train_pairwise.sh --tiny", cwd=copy)
    home = copy / "output" / "judge"
    data, out = home / "data" / "pairwise" / "test.jsonl", home / "pairwise.jsonl"
    python(
        "eval/predict.py",
        "--model",
        checkpoint(home, "pairwise"),
        "--data",
        data,
        "--limit",
        600,
        "--swap",
        "--out",
        out,
        *BIG,
        cwd=copy,
    )
    return home


BIG = ("--batch-size", 64, "--max-tokens", 96)


def exchanged(data, out, number):
    """The rows of a test set that a limit takes, each with the image of another row of the same label."""
    whole = rows(data)
    chosen = [whole[i] for i in spread(len(whole), number)]
    by_label = {label: [row for row in chosen if row["meta"]["label"] == label] for label in ("real", "fake", "edited")}
    for some in by_label.values():
        images = [row["images"] for row in some]
        for row, image in zip(some, images[len(some) // 2 :] + images[: len(some) // 2], strict=True):
            row["images"] = image
    out.write_text("".join(json.dumps(row) + "\n" for row in chosen))
    return out


@pytest.mark.slow
def test_the_pointwise_judge_beats_the_constant_answer_on_images_it_has_not_seen(copy, judge):
    report = report_of(copy / "output" / "judge" / "report_pointwise")
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
            said += [
                row
                | {
                    "id": f"{name}/{row['id']}",
                    "messages": row["messages"][:1],
                    "response": other["messages"][1]["content"],
                }
                for row, other in zip(some, others, strict=True)
            ]
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
    line = [
        ".venv/bin/swift",
        "deploy",
        "--model",
        checkpoint(copy / "output" / "judge", "pointwise"),
        "--model_type",
        "qwen2_5_vl",
        "--template",
        "forensic_qwen2_5_vl",
        "--external_plugins",
        "swift_plugins/register.py",
        "--infer_backend",
        "transformers",
        "--torch_dtype",
        "float32",
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "--served_model_name",
        "judge",
    ]
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
        pool = [f"--base-url=http://{host}:{port}/v1" for host in ("127.0.0.1", "localhost")]
        yield "--backend", "openai", *pool, "--model", "judge"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_served_judge_answers_as_its_checkpoint(copy, server):
    home = copy / "output" / "judge"
    answered = rows(home / "pointwise.jsonl")
    local = [answered[i] for i in spread(len(answered), 6)]
    python(
        "eval/predict.py",
        *server,
        "--data",
        home / "data" / "pointwise" / "test.jsonl",
        "--limit",
        6,
        "--out",
        home / "served.jsonl",
        "--max-tokens",
        96,
        cwd=copy,
    )
    for here, there in zip(local, rows(home / "served.jsonl"), strict=True):
        assert there["response"] == here["response"]
        assert there["choice_probs"] == pytest.approx(here["choice_probs"], abs=0.001)
    row = local[0]
    candidate = row["messages"][0]["content"][slice(*row["meta"]["candidate"])]
    said = python(
        "eval/judge.py",
        *server,
        "--image",
        row["images"][0],
        "--label",
        row["meta"]["label"],
        "--response",
        candidate,
        "--json",
        cwd=copy,
    ).stdout
    assert json.loads(said)["judge_response"] == row["response"]
    asked = f"{server[-1]}@{server[2].removeprefix('--base-url=')}"
    out = home / "served_judge_data"
    few = ("--limit", 1, "--tries", 1, "--split", "1:0:0", "--max-tokens", 32, "--out", out)
    gold = home / "data" / "reason" / "test.jsonl"
    done = python("converters/make_judge_data.py", "--data", gold, "--generator", asked, *few, cwd=copy, check=False)
    assert "no usable rationale" in done.stderr, "a judge writes no rationale, but it was asked for five"
    assert sum(bool(line["response"]) for line in rows(out / "calls.jsonl")) == 5


@pytest.mark.slow
def test_the_commands_for_the_real_judges_run_on_their_layout(copy, pairwise):
    """On a few synthetic images; what lacks here are the two GPUs."""
    few = ("--train", 8, "--test", 4, "--human", 4, "--bench", 8)
    python("converters/sample_deepfakejudge.py", "--out", "DeepfakeJudge-Dataset", *few, cwd=copy)
    activate, convert, pointwise, pairs, predict, score = REAL_JUDGE
    assert "0 rejected" in bash(activate, convert, cwd=copy).stdout
    for train in (pointwise, pairs):
        needs_gpus(2, train, copy)
    stand_in(predict, checkpoint(pairwise, "pairwise"), copy)
    assert "consistency" in bash(activate, predict, score, cwd=copy).stdout
