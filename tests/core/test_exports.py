"""A folder that was made of a checkpoint has its settings, or is refused with advice that it does not contradict."""

from __future__ import annotations

import json
import shutil

import pytest

from swift_plugins.answering.models import model_settings
from swift_plugins.core.exports import find_record

ARGS = {"template": "forensic_qwen2_5_vl", "model_type": "qwen2_5_vl", "callbacks": ["forensics"], "adapters": []}
RECIPE = """ENV: {VIDEO_MAX_PIXELS: 7056}
model_type: %s
template: %s
"""


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def run(tmp_path):
    """A run of two checkpoints, both adapters of tmp_path/base."""
    out = tmp_path / "run"
    args = ARGS | {"output_dir": str(out), "model": str(write(tmp_path / "base", config={"model_type": "qwen2_5_vl"}))}
    for step in (4, 8):
        record = {"vision": {"VIDEO_MAX_PIXELS": "3136"}, "global_step": step, "model": args["model"]}
        record |= {"template": ARGS["template"], "data": [{"task": "deeptrace", "box_space": "norm1000"}]}
        lora = {"peft_type": "LORA"}
        write(out / f"checkpoint-{step}", args=args, forensics=record, adapter_config=lora)
    return out


def merged(run, folder):
    """What `swift export --merge_lora true` writes."""
    write(folder, config={"model_type": "qwen2_5_vl"})
    shutil.copy(run / "checkpoint-4" / "args.json", folder)
    return folder


def test_a_merged_folder_has_its_adapters_record(run, tmp_path, capsys):
    found = model_settings(merged(run, run / "checkpoint-4-merged"), None)
    assert (found["vision"], found["adapter"]) == ({"VIDEO_MAX_PIXELS": "3136"}, None)
    assert found["model"] == str(run / "checkpoint-4-merged")
    assert (found["trained"]["global_step"], found["trained"]["data"][0]["box_space"]) == (4, "norm1000")
    assert "checkpoint-4-merged holds no forensics.json: that of" in capsys.readouterr().err
    # Under another name, elsewhere: which step it is of is not known, all else is.
    found = model_settings(merged(run, tmp_path / "elsewhere" / "mine"), None)
    assert (found["vision"], found["trained"]["global_step"]) == ({"VIDEO_MAX_PIXELS": "3136"}, None)
    # Beside its checkpoint, after the whole run has moved.
    moved = shutil.move(run, tmp_path / "moved")
    assert find_record(moved / "checkpoint-4-merged")[1]["global_step"] == 4


def test_a_quantised_folder_has_the_record_of_what_was_quantised(run, tmp_path):
    first = merged(run, run / "checkpoint-4-merged")
    args = ARGS | {"merge_lora": True, "model": str(first), "model_dir": str(first)}
    found = model_settings(write(tmp_path / "int8", args=args, config={}), None)
    assert (found["vision"], found["trained"]["global_step"]) == ({"VIDEO_MAX_PIXELS": "3136"}, 4)
    args |= {"adapters": [str(run / "checkpoint-8")], "model": str(tmp_path / "base")}
    assert find_record(write(tmp_path / "int4", args=args))[1]["global_step"] == 8


def test_another_runs_record_is_never_taken(run, tmp_path):
    folder = merged(run, run / "checkpoint-4-merged")
    args = json.loads((folder / "args.json").read_text())
    write(folder, args=args | {"learning_rate": 1})
    assert find_record(folder) is None
    loop = ARGS | {"merge_lora": True, "model": str(tmp_path / "b")}
    write(tmp_path / "a", args=loop)
    write(tmp_path / "b", args=loop | {"model": str(tmp_path / "a")})
    assert find_record(tmp_path / "a") is None


def test_without_a_record_the_advice_is_not_what_args_json_contradicts(run, tmp_path, capsys):
    folder = merged(run, tmp_path / "mine")
    shutil.rmtree(run)
    with pytest.raises(ValueError, match=rf"was made of a checkpoint of {run}.*copy it from there.*shell/export.sh"):
        model_settings(folder, None)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE % ("qwen3_vl", "forensic_qwen3_vl"))
    with pytest.raises(ValueError, match=r"recipe.yaml: its args.json says model_type qwen2_5_vl, not"):
        model_settings(folder, recipe)
    recipe.write_text(RECIPE % ("qwen2_5_vl", "forensic_qwen2_5_vl"))
    assert model_settings(folder, recipe)["vision"] == {"VIDEO_MAX_PIXELS": "7056"}
    assert "is not known" in capsys.readouterr().err


def test_a_recipe_is_refused_where_the_settings_are_recorded(run, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE % ("qwen2_5_vl", "forensic_qwen2_5_vl"))
    with pytest.raises(ValueError, match=r"are recorded \(.*checkpoint-4/forensics.json\): leave out --recipe"):
        model_settings(merged(run, run / "checkpoint-4-merged"), recipe)


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [
        ("qwen2_5_vl", "recipes/deeptrace/qwen2_5_vl_7b_full.yaml"),
        ("llava", "recipes/fakevlm/llava_1_5_7b_full.yaml"),
        ("qwen3_vl", "recipes/deeptrace/qwen3_vl_8b_full.yaml"),
        ("qwen3_5", "recipes/deeptrace/qwen3_5_9b_full.yaml"),
        ("other", "RECIPE.yaml"),
    ],
)
def test_a_base_model_is_advised_a_recipe_of_its_architecture(tmp_path, kind, recipe):
    with pytest.raises(ValueError, match=f"for example --recipe {recipe}"):
        model_settings(write(tmp_path / "base", config={"model_type": kind}), None)


def test_a_base_that_has_moved_is_named(run, tmp_path):
    shutil.move(tmp_path / "base", tmp_path / "other")
    with pytest.raises(ValueError, match="which is no folder here: name the folder of its base model by --base"):
        model_settings(run / "checkpoint-4", None)
    found = model_settings(run / "checkpoint-4", None, tmp_path / "other")
    assert (found["model"], found["adapter"]) == (str(tmp_path / "other"), str(run / "checkpoint-4"))
    with pytest.raises(ValueError, match="is no adapter"):
        model_settings(merged(run, run / "checkpoint-4-merged"), None, tmp_path / "other")
