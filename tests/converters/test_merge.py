"""Mixtures of converted datasets: how often rows are taken, what leaks is set aside, one manifest tells of all."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from converters import folder_to_swift, table_to_swift
from converters.merge import main
from swift_plugins.core.manifests import describe_data
from swift_plugins.core.records import read_training_rows
from tests.converters.test_folder import tree


def dataset(root: Path, name: str, text: str, *shades: int) -> Path:
    """A folder that the table converter wrote, of images 0.png, 1.png … of these shades."""
    src = tree(root / name / "Set", *(f"{i}.png" for i in range(len(shades))))
    for i, shade in enumerate(shades):
        Image.new("RGB", (16, 16), (shade, 7, 7)).save(src / f"{i}.png")
    (src / "t.csv").write_text(f"path,label,split\n{text}")
    out = root / name / "out"
    assert table_to_swift.main(["--src", str(src), "--out", str(out), "--workers", "1", "--dataset", name]) == 0
    return out.rename(root / f"data-{name}")


A = "0.png,real,train\n1.png,fake,train\n2.png,fake,test\n3.png,real,train\n"
B = "0.png,fake,train\n1.png,real,train\n2.png,real,val\n"


@pytest.fixture
def mix(tmp_path, capsys):
    """Merge into a folder; returns (rows by split, manifest)."""

    def call(*data: str, options: tuple[str, ...] = (), fails: bool = False):
        out = tmp_path / "mixed"
        code = main(["--data", *data, "--out", str(out), *options])
        call.said = capsys.readouterr()
        assert code == 2 * fails, call.said.err
        if fails:
            return None
        manifest = json.loads((out / "manifest.json").read_text())
        return {
            split: [row for _, row in read_training_rows(out / f"{split}.jsonl")] for split in manifest["counts"]
        }, manifest

    return call


def test_training_rows_are_taken_as_often_as_their_weight_says(mix, tmp_path):
    a, b = dataset(tmp_path, "a", A, 1, 2, 3, 4), dataset(tmp_path, "b", B, 5, 6, 7)
    rows, manifest = mix(str(a), f"{b}=2.5")
    assert {split: len(some) for split, some in rows.items()} == {"train": 3 + 5, "val": 1, "test": 1}
    assert Counter(row["meta"]["mixed_from"] for row in rows["train"]) == {"data-a": 3, "data-b": 5}
    ids = [row["id"] for some in rows.values() for row in some]
    assert len({*ids}) == len(ids)
    assert len({tuple(row["meta"]) for some in rows.values() for row in some}) == 1
    assert manifest["datasets"]["data-b"] == {"weight": 2.5, "rows": 6, "task": "fakevlm"}
    facts = describe_data(str(tmp_path / "mixed" / "train.jsonl"))
    assert (facts["task"], facts["media_checked"]) == ("fakevlm", "header")
    before = (tmp_path / "mixed" / "train.jsonl").read_bytes()
    mix(str(a), f"{b}=2.5")
    assert (tmp_path / "mixed" / "train.jsonl").read_bytes() == before


def test_what_stands_in_a_held_out_split_of_another_dataset_leaves_training(mix, tmp_path):
    a, b = dataset(tmp_path, "a", A, 1, 2, 3, 4), dataset(tmp_path, "b", B, 3, 6, 4)
    rows, manifest = mix(str(a), str(b))
    assert [row["id"] for row in rows["train"]] == ["data-a/0.png", "data-a/1.png", "data-b/1.png"]
    rejects = [row for _, row in read_rejects(tmp_path / "mixed")]
    assert [(row["id"], row["reason"]) for row in rejects] == [
        ("data-a/3.png", "leakage: its medium is in the val split of data-b"),
        ("data-b/0.png", "leakage: its medium is in the test split of data-a"),
    ]
    assert manifest["leakage"]["train_and_test"] == manifest["leakage"]["train_and_test_of_another"] == 1
    assert "leakage: 1 contents stand in train and in test, 1 of them across datasets" in mix.said.out
    kept, _ = mix(str(a), str(b), options=("--keep-leaks",))
    assert len(kept["train"]) == 5


def read_rejects(out: Path):
    return [(i, json.loads(line)) for i, line in enumerate((out / "rejects.jsonl").read_text().splitlines())]


def test_what_datasets_call_real_and_fake_is_told(mix, tmp_path):
    a, b = dataset(tmp_path, "a", A, 1, 2, 3, 4), dataset(tmp_path, "b", B, 1, 6, 7)
    assert mix(str(a), str(b))[1]["called_both"] == {"contents": 1}
    assert "1 contents are called real and fake" in mix.said.out


def test_what_cannot_be_merged_is_said(mix, tmp_path):
    a = dataset(tmp_path, "a", A, 1, 2, 3, 4)
    for data, said in (
        ((str(tmp_path),), "holds no manifest.json: name the folder that a converter wrote"),
        ((str(a), str(a)), "is named twice; give it a weight of 2"),
    ):
        mix(*data, fails=True)
        assert said in mix.said.err
    with pytest.raises(SystemExit):
        main(["--data", f"{a}=-1"])
    assert main(["--data", str(a), "--out", str(a)]) == 2
    other = shutil.copytree(a, tmp_path / "other")
    with open(other / "train.jsonl", "a") as file:
        file.write("\n")
    mix(str(a), str(other), fails=True)
    assert "is not the file that" in mix.said.err
    shutil.copyfile(a / "train.jsonl", other / "train.jsonl")
    text = (other / "manifest.json").read_text()
    (other / "manifest.json").write_text(text.replace('"task_version": "1', '"task_version": "0'))
    mix(str(a), str(other), fails=True)


def test_folders_of_one_name_are_told_apart(mix, tmp_path):
    a, b = dataset(tmp_path / "x", "a", A, 1, 2, 3, 4), dataset(tmp_path / "y", "a", B, 5, 6, 7)
    assert set(mix(str(a), str(b))[1]["datasets"]) == {"x/data-a", "y/data-a"}


def test_a_mixture_is_read_whatever_is_in_its_first_10_mb(tmp_path):
    """As ms-swift reads it: none and empty lists tell no type, and what stands behind must fit."""
    datasets = pytest.importorskip("datasets")
    from converters.conversion.output import typed_first

    rows = [{"id": str(i), "text": "x" * 3000, "late": None, "boxes": []} for i in range(4000)]
    rows.append({"id": "last", "text": "", "late": 1.5, "boxes": [1.0], "more": "a"})
    path = tmp_path / "mixed.jsonl"
    ordered = [rows[i] for i in typed_first(rows, [""] * len(rows))]
    assert [row["id"] for row in ordered[:3]] == ["0", "last", "1"]
    path.write_text("\n".join(map(json.dumps, ordered)))
    read = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert (len(read), read[1]["late"]) == (4001, 1.5)


def test_datasets_of_several_converters_are_one(mix, tmp_path):
    a = dataset(tmp_path, "a", A, 1, 2, 3, 4)
    src = tree(tmp_path / "Own", "real/1.png", "fake/2.png")
    out = tmp_path / "folder"
    assert folder_to_swift.main(["--src", str(src), "--out", str(out), "--split", "train", "--workers", "1"]) == 0
    rows, _ = mix(str(a), str(out))
    assert {row["meta"]["dataset"] for row in rows["train"]} == {"a", "own"}
    assert len({tuple(row["meta"]) for row in rows["train"]}) == 1
