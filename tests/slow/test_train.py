"""The real trainer and the real engine on a tiny model: full, LoRA, resume, two ranks, and killed predictions."""

import json
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest

from eval.predict import main
from eval.score import main as score
from swift_plugins.core.speed import SPEED_FILE, told
from swift_plugins.progress import STAGES
from swift_plugins.tiny_model import main as make_model
from tests.launcher import called, losses, python, rows, run
from tests.slow import forks
from tests.slow.engines import stand_in

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "recipes/deeptrace/tiny.yaml"
pytestmark = pytest.mark.slow
pytest.importorskip("swift")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Sample clips, converted, and an untrained tiny model."""
    folder = tmp_path_factory.mktemp("work")
    python("converters/sample_deeptrace.py", "--out", folder / "raw", "--train", 128, "--val", 16, "--test", 24)
    python("converters/deeptrace_to_swift.py", "--src", folder / "raw", "--out", folder / "data")
    called(make_model, "--data", folder / "data" / "train.jsonl", "--out", folder / "model")
    return folder


EACH_STEP = ("--logging_steps", 1, "--eval_strategy", "no")


def variables(work, **env):
    return {"MODEL": str(work / "model"), "DATASET": str(work / "data")} | env


def launched(work, name, *flags, **env):
    """Run the launcher; returns its output folder and the logged losses by step. It ends with the speed."""
    out = work / name
    done = run("bash", "shell/train.sh", RECIPE, *EACH_STEP, *flags, **variables(work, OUTPUT_DIR=str(out), **env))
    assert f"speed: {told(json.loads((out / SPEED_FILE).read_text()))}\n" in done.stdout
    return out, losses(out)


def train(work, name, *flags, **env):
    """As `launched`, in a fork."""
    return work / name, forks.train("deeptrace/tiny", work / name, *EACH_STEP, *flags, **variables(work, **env))


@pytest.fixture(scope="module")
def full(work):
    return launched(work, "full", "--max_steps", 8, "--save_steps", 4)


@pytest.fixture(scope="module")
def lora(work):
    return train(work, "lora", "--max_steps", 8, "--save_steps", 4, TUNER="lora")


def test_full_training_learns_and_its_checkpoint_says_what_it_is(work, full):
    out, losses = full
    assert sorted(losses) == list(range(1, 9))
    assert losses[8] < losses[1]
    recorded = json.loads((out / "checkpoint-8" / "forensics.json").read_text())
    manifest = json.loads((work / "data" / "manifest.json").read_text())
    assert recorded["data"][0]["sha256"] == manifest["files"]["train.jsonl"]
    assert recorded["data"][0]["box_space"] == "pixel"
    assert recorded["vision"]["VIDEO_MAX_PIXELS"] == "7056"
    assert recorded["loss_weights"]["verdict"] == 4
    assert recorded["global_step"] == 8
    assert recorded["speed"]["steps"] == 8
    assert recorded["speed"]["rows_per_s"] > 0
    assert 0 <= recorded["speed"]["data_wait"] < 1
    assert recorded["speed"]["per_row"]["patches"] == 4 * 6 * 6  # 8 frames of 84 x 84 px, two and two, in patches of 14
    log = (out / "train.log").read_text()
    assert [marker for marker, _ in STAGES if marker not in log] == []
    assert "SftArguments(" in log


@pytest.mark.parametrize("tuner", ["full", "lora"])
def test_a_resumed_run_continues_the_loss(work, tuner, request):
    out, losses = request.getfixturevalue(tuner)
    flags = ["--max_steps", 8, "--save_steps", 4, "--resume_from_checkpoint", out / "checkpoint-4"]
    _, resumed = train(work, f"resumed_{tuner}", *flags, TUNER=tuner)
    assert sorted(resumed) == [5, 6, 7, 8]
    for step, loss in resumed.items():
        assert loss == pytest.approx(losses[step], rel=1e-4), step


def test_lora_trains_an_adapter_and_leaves_the_rest(lora):
    out, losses = lora
    assert losses[8] < losses[1]
    assert (out / "checkpoint-8" / "adapter_model.safetensors").is_file()
    assert not (out / "checkpoint-8" / "model.safetensors").exists()
    assert json.loads((out / "checkpoint-8" / "forensics.json").read_text())["tuner_type"] == "lora"


def test_two_ranks_train_under_zero2_on_a_sample_without_rows_to_validate_on(work):
    (work / "empty.jsonl").write_text("\n")
    flags = [
        "--dataset",
        f"{work}/data/train.jsonl#20",
        "--val_dataset",
        work / "empty.jsonl",
        "--max_steps",
        2,
        "--save_steps",
        2,
        "--ddp_backend",
        "gloo",
        "--torch_dtype",
        "bfloat16",
        "--bf16",
        "true",
    ]
    out, losses = launched(
        work, "zero2", *flags, "--per_device_train_batch_size", 4, DATASET="", NPROC_PER_NODE="2", DEEPSPEED="zero2"
    )
    assert len(losses) == 2
    shards = list((out / "checkpoint-2").glob("global_step2/*optim_states.pt"))
    assert len(shards) == 2  # each rank holds its half of the optimizer
    record = json.loads((out / "checkpoint-2" / "forensics.json").read_text())
    assert record["speed"]["devices"] == 2
    (recorded,) = record["data"]
    assert (recorded["path"], recorded["sample"], recorded["data_seed"]) == (f"{work}/data/train.jsonl", 20, 42)


def test_the_loss_of_digits_is_the_same_on_two_ranks_that_accumulate(work):
    model = work / "digits"
    called(make_model, "--data", work / "data" / "train.jsonl", "--out", model, "--split-digits")
    flags = ["--loss_type", "forensics", "--max_steps", 2, "--save_steps", 2]
    weights = {"MODEL": str(model), "WEIGHT_NUMBERS": "20"}
    _, whole = train(work, "whole", *flags, "--per_device_train_batch_size", 8, **weights)
    parts = ["--per_device_train_batch_size", 2, "--gradient_accumulation_steps", 2, "--ddp_backend", "gloo"]
    _, cut = launched(work, "cut", *flags, *parts, NPROC_PER_NODE="2", **weights)
    # A warm-up's first step changes nothing, and two ranks share the rows of the two steps out in another order.
    assert sum(cut.values()) == pytest.approx(sum(whole.values()), rel=1e-4)


@pytest.fixture
def nodes(work, root):
    """A function that starts the launcher once for each node, each in a folder and with variables of its own."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])

    def start(*variables, folders=(root, root), flags=()):
        shared = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NODES_TIMEOUT": "60"}
        shared |= {"MODEL": str(work / "model"), "DATASET": str(work / "data")}
        command = ("--logging_steps", 1, "--eval_strategy", "no", "--max_steps", 2, "--save_steps", 2, *flags)

        def node(rank):
            env = shared | variables[rank] | {"NODE_RANK": str(rank)}
            return run("bash", "shell/train.sh", RECIPE, *command, cwd=folders[rank], check=False, **env)

        with ThreadPoolExecutor() as pool:
            return list(pool.map(node, range(len(variables))))

    return start


def test_two_nodes_learn_what_one_process_learns_and_save_it_once(work, full, nodes):
    out = work / "two"
    flags = ("--per_device_train_batch_size", 8, "--ddp_backend", "gloo")
    first, second = nodes(*[{"OUTPUT_DIR": str(out)}] * 2, flags=flags)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    # A warm-up's first step changes nothing, and two ranks share the rows of the two steps out in another order.
    assert sum(losses(out).values()) == pytest.approx(full[1][1] + full[1][2], rel=1e-4)
    assert [path.name for path in out.glob("checkpoint-*")] == ["checkpoint-2"]
    assert json.loads((out / "checkpoint-2" / "forensics.json").read_text())["speed"]["devices"] == 2
    assert (out / "train_node1.log").is_file()
    assert "step 2/2" in first.stdout


def test_nodes_that_differ_end_before_anything_is_loaded(work, nodes, root, copy, tmp_path):
    with open(copy / "swift_plugins" / "hooks" / "losses.py", "a") as code:
        code.write("# changed\n")
    (tmp_path / "data").mkdir()
    for name in ("train.jsonl", "val.jsonl"):
        (tmp_path / "data" / name).write_bytes((work / "data" / name).read_bytes() + b"\n")
    out = [
        {"OUTPUT_DIR": str(work / "apart")},
        {"OUTPUT_DIR": str(tmp_path / "apart"), "DATASET": str(tmp_path / "data")},
    ]
    for done in nodes(*out, folders=(root, copy)):
        assert done.returncode == 2
        told = [line.split(")")[1] for line in done.stderr.splitlines() if line.startswith("train: node 1 (")]
        unseen, changed, data = (
            " does not see what node 0 (",
            " has other code than node 0 (",
            " has other data than ",
        )
        assert [text.startswith(begin) for text, begin in zip(told, (unseen, changed, data), strict=True)] == [True] * 3
        assert "(./swift_plugins/hooks/losses.py): bring the same files to both" in done.stderr
    assert not list(work.glob("apart/*"))


def test_a_node_that_cannot_train_ends_the_other(work, nodes, tmp_path):
    out = {"OUTPUT_DIR": str(tmp_path / "out")}
    first, second = nodes(out, out | {"DATASET": str(tmp_path / "none")})
    assert (first.returncode, second.returncode) == (2, 2)
    assert f"train: no {tmp_path}/none/train.jsonl: run" in second.stderr
    assert f"): no {tmp_path}/none/train.jsonl: run" in first.stderr


def test_nodes_whose_network_fails_say_so_and_what_to_set(work, nodes, tmp_path):
    out = {"OUTPUT_DIR": str(tmp_path / "out"), "NODES_TIMEOUT": "20"}
    for done in nodes(out, out | {"GLOO_SOCKET_IFNAME": "none0"}):
        assert done.returncode == 2
        assert "do not reach each other by gloo" in done.stderr
        assert "Unable to find address for: none0" in done.stderr
        assert "set GLOO_SOCKET_IFNAME on each" in done.stderr


def test_data_that_changed_after_conversion_is_refused(work, tmp_path):
    for name in ("train.jsonl", "val.jsonl", "manifest.json"):
        (tmp_path / name).write_bytes((work / "data" / name).read_bytes())
    with open(tmp_path / "train.jsonl", "ab") as file:
        file.write((work / "data" / "val.jsonl").read_bytes())
    env = {"MODEL": str(work / "model"), "DATASET": str(tmp_path), "OUTPUT_DIR": str(tmp_path / "out")}
    done = run("bash", "shell/train.sh", RECIPE, "--max_steps", 1, check=False, **env)
    assert done.returncode != 0
    assert "convert the dataset again" in done.stderr


def test_frames_are_cached_by_the_recipes_rule_and_trained_on(work, full, tmp_path):
    data, cache = work / "data" / "test.jsonl", tmp_path / "frames"
    flags = ["--data", data, "--model", work / "model", "--recipe", RECIPE, "--out", cache, "--workers", 1]
    told = python("converters/cache_frames.py", *flags, "--limit", 3, "--quality", 90).stdout
    assert "3 clips in" in told
    assert re.search(r"quality 90 changes a value of a frame by [0-9.]+ of 255 on average", told)
    again = python("converters/cache_frames.py", *flags, "--limit", 3, "--quality", 90, "--shard", "1/3").stdout
    assert "3 clips in" in again
    files = {path: path.read_bytes() for path in cache.glob("*/*.zip")}
    out = tmp_path / "out.jsonl"
    flags = ["--model", full[0] / "checkpoint-8", "--data", data, "--out", out, "--max-tokens", 4]
    python("eval/predict.py", *flags, FRAME_CACHE=str(cache))
    assert all(path.read_bytes() == content for path, content in files.items())
    assert len(list(cache.glob("*/*.zip"))) == len(rows(data))  # what was not there has been added


# --------------------------------------------------------------------------------------------------------- prediction


def without_latency(path):
    return [{k: v for k, v in row.items() if k != "latency_s"} for row in rows(path)]


def flags_of(model, data, out, *flags):
    return ["--model", model, "--data", data, "--out", out, "--batch-size", 2, "--max-tokens", 24, *flags]


def predict(*arguments, **options):
    return called(main, *flags_of(*arguments), **options)


@pytest.fixture(scope="module")
def answered(work, full):
    out = work / "answered" / "out.jsonl"
    predict(full[0] / "checkpoint-8", work / "data" / "test.jsonl", out)
    return out


def test_each_row_is_answered_in_order(work, answered):
    data, found = rows(work / "data" / "test.jsonl"), rows(answered)
    assert [row["id"] for row in found] == [row["id"] for row in data]
    for given, row in zip(data, found, strict=True):
        assert row["labels"] == given["messages"][1]["content"]
        assert row["messages"] == given["messages"][:1]
        assert row["meta"] == given["meta"]
        assert isinstance(row["response"], str)
        assert row["usage"]["completion_tokens"] <= 24
        assert row["latency_s"] > 0
        assert row["p_fake"] is None or 0 <= row["p_fake"] <= 1


def test_killed_anywhere_and_started_again_it_ends_with_the_same_file(work, full, answered):
    out = work / "killed" / "out.jsonl"
    out.parent.mkdir()
    draw = random.Random(7)
    model, data = full[0] / "checkpoint-8", work / "data" / "test.jsonl"
    parts = [sys.executable, "eval/predict.py", *flags_of(model, data, out)]
    for wanted in (draw.randint(1, 8), draw.randint(9, 16)):
        process = subprocess.Popen(
            [str(p) for p in parts], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and (not out.exists() or out.read_bytes().count(b"\n") < wanted):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    whole = out.read_bytes()
    assert 0 < whole.count(b"\n") < 24
    out.write_bytes(whole[: -draw.randint(1, 40)])  # and a torn last line, as a full disk leaves it
    predict(model, data, out)
    assert without_latency(out) == without_latency(answered)


def test_rows_that_were_trained_on_are_told_of(work, full, answered, tmp_path):
    out = tmp_path / "out.jsonl"
    done = predict(full[0] / "checkpoint-8", work / "data" / "train.jsonl", out, "--limit", 4)
    assert "WARNING: 4 of 4 rows were trained on (4 by their id, 4 by the content of their media)" in done.stderr
    run = json.loads(answered.with_name("out.jsonl.run.json").read_text())
    assert run["trained_on"] == {"rows": 24, "trained_on": 0, "by_id": 0, "by_media": 0}


def test_a_finished_run_is_not_run_again_and_another_model_is_refused(work, full, lora, answered):
    before = answered.read_bytes()
    predict(full[0] / "checkpoint-8", work / "data" / "test.jsonl", answered)
    assert answered.read_bytes() == before
    done = predict(full[0] / "checkpoint-4", work / "data" / "test.jsonl", answered, check=False)
    assert done.returncode == 2
    assert "made with other settings (fingerprint, model differ" in done.stderr
    assert answered.read_bytes() == before


def test_a_bad_file_is_one_error_row_and_can_be_retried(work, lora, tmp_path):
    broken, missing, good = rows(work / "data" / "test.jsonl")[:3]
    clip = Path(broken["videos"][0]).read_bytes()
    broken["videos"] = [str(tmp_path / "broken.mp4")]
    missing["videos"] = [str(tmp_path / "missing.mp4")]
    (tmp_path / "broken.mp4").write_bytes(clip[: len(clip) // 2])
    data, out = tmp_path / "data.jsonl", tmp_path / "out.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in (broken, missing, good)))
    adapter = lora[0] / "checkpoint-8"
    predict(adapter, data, out)
    found = rows(out)
    assert [("error" in row, row["response"] is None) for row in found] == [(True, True), (True, True), (False, False)]
    assert "does not exist" in found[1]["error"]
    (tmp_path / "broken.mp4").write_bytes(clip)
    predict(adapter, data, out, "--retry-errors")
    assert ["error" in row for row in rows(out)] == [False, True, False]
    assert [row["id"] for row in rows(out)] == [row["id"] for row in (broken, missing, good)]


def test_an_unrelated_file_named_as_the_output_is_left_alone(work, full, tmp_path):
    out = tmp_path / "notes.txt"
    out.write_text("my only copy")
    done = predict(full[0] / "checkpoint-8", work / "data" / "test.jsonl", out, check=False)
    assert done.returncode == 2
    assert "notes.txt.run.json does not" in done.stderr
    assert out.read_text() == "my only copy"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"videos": ["http://127.0.0.1:1/x.mp4"]}, ":1: a URL is never opened"),
        ({"videos": []}, ":1: 1 <video> tags but 0 videos"),
        ({"messages": ["x"]}, ":1: "),
        ({"task": "deeptrac"}, "did you mean 'deeptrace'"),
    ],
)
def test_rows_are_checked_before_anything_is_answered(work, full, tmp_path, change, problem):
    (tmp_path / "data.jsonl").write_text(json.dumps(rows(work / "data" / "test.jsonl")[0] | change) + "\n")
    done = predict(full[0] / "checkpoint-8", tmp_path / "data.jsonl", tmp_path / "out.jsonl", check=False)
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_the_zero_shot_question_can_be_asked(work, full, tmp_path):
    from swift_plugins.core.tasks.deeptrace_zero_shot import ZERO_SHOT_QUESTION

    data, out = work / "data" / "test.jsonl", tmp_path / "out.jsonl"
    predict(full[0] / "checkpoint-8", data, out, "--prompt", "zero_shot", "--limit", 2)
    assert [row["messages"][0]["content"] for row in rows(out)] == [ZERO_SHOT_QUESTION] * 2


def test_unlabelled_rows_are_answered_and_their_answers_counted(work, full, tmp_path):
    given = rows(work / "data" / "test.jsonl")[:2]
    bare = [row | {"messages": row["messages"][:1], "meta": {}} for row in given]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bare))
    predict(full[0] / "checkpoint-8", tmp_path / "data.jsonl", tmp_path / "out.jsonl")
    assert [(row["labels"], type(row["response"])) for row in rows(tmp_path / "out.jsonl")] == [(None, str)] * 2
    report = json.loads(called(score, "--pred", tmp_path / "out.jsonl", "--json").stdout)
    assert report["n"] == 2
    assert "accuracy" not in report["metrics"]
    assert sum(report["metrics"][f"{said}_rate"]["value"] for said in ("real", "fake", "unparsed")) == 100


def test_other_vision_settings_and_unknown_models_are_refused(work, full, tmp_path):
    data, out = work / "data" / "test.jsonl", tmp_path / "out.jsonl"
    done = predict(full[0] / "checkpoint-8", data, out, check=False, VIDEO_MAX_PIXELS="50176")
    assert done.returncode == 2
    assert "VIDEO_MAX_PIXELS is '50176'" in done.stderr
    done = predict(work / "model", data, out, check=False)
    assert done.returncode == 2
    assert "--recipe" in done.stderr


def test_rows_made_for_another_box_space_are_refused(work, full, tmp_path):
    python(
        "converters/deeptrace_to_swift.py", "--src", work / "raw", "--out", tmp_path / "data", "--box-space", "norm1000"
    )
    done = predict(full[0] / "checkpoint-8", tmp_path / "data" / "test.jsonl", tmp_path / "out.jsonl", check=False)
    assert done.returncode == 2
    assert "box_space" in done.stderr


# ------------------------------------------------------------------------------------------------------ other back ends


def answers_with_their_certainty(path):
    return [(row["id"], row["response"], row["p_fake"], row["usage"], row["finish_reason"]) for row in rows(path)]


@pytest.mark.parametrize("flag", ["--data-parallel", "--ray-workers"])
def test_several_processes_answer_as_one(work, full, answered, tmp_path, flag):
    if flag == "--ray-workers":
        pytest.importorskip("ray")
    # As a command of its own: a cluster and its processes end with it.
    flags = flags_of(full[0] / "checkpoint-8", work / "data" / "test.jsonl", tmp_path / "out.jsonl", flag, 2)
    python("eval/predict.py", *flags, RAY_USAGE_STATS_ENABLED="0")
    assert answers_with_their_certainty(tmp_path / "out.jsonl") == answers_with_their_certainty(answered)


def test_vllm_is_asked_as_ms_swift_wants_it_and_answers_alike(work, full, lora, answered, tmp_path, monkeypatch):
    engine = stand_in()
    monkeypatch.setitem(vars(import_module("swift.infer_engine")), "VllmEngine", engine)
    data = work / "data" / "test.jsonl"
    predict(full[0] / "checkpoint-8", data, tmp_path / "out.jsonl", "--backend", "vllm")
    assert answers_with_their_certainty(tmp_path / "out.jsonl") == answers_with_their_certainty(answered)
    started, asked = engine.asked[:2]
    assert started["max_num_seqs"] == 2
    assert asked["temperature"] == 0
    assert asked["repetition_penalty"] == 1  # whatever the folder's generation_config.json says
    predict(lora[0] / "checkpoint-8", data, tmp_path / "lora.jsonl", "--backend", "vllm", "--limit", 2)
    started = next(given for given in engine.asked if "adapters" in given)
    rank = json.loads((lora[0] / "checkpoint-8" / "adapter_config.json").read_text())["r"]
    assert started["max_lora_rank"] >= rank


def test_what_is_drawn_is_drawn_again_by_the_same_seed(work, full, answered, tmp_path):
    flags = (full[0] / "checkpoint-8", work / "data" / "test.jsonl")
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        predict(*flags, tmp_path / f"{name}.jsonl", "--temperature", 1, "--seed", seed, "--limit", 4)
    said = {name: answers(tmp_path / f"{name}.jsonl") for name in ("one", "same", "other")}
    assert said["one"] == said["same"] != said["other"]


# ------------------------------------------------------------------------------------ settings that travel with a model


def answers(path):
    return [(row["id"], row["response"], row.get("p_fake")) for row in rows(path)]


def test_greedy_means_greedy_whatever_the_base_released(work, full, answered, tmp_path):
    model = shutil.copytree(full[0] / "checkpoint-8", tmp_path / "model")
    released = json.loads((model / "generation_config.json").read_text())
    released |= {"do_sample": True, "temperature": 1e-6, "top_k": 1, "repetition_penalty": 1.05}
    released |= {"no_repeat_ngram_size": 3, "min_new_tokens": 20, "suppress_tokens": [5]}
    (model / "generation_config.json").write_text(json.dumps(released))
    predict(model, work / "data" / "test.jsonl", tmp_path / "out.jsonl")
    assert answers(tmp_path / "out.jsonl") == answers(answered)


def test_plain_swift_infer_answers_as_predict_does(work, full, answered, tmp_path):
    """No flag and no variable says how the model must be run, nor where the plug-ins are."""
    flags = ["--model", full[0] / "checkpoint-8", "--val_dataset", work / "data" / "test.jsonl", "--temperature", 0]
    flags += ["--result_path", tmp_path / "out.jsonl", "--max_new_tokens", 24, "--max_batch_size", 2]
    run(ROOT / ".venv" / "bin" / "swift", "infer", *flags, cwd=tmp_path, HF_HUB_OFFLINE="1", USE_HF="1")
    assert [row["response"] for row in rows(tmp_path / "out.jsonl")] == [row["response"] for row in rows(answered)]


def test_an_exported_folder_carries_the_settings_of_its_adapter(work, lora, tmp_path):
    adapter, data = lora[0] / "checkpoint-8", work / "data" / "test.jsonl"
    merged = tmp_path / "merged"
    run("bash", "shell/export.sh", "--adapters", adapter, "--merge_lora", "true", "--output_dir", merged)
    assert (merged / "forensics.json").read_bytes() == (adapter / "forensics.json").read_bytes()
    for model, name in ((adapter, "adapter"), (merged, "merged")):
        predict(model, data, tmp_path / f"{name}.jsonl", "--limit", 6)
    merged_answers, own = rows(tmp_path / "merged.jsonl"), rows(tmp_path / "adapter.jsonl")
    assert [row["response"] for row in merged_answers] == [row["response"] for row in own]
