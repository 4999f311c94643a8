"""Nodes of one training: what each tells of itself, and that what must not differ is named."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from swift_plugins.core import nodes
from swift_plugins.core.nodes import Node, cannot_train, faults_of, node_of, report_of
from swift_plugins.launch import run_of

TWO = {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "a"}
NODE = Node(2, 0, "a")


def test_torchruns_variables_make_a_node():
    assert node_of({}) is None
    assert node_of({"NNODES": "1", "NODE_RANK": "0"}) is None
    assert node_of(TWO) == Node(2, 1, "a", 29500, 300)
    assert node_of(TWO | {"MASTER_PORT": "9", "NODES_TIMEOUT": "5"}) == Node(2, 1, "a", 9, 5)


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"NNODES": "1:2"}, "NNODES must be a whole number of at least 1, got 1:2"),
        ({"NNODES": "2", "NODE_RANK": "0"}, "NNODES=2 needs NODE_RANK .* and MASTER_ADDR"),
        ({"NNODES": "2", "MASTER_ADDR": "a"}, "NNODES=2 needs NODE_RANK"),
        (TWO | {"NODE_RANK": "2"}, "NODE_RANK must be less than NNODES=2, got 2"),
        (TWO | {"NODE_RANK": "first"}, "NODE_RANK must be a whole number of at least 0"),
        (TWO | {"MASTER_PORT": "0"}, "MASTER_PORT must be a whole number of at least 1"),
    ],
)
def test_variables_that_make_no_node_are_named(env, reason):
    with pytest.raises(ValueError, match=reason):
        node_of(env)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A recipe with data, a medium and a model, where a node would find them."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    row = {"id": "1", "messages": [], "images": [str(tmp_path / "a.png")]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    lines = ["ENV: {NPROC_PER_NODE: 1, FPS: 2}", "use_cpu: true", "model: ./m", "dataset: a.jsonl", "output_dir: out"]
    (tmp_path / "recipe.yaml").write_text("\n".join([*lines, ""]))
    return tmp_path


def report(folder, *flags, **env):
    return report_of(run_of(["recipe.yaml", *flags], folder, env)) | {"as": 1, "seen": True}


def test_nodes_with_the_same_files_have_no_fault(folder):
    first, second = (report(folder, NODE_RANK=rank, MASTER_PORT=rank) for rank in "01")
    assert faults_of(NODE, [first, second]) == []


def append(name, text):
    return lambda folder: open(folder / name, "a").write(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (append("recipe.yaml", "# other\n"), "other code than node 0 ({host}) (recipe.yaml): bring the same files"),
        (append("a.jsonl", "\n"), "other data than node 0 ({host}) (a.jsonl): convert once"),
        (append("a.png", "x"), " bytes): share the folder"),
        (lambda folder: (folder / "a.png").unlink(), "a.png: missing, not "),
        (append("m/config.json", " "), "other model than node 0 ({host}) (m/config.json): share"),
        (lambda folder: (folder / "m" / "x").touch(), "(m/x on one of them)"),
    ],
)
def test_other_files_are_named(folder, change, said):
    first = report(folder)
    change(folder)
    second = report(folder)
    (fault,) = faults_of(NODE, [first, second])
    assert fault.startswith(f"node 1 ({first['host']}) has other ")
    assert said.format(host=first["host"]) in fault


@pytest.mark.parametrize(
    ("flags", "env", "said"),
    [
        (["--learning_rate", "1e-4"], {}, "(--learning_rate: 1e-4, not none)"),
        (["--learning-rate=1e-4"], {}, "(--learning_rate: 1e-4, not none)"),
        ([], {"FPS": "4"}, "(FPS: 4, not 2)"),
        ([], {"VIDEO_MAX_PIXELS": "784"}, "(VIDEO_MAX_PIXELS: 784, not none)"),
        ([], {"WEIGHT_VERDICT": "4"}, "(WEIGHT_VERDICT: 4, not none)"),
        ([], {"NUM_GPUS": "4"}, "(NPROC_PER_NODE: 4, not 1)"),
        ([], {"NNODES": "3"}, "(NNODES: 3, not none)"),
    ],
)
def test_other_settings_are_named_with_their_values(folder, flags, env, said):
    (fault,) = faults_of(NODE, [report(folder), report(folder, *flags, **env)])
    assert "has other settings than node 0" in fault
    assert said in fault


def test_other_shares_of_the_data_are_named(folder):
    (fault,) = faults_of(NODE, [report(folder), report(folder, "--dataset", "a.jsonl#9")])
    assert "has other data than node 0" in fault


def test_other_packages_are_named(folder, monkeypatch):
    first = report(folder)
    monkeypatch.setattr(nodes, "library_versions", lambda: {"torch": "2.14"})
    (fault,) = faults_of(NODE, [first, report(folder)])
    assert "has other packages than node 0" in fault
    assert " and " in fault  # three are told, and how many more


def test_nodes_that_are_not_there_or_cannot_train_are_named(folder):
    first, second = report(folder), report(folder)
    assert "node 1 did not come to a:29500 within 300 s: start it with NODE_RANK=1" in faults_of(NODE, [first, None])[0]
    assert faults_of(NODE, [first, second | {"as": 2}])[0].startswith("2 nodes have NODE_RANK=1")
    broken = cannot_train(ValueError("no data")) | {"as": 1, "seen": False}
    assert faults_of(NODE, [first, broken]) == [f"node 1 ({first['host']}): no data"]
    assert faults_of(NODE, [broken, second]) == [f"node 0 ({first['host']}): no data"]


def test_checkpoints_are_written_to_a_folder_that_all_share_once(folder):
    first, second = (report(folder, "--save_on_each_node", "true") for _ in range(2))
    (unseen,) = faults_of(NODE, [first, second | {"seen": False}])
    assert f"does not see what node 0 ({first['host']}) writes to {folder / 'out'}: set OUTPUT_DIR" in unseen
    (twice,) = faults_of(NODE, [first, second])
    assert "would write over the checkpoints of node 0" in twice
