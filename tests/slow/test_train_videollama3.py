"""VideoLLaMA 3 through the real trainer, export and engine on a tiny model: its recipe's twin, by LoRA and in full."""

from __future__ import annotations

import json

import pytest

from eval.predict import main
from swift_plugins.tiny_model import main as make_model
from tests.launcher import called, losses, python, rows, run
from tests.slow import forks

pytestmark = pytest.mark.slow
pytest.importorskip("swift")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Sample clips with boxes in thousandths, and an untrained tiny VideoLLaMA 3."""
    folder = tmp_path_factory.mktemp("work")
    python("converters/sample_deeptrace.py", "--out", folder / "raw", "--train", 64, "--val", 8, "--test", 12)
    python(
        "converters/deeptrace_to_swift.py", "--src", folder / "raw", "--out", folder / "data", "--box-space", "norm1000"
    )
    architecture = ("--architecture", "videollama3")
    called(make_model, *architecture, "--data", folder / "data" / "train.jsonl", "--out", folder / "model")
    return folder


STEPS = ("--max_steps", 4, "--save_steps", 2, "--logging_steps", 1, "--eval_strategy", "no")


def train(work, name, *flags, **env):
    """Four steps of the recipe; returns its output folder and the logged losses by step."""
    env = {"MODEL": str(work / "model"), "DATASET": str(work / "data")} | env
    return work / name, forks.train("deeptrace/tiny_videollama3", work / name, *STEPS, *flags, **env)


def answers(work, model, name):
    out = work / f"{name}.jsonl"
    flags = ("--data", work / "data" / "test.jsonl", "--out", out, "--batch-size", 6, "--max-tokens", 16)
    called(main, "--model", model, *flags)
    found = rows(out)
    assert len(found) == 12
    assert not [row["error"] for row in found if "error" in row]
    assert {row["meta"]["box_space"] for row in found} == {"norm1000"}
    return [(row["response"], row["p_fake"]) for row in found]


def test_full_training_learns_and_a_resumed_run_continues_the_loss(work):
    out, whole = train(work, "full")
    assert whole[4] < whole[1]
    _, resumed = train(work, "resumed", "--resume_from_checkpoint", out / "checkpoint-2")
    assert sorted(resumed) == [3, 4]
    for step, loss in resumed.items():
        assert loss == pytest.approx(whole[step], rel=1e-4)


def test_the_loss_falls_to_a_half_within_sixteen_steps(work):
    """What all the recipe's steps come to on the held-out clips stands in its header."""
    _, found = train(work, "learning", "--max_steps", 16, "--save_strategy", "no")
    assert sum(found[step] for step in range(13, 17)) / 4 < found[1] / 2


def test_two_ranks_of_which_one_has_clips_and_the_other_texts_do_not_wait_for_each_other(work):
    """Under ZeRO-2 with gradient checkpointing; and no logits are made that are not trained."""
    clips = rows(work / "data" / "train.jsonl")[:6]
    asked = {"role": "user", "content": "What is an unnatural part?"}
    mixed = [row for clip in clips for row in (clip, {"messages": [asked, clip["messages"][1]]})]
    (work / "mixed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in mixed))
    flags = {"max_steps": 3, "per_device_train_batch_size": 1, "gradient_checkpointing": "true"}
    flags |= {"dataset_shuffle": "false", "train_dataloader_shuffle": "false"}  # each step has a row of either kind
    flags |= {"ddp_backend": "gloo", "torch_dtype": "bfloat16", "bf16": "true", "dataset": work / "mixed.jsonl"}
    flags |= {"val_dataset": work / "data" / "val.jsonl"}
    given = [word for key, value in flags.items() for word in (f"--{key}", value)]
    out = work / "ranks"
    env = {"MODEL": str(work / "model"), "OUTPUT_DIR": str(out), "NPROC_PER_NODE": "2", "DEEPSPEED": "zero2"}
    run("bash", "shell/train.sh", "recipes/deeptrace/tiny_videollama3.yaml", *STEPS, *given, **env)
    found = losses(out)
    assert sorted(found) == [1, 2, 3]
    assert all(0 < loss < 1000 for loss in found.values())  # boxes weigh eightfold
    assert "use_logits_to_keep: True" in (out / "train.log").read_text()


def test_a_merged_adapter_answers_as_the_adapter_and_loads_in_plain_transformers(work):
    from transformers import AutoModelForImageTextToText, VideoLlama3ForConditionalGeneration

    out, learned = train(work, "lora", TUNER="lora")
    assert learned[4] < learned[1]
    adapter, merged = out / "checkpoint-4", work / "merged"
    run("bash", "shell/export.sh", "--adapters", adapter, "--merge_lora", "true", "--output_dir", merged)
    ours, theirs = answers(work, adapter, "adapter"), answers(work, merged, "merged")
    assert [response for response, _ in theirs] == [response for response, _ in ours]
    assert [p for _, p in theirs] == pytest.approx([p for _, p in ours], abs=1e-4)
    assert type(AutoModelForImageTextToText.from_pretrained(merged)) is VideoLlama3ForConditionalGeneration
