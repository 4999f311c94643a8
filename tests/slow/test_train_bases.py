"""Recipes for current bases through the real trainer and engine, on tiny models of the same architecture.

What the CPU cannot do and four steps cannot reach is set otherwise: bfloat16, two ranks, the batch, the rate.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.predict import main
from swift_plugins.tiny_model import main as make_model
from tests.launcher import called, python, rows
from tests.slow import forks

pytestmark = pytest.mark.slow
pytest.importorskip("swift")

SMALL = {
    "max_steps": 4,
    "save_steps": 2,
    "save_strategy": "steps",
    "eval_strategy": "no",
    "logging_steps": 1,
    "use_cpu": "true",
    "torch_dtype": "float32",
    "bf16": "false",
    "use_hf": "false",
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "constant",
    "dataset_num_proc": 1,
    "dataloader_num_workers": 0,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function that makes, once, the converted sample of a dataset."""
    home = tmp_path_factory.mktemp("bases")
    samples = {
        "deeptrace": ("deeptrace", "--train", 24, "--val", 4, "--test", 4),
        "deepfakejudge": ("deepfakejudge", "--train", 24, "--test", 8, "--human", 4, "--bench", 8),
    }

    def make(dataset: str) -> Path:
        folder = home / dataset
        if not folder.exists():
            name, *few = samples[dataset]
            python(f"converters/sample_{name}.py", "--out", folder / "raw", *few)
            python(f"converters/{name}_to_swift.py", "--src", folder / "raw", "--out", folder / "data")
        return folder

    return make


def train(recipe: str, model: Path, data: Path, out: Path, *flags: object) -> dict[int, float]:
    """Four steps of a recipe; returns the logged losses by step."""
    few = [word for key, value in SMALL.items() for word in (f"--{key}", value)]
    return forks.train(recipe, out, *few, *flags, MODEL=str(model), DATASET=str(data), NUM_GPUS="1")


@pytest.mark.parametrize(
    ("recipe", "architecture", "space"),
    [
        ("deeptrace/qwen3_vl_8b_lora", "qwen3_vl", "norm1000"),
        ("deeptrace/qwen3_5_9b_lora", "qwen3_5", "norm1000"),
        ("deeptrace/qwen2_5_vl_3b_lora", "qwen2_5_vl", "resized"),
        ("deepfakejudge/qwen3_vl_8b_lora_pointwise", "qwen3_vl", None),
        ("deepfakejudge/internvl3_5_8b_lora_pairwise", "internvl", None),
    ],
)
def test_a_base_trains_by_its_recipe_resumes_and_answers(made, tmp_path, recipe, architecture, space):
    folder = made(recipe.split("/")[0])
    data = folder / "data" / (recipe.rsplit("_", 1)[1] if space is None else "")
    make = ("--architecture", architecture, "--data", data / "train.jsonl", "--out", tmp_path / "model")
    called(make_model, *make)
    out = tmp_path / "whole"
    whole = train(recipe, tmp_path / "model", data, out)
    assert whole[4] < whole[1]
    resumed = train(recipe, tmp_path / "model", data, tmp_path / "on", "--resume_from_checkpoint", out / "checkpoint-2")
    assert resumed == pytest.approx({step: whole[step] for step in (3, 4)}, rel=1e-3)
    recorded = json.loads((out / "checkpoint-4" / "forensics.json").read_text())
    assert (recorded["data"][0]["box_space"], recorded["vision"].get("BOX_SPACE")) == (space, space)
    flags = ("--data", data / "test.jsonl", "--out", tmp_path / "out.jsonl", "--limit", 4, "--max-tokens", 8)
    called(main, "--model", out / "checkpoint-4", *flags)
    found = rows(tmp_path / "out.jsonl")
    assert len(found) == 4
    assert not [row["error"] for row in found if "error" in row]
    assert {row["meta"].get("box_space") for row in found} == {space}
