"""Every recipe goes through ms-swift's own argument classes, and the paper's recipes hold the paper's figures."""

import csv
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*/*.yaml"))
NAMES = [str(path.relative_to(ROOT)) for path in RECIPES]
VISION = {"VIDEO_MIN_PIXELS", "VIDEO_MAX_PIXELS", "FPS", "FPS_MAX_FRAMES"}


@pytest.fixture(params=RECIPES, ids=NAMES)
def recipe(request):
    return request.param


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_a_recipe_says_what_it_is_and_how_to_run_it(recipe):
    head = recipe.read_text(encoding="utf-8").split("ENV:")[0]
    for word in ("data ", "launch ", "batch "):
        assert re.search(rf"^#   {word}", head, re.M), word
    assert recipe.name in (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")


def test_a_recipe_is_strict_seeded_private_and_pins_what_the_model_sees(recipe):
    content = read(recipe)
    assert content["strict"] is True
    assert content["check_model"] is False
    assert content["report_to"] == "tensorboard"
    assert isinstance(content["seed"], int)
    assert not content.get("push_to_hub")
    assert "forensics" in content["callbacks"]
    assert content["ENV"].keys() >= VISION
    assert None not in content.values()  # null would arrive as the string "None"


def test_frames_fit_the_length(recipe):
    content = read(recipe)
    tokens = content["ENV"]["FPS_MAX_FRAMES"] / 2 * content["ENV"]["VIDEO_MAX_PIXELS"] / 28**2
    assert tokens + 256 <= content["max_length"]


def test_the_data_command_makes_boxes_for_the_frames_of_the_recipe(recipe):
    command = re.search(r"python converters/\w+_to_swift.*", recipe.read_text(encoding="utf-8")).group()
    env = read(recipe)["ENV"]
    if "--box-space resized" in command:
        assert f"--min-pixels {env['VIDEO_MIN_PIXELS']} --max-pixels {env['VIDEO_MAX_PIXELS']}" in command


@pytest.mark.slow
def test_the_argument_classes_take_every_recipe(recipe, tmp_path, monkeypatch):
    pytest.importorskip("swift")
    from dataclasses import fields

    from swift.arguments import SftArguments
    from swift.utils import parse_args

    content = read(recipe)
    for key, value in content.pop("ENV").items():
        if key != "NPROC_PER_NODE":  # the launcher's
            monkeypatch.setenv(key, str(value))
    assert not content.keys() - {field.name for field in fields(SftArguments)}
    # The model and the data are not here; a tiny model of the same type and one row stand in for them.
    from swift_plugins.tiny_model import build

    build(tmp_path / "model", [], vocab_size=400)
    (tmp_path / "row.jsonl").write_text('{"messages": [{"role": "user", "content": "a"}]}\n')
    content |= {"model": str(tmp_path / "model"), "output_dir": str(tmp_path), "use_cpu": True, "bf16": False,
                "external_plugins": str(ROOT / "swift_plugins" / "register.py")}  # fmt: skip
    content |= dict.fromkeys(("dataset", "val_dataset"), str(tmp_path / "row.jsonl"))
    flags = []
    for key, value in content.items():
        flags += [f"--{key}", *map(str, value if isinstance(value, list) else [value])]
    args, remaining = parse_args(SftArguments, flags)
    assert remaining == []
    for key in ("seed", "learning_rate", "max_length", "tuner_type", "strict", "check_model"):
        assert getattr(args, key) == content[key]
    assert args.training_args.per_device_train_batch_size == content["per_device_train_batch_size"]


def test_the_papers_recipe_has_the_papers_figures():
    rows = csv.DictReader(open(ROOT / "eval" / "published" / "training_setups.csv", encoding="utf-8"))
    row = next(r for r in rows if r["system"] == "deeptrace" and r["base_model"] == "Qwen 2.5 VL 7B")
    content = read(ROOT / "recipes" / "deeptrace" / "qwen2_5_vl_7b_full.yaml")
    assert content["model"] == "Qwen/Qwen2.5-VL-7B-Instruct"
    assert content["tuner_type"] == row["tuner"]
    assert content["num_train_epochs"] == float(row["epochs"])
    assert content["per_device_train_batch_size"] == int(row["per_device_batch_size"])
    assert content["gradient_accumulation_steps"] == 1
    assert f"{content['ENV']['NPROC_PER_NODE']}x H100 80GB" == row["devices"]
    assert content["learning_rate"] == float(row["learning_rate"])
    assert content["optim"].startswith(row["optimizer"].lower())
    assert content["ENV"]["FPS"] == float(row["fps"])
    assert content["ENV"]["FPS_MAX_FRAMES"] == int(row["max_frames"])
    assert content["deepspeed"].startswith("zero")
    assert not any(key.startswith("WEIGHT_") for key in content["ENV"])
