"""A recipe and the environment become a command of swift: recipes are read as YAML, whatever form their values have."""

from pathlib import Path

import pytest

from swift_plugins.launch import command_of, find_recipe, header_of, main

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
        return command_of(["recipe.yaml", *flags], tmp_path, dict(env))

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
    command, env = launch(lines, "--seed", "1")
    assert command[1:] == ["sft", "recipe.yaml", "--seed", "1"]
    assert env["CUDA_VISIBLE_DEVICES"] == ""
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
