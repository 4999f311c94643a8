"""FakeVLM's recipes through the real trainer and engine on a tiny LLaVA: what the README's run does not show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.predict import main
from swift_plugins.tiny_model import main as make_model
from tests import launcher
from tests.launcher import called, python, run
from tests.slow import forks

pytestmark = pytest.mark.slow
pytest.importorskip("swift")


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A small sample, converted, and an untrained tiny LLaVA."""
    folder = tmp_path_factory.mktemp("work")
    python("converters/sample_fakeclue.py", "--out", folder / "raw", "--train", 140, "--test", 28)
    python("converters/fakeclue_to_swift.py", "--src", folder / "raw", "--out", folder / "data")
    tiny(folder, "llava1_5", "model")
    return folder


def tiny(work, architecture, name):
    """An untrained tiny model of an architecture, in a folder of this name."""
    data = work / "data" / "train.jsonl"
    called(make_model, "--architecture", architecture, "--data", data, "--out", work / name)
    return work / name


STEPS = ("--max_steps", 4, "--save_steps", 2, "--logging_steps", 1)


def train(work, recipe, name, *flags, **env):
    """Four steps of a recipe; returns the output folder and the logged losses by step."""
    env = {"MODEL": str(work / "model"), "DATASET": str(work / "data")} | env
    return work / name, forks.train(f"fakevlm/{recipe}", work / name, *STEPS, *flags, **env)


def predict(work, checkpoint, *flags):
    """The rows that a checkpoint answers, and the record of the run."""
    out = work / f"{checkpoint.parent.name}.jsonl"
    data = work / "data" / "test.jsonl"
    called(main, "--model", checkpoint, "--data", data, "--out", out, "--limit", 4, "--max-tokens", 8, *flags)
    record = json.loads(out.with_name(out.name + ".run.json").read_text())
    return launcher.rows(out), record


@pytest.fixture(scope="module")
def head(work):
    return train(work, "tiny_head", "head")


@pytest.fixture(scope="module")
def lora(work):
    out, losses = train(work, "tiny", "lora", TUNER="lora")
    return out, losses, *predict(work, out / "checkpoint-4")


def test_lora_trains_an_adapter_that_answers(lora):
    out, losses, rows, record = lora
    assert losses[4] < losses[1]
    assert record["model"]["adapter"] == str(out / "checkpoint-4")
    assert (out / "checkpoint-4" / "adapter_config.json").is_file()
    assert all("error" not in row for row in rows)


def test_the_template_of_training_is_the_one_that_asks(work, lora):
    _, _, chat, record = lora
    assert record["model"]["template"] == "forensic_llava1_5"
    out, _ = train(work, "tiny", "bare", "--template", "forensic_llava1_5_bare")
    assert json.loads((out / "checkpoint-4" / "forensics.json").read_text())["template"] == "forensic_llava1_5_bare"
    bare, record = predict(work, out / "checkpoint-4")
    assert record["model"]["template"] == "forensic_llava1_5_bare"
    more = {
        there["usage"]["prompt_tokens"] - here["usage"]["prompt_tokens"] for here, there in zip(bare, chat, strict=True)
    }
    assert more == {6}  # "USER", ":", " ", a line break, " ASSISTANT" and ":"


def test_two_ranks_train_under_zero2_as_the_papers_recipe_does(work):
    """CLIP's last layer, which LLaVA does not read, has no gradient."""
    flags = ["--ddp_backend", "gloo", "--torch_dtype", "bfloat16", "--bf16", "true", "--per_device_train_batch_size", 4]
    out = work / "zero2"
    env = {"MODEL": str(work / "model"), "DATASET": str(work / "data"), "OUTPUT_DIR": str(out)}
    env |= {"NPROC_PER_NODE": "2", "DEEPSPEED": "zero2"}
    run("bash", "shell/train.sh", "recipes/fakevlm/tiny.yaml", *STEPS, *flags, **env)
    losses = launcher.losses(out)
    assert losses[4] < losses[1]
    assert len(list((out / "checkpoint-4").glob("global_step4/*optim_states.pt"))) == 2


@pytest.mark.parametrize(
    ("recipe", "architecture", "pixels"),
    [
        ("qwen2_5_vl_7b", "qwen2_5_vl", {"MIN_PIXELS": "3136", "MAX_PIXELS": "602112", "IMAGE_FACTOR": "28"}),
        ("qwen3_vl_8b", "qwen3_vl", {"IMAGE_MIN_TOKEN_NUM": "4", "IMAGE_MAX_TOKEN_NUM": "768"}),
        ("internvl3_5_8b", "internvl", {}),
    ],
)
def test_a_current_base_trains_by_its_recipe_and_answers(work, recipe, architecture, pixels):
    """What the CPU cannot do and four steps cannot reach is set otherwise: bfloat16, an accumulated batch, the rate."""
    flags = [
        "--use_cpu",
        "true",
        "--torch_dtype",
        "float32",
        "--bf16",
        "false",
        "--use_hf",
        "false",
        "--save_strategy",
        "steps",
        "--gradient_accumulation_steps",
        1,
        "--learning_rate",
        1e-3,
        "--lr_scheduler_type",
        "constant",
    ]
    out, losses = train(work, f"{recipe}_lora", architecture, *flags, MODEL=str(tiny(work, architecture, recipe)))
    assert losses[4] < losses[1]
    rows, record = predict(work, out / "checkpoint-4")
    assert record["model"]["template"] == f"forensic_{architecture}"
    assert pixels.items() <= record["model"]["vision"].items()  # ms-swift adds what follows from them
    assert all("error" not in row for row in rows)


def test_a_heads_checkpoint_says_what_it_is_and_answers_with_a_verdict(work, head):
    recorded = json.loads((head[0] / "checkpoint-4" / "forensics.json").read_text())
    assert (recorded["task_type"], recorded["answer_form"]) == ("seq_cls", "explained")
    rows, record = predict(work, head[0] / "checkpoint-4")
    assert record["model"]["task_type"] == "seq_cls"
    for row in rows:
        assert row["response"] == f"This is a {'fake' if row['p_fake'] > 0.5 else 'real'} image."


def test_a_resumed_head_continues_the_loss(work, head):
    """Its own weights, the head's too, and not the base model's are what training goes on from."""
    _, losses = head
    _, resumed = train(work, "tiny_head", "resumed", "--resume_from_checkpoint", head[0] / "checkpoint-2")
    assert sorted(resumed) == [3, 4]
    for step, loss in resumed.items():
        assert loss == pytest.approx(losses[step], rel=1e-3)


def test_the_untrained_model_is_asked_as_the_release_is(work):
    rows, record = predict(work, work / "model", "--recipe", "recipes/fakevlm/released.yaml")
    assert (record["model"]["template"], record["model"]["torch_dtype"]) == ("forensic_llava1_5_bare", "bfloat16")
    assert len(rows) == 4
