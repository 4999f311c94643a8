"""A recipe and the environment become a command of swift: recipes are read as YAML, whatever form their values have."""

from pathlib import Path

import pytest

from swift_plugins.launch import find_recipe, header_of, main, run_of

HEAD = """# A run.
#
#   get      hf download X --local-dir X
#   data     python a.py --out x
#            python b.py --src x
#   launch   bash shell/train.sh this
#
# Not a command:   indented text.
ENV: {NPROC_PER_NODE: 1}
use_cpu: true
"""


@pytest.fixture
def launch(tmp_path, monkeypatch):
    """The command that a recipe of these further lines becomes, given from the folder that holds it."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c d"):
        (tmp_path / f"{name}.jsonl").write_text("{}\n")

    def run(lines: str, *flags: str, **env: str):
        (tmp_path / "recipe.yaml").write_text(HEAD + lines)
        return run_of(["recipe.yaml", *flags], tmp_path, dict(env))

    return run


def test_a_headers_commands_are_joined_by_word():
    found = header_of(HEAD)
    assert found["data"] == "python a.py --out x && python b.py --src x"
    assert set(found) == {"get", "data", "launch"}


@pytest.mark.parametrize(
    "lines",
    [
        "dataset: a.jsonl   # a comment\noutput_dir: out",
        "dataset: 'a.jsonl'\noutput_dir: \"out\"",
        "dataset:\n  - a.jsonl\n  - b.jsonl#500\noutput_dir: out",
        "dataset: [a.jsonl, 'c d.jsonl']\nval_dataset:\n- b.jsonl\noutput_dir: >-\n  out",
        "x: &d a.jsonl\ndataset: *d\noutput_dir: out",
    ],
)
def test_values_of_any_form_are_read(launch, lines, tmp_path):
    run = launch(lines, "--seed", "1")
    assert run.command[1:] == ["sft", "recipe.yaml", "--seed", "1"]
    assert run.env["CUDA_VISIBLE_DEVICES"] == ""
    (tmp_path / "out" / "checkpoint-3").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"already holds checkpoints: .* --resume_from_checkpoint out/checkpoint-3"):
        launch(lines)
    assert launch(lines, "--latest") == "out/checkpoint-3"


@pytest.mark.parametrize(
    "lines", ["dataset: none.jsonl", "dataset: [a.jsonl, none.jsonl]", "dataset: a.jsonl\nval_dataset: none.jsonl"]
)
def test_each_file_must_be_there(launch, lines):
    with pytest.raises(
        ValueError, match=r"no none.jsonl: run `source .* && hf download X --local-dir X && python a.py"
    ):
        launch(lines)


def test_what_is_no_recipe_is_one_clear_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text, problem in (("a: [", "not YAML"), ("- a", "it has no ENV block"), ("ENV: 3", "it has no ENV block")):
        (tmp_path / "recipe.yaml").write_text(text)
        assert main([str(tmp_path / "recipe.yaml")]) == 2
        err = capsys.readouterr().err
        assert err.startswith("train: ")
        assert problem in err
        assert err.count("\n") == 1


def test_every_recipe_is_found_and_its_header_read(root, monkeypatch):
    monkeypatch.chdir(root)
    for path in sorted(Path("recipes").glob("*/*.yaml")):
        recipe = find_recipe(str(path), root)
        if "output_dir" in recipe.keys:
            assert {"data", "launch"} <= set(recipe.header), path


def dataset(folder: Path, kind: str = "images", *names: str) -> Path:
    """A converter's folder, as far as the launcher looks."""
    folder.mkdir(parents=True)
    for name in names or ("train", "val"):
        (folder / f"{name}.jsonl").write_text(f'{{"id":"1","{kind}":["/x"]}}\n')
    return folder


MIXED = "dataset: a.jsonl\nval_dataset: b.jsonl\noutput_dir: out\nmodel_type: qwen2_5_vl\nENV: {MAX_PIXELS: 9}"


@pytest.mark.parametrize("given", ["{a} {b}#100", "'{a}' {b}/train.jsonl#100", "  {a}   {b}#100 "])
def test_several_datasets_make_a_mixture(launch, tmp_path, given):
    """Each with its validation rows, all of them; #N behind one takes so many of its rows for training."""
    a, b = dataset(tmp_path / "x"), dataset(tmp_path / "y")
    run = launch(MIXED, DATASET=given.format(a=a, b=b))
    assert run.command[3:] == [
        "--dataset",
        f"{a}/train.jsonl",
        f"{b}/train.jsonl#100",
        "--val_dataset",
        f"{a}/val.jsonl",
        f"{b}/val.jsonl",
    ]
    assert run.data == [f"{a}/train.jsonl", f"{b}/train.jsonl"]


def test_a_folder_with_a_space_in_its_name_is_one_dataset(launch, tmp_path):
    dataset(tmp_path / "my photos")
    for given in ("my photos", "my photos#10", "'my photos' x"):
        dataset(tmp_path / "x") if given.endswith("x") else None
        found = launch(MIXED, DATASET=given).data
        assert found[0] == f"{tmp_path}/my photos/train.jsonl"


def test_each_part_of_a_mixture_must_be_there_and_one_must_have_validation_rows(launch, tmp_path):
    dataset(tmp_path / "x")
    for name in ("y", "z"):
        dataset(tmp_path / name, "images", "train")
    for given, missing in (("x none#5", "none/train.jsonl"), ("y z", "y/val.jsonl"), ("z", "z/val.jsonl")):
        with pytest.raises(ValueError, match=f"no {tmp_path}/{missing}: run"):
            launch(MIXED, DATASET=given)
    assert launch(MIXED, DATASET="y x").command[-1] == f"{tmp_path}/x/val.jsonl"
    assert launch(MIXED, "--val_dataset", "b.jsonl", DATASET="y z").command[-2:] == ["--val_dataset", "b.jsonl"]


def test_media_whose_size_nothing_bounds_are_named_before_anything_starts(launch, tmp_path):
    dataset(tmp_path / "x")
    dataset(tmp_path / "clips", "videos")
    with pytest.raises(ValueError, match=r"clips/train.jsonl has videos, .* VIDEO_MAX_PIXELS \(VIDEO_MIN_PIXELS, FPS"):
        launch(MIXED, DATASET="x clips#4")
    launch(MIXED, DATASET="x clips#4", VIDEO_MAX_PIXELS="100352")
    launch(MIXED.replace("qwen2_5_vl", "llava1_5_hf"), DATASET="x clips")  # its own processor decides
    with pytest.raises(ValueError, match=r"x/train.jsonl has images, whose .* set MAX_PIXELS \(MIN_PIXELS\)"):
        launch(MIXED.replace("MAX_PIXELS", "VIDEO_MAX_PIXELS"), DATASET="clips x")


@pytest.mark.parametrize(
    ("flags", "env", "problem"),
    [
        (["--dataset", "b.jsonl"], {"DATASET": "a.jsonl"}, "DATASET is set and --dataset is given"),
        (["--output_dir", "o"], {"OUTPUT_DIR": "p"}, "OUTPUT_DIR is set and --output_dir is given"),
        (["--tuner_type", "full"], {"TUNER": "lora"}, "TUNER is set and --tuner_type is given"),
        (["--tiny"], {}, "--tiny is not for this recipe: `bash shell/quickstart.sh` trains a tiny model"),
    ],
)
def test_what_contradicts_is_refused(launch, flags, env, problem):
    with pytest.raises(ValueError, match=problem):
        launch("dataset: a.jsonl\noutput_dir: out", *flags, **env)


def test_the_output_is_where_a_flag_says(launch):
    lines = "dataset: a.jsonl\noutput_dir: out"
    assert str(launch(lines, "--seed", "1", "--output_dir", "there").output) == "there"
    assert launch(lines, "--dataset", "c.jsonl#3", "d.jsonl").data == ["c.jsonl", "d.jsonl"]
