"""Choosing images by their labels: all labels are covered where that can be, and evenly; the same for the same seed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from converters.choose_images import main
from converters.factories.set_cover import by_chance, choose, measured, table_of


def pool(images: int, labels: int, seed: int = 0) -> list[set[int]]:
    """Images with 1 to 8 labels each, of which a few are common and most are rare."""
    draw = random.Random(seed)
    weights = [1 / (i + 1) for i in range(labels)]
    return [{*draw.choices(range(labels), weights, k=draw.randint(1, 8))} for _ in range(images)]


def test_the_greedy_cover_is_found_where_all_images_are_looked_at():
    table = table_of([{0, 1, 2}, {2, 3}, {3, 4, 5}, {0}, {4}], 6)
    assert {*choose(table, 6, 2, 0)} == {0, 2}  # two images are the least that cover all six
    assert measured(table, 6, [0, 2]) == {"covered": 100.0, "evenness": 1.0, "rarest": 1, "median": 1.0, "commonest": 1}
    assert measured(table, 6, [3, 3, 4, 1]) == {
        "covered": 66.67,
        "evenness": pytest.approx(1.3322 / 1.7918, abs=1e-4),  # of the shares 2, 1, 1, 1 of 5
        "rarest": 0,
        "median": 1.0,
        "commonest": 2,
    }


@pytest.mark.parametrize("count", [60, 400])
def test_a_choice_covers_more_labels_and_more_evenly_than_chance(count):
    table = table_of(pool(4000, 150), 150)
    found, chance = measured(table, 150, choose(table, 150, count, 0)), by_chance(table, 150, count, 0)
    assert found["covered"] == 100 > chance["covered"]
    assert found["evenness"] > chance["evenness"] + 0.1
    assert found["commonest"] < chance["commonest"] / 2


def test_a_seed_gives_one_choice_of_different_images():
    table = table_of(pool(500, 50), 50)
    first = choose(table, 50, 100, 3)
    assert first == choose(table, 50, 100, 3) != choose(table, 50, 100, 4)
    assert len({*first}) == 100
    assert sorted(choose(table, 50, 500, 0)) == list(range(500))


def chosen(tmp_path: Path, name: str, text: str, *options: str) -> tuple[list[dict], dict]:
    (tmp_path / name).write_text(text)
    out = tmp_path / "out"
    assert main(["--pool", str(tmp_path / name), "--out", str(out), *options]) == 0
    rows = [json.loads(line) for line in (out / "chosen.jsonl").read_text().splitlines()]
    return rows, json.loads((out / "manifest.json").read_text())


def test_a_pool_may_have_a_row_for_each_label(tmp_path, capsys):
    text = "ImageID,LabelName,Confidence\na,cat,1\na,dog,1\nb,cat,1\nc,cow,0\nc,cat,1\nd,,1\n,cat,1\ne,cow,oops\n"
    options = ("--columns", "path=ImageID,labels=LabelName,confidence=Confidence", "--count", "1")
    rows, manifest = chosen(tmp_path, "p.csv", text, *options)
    assert rows == [{"path": "a", "labels": ["cat", "dog"]}]
    assert (manifest["images"], manifest["images_without_labels"], manifest["rows_not_read"]) == (4, 1, 1)
    assert manifest["labels"] == 2
    assert manifest["coverage"]["covered"] == 100 > manifest["coverage_by_chance"]["covered"]
    assert "100.0 % of the labels covered" in capsys.readouterr().out


def test_a_pool_may_have_a_list_for_each_image(tmp_path, capsys):
    listed = json.dumps([{"image": "a", "labels": ["x;y", "z"]}, {"image": "b", "labels": []}])
    rows, _ = chosen(tmp_path, "p.json", listed, "--columns", "image=image", "--count", "1")
    assert rows == [{"path": "a", "labels": ["x;y", "z"]}]
    rows, _ = chosen(tmp_path, "p.csv", "path,labels\na,x; y|z\nb,q\n", "--count", "1")
    assert rows == [{"path": "a", "labels": ["x", "y", "z"]}]
    assert "not covered: q" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,labels\na,x\n", "2 images are wanted, the pool has 1 with labels"),
        ("path,labels\na,\n", "no image has a label"),
        ("path,tags\na,x\n", "unknown column 'tags'"),
        (f"path,labels\na,{';'.join(map(str, range(1001)))}\nb,x\n", "an image has 1001 labels, 1000 are read"),
    ],
)
def test_a_pool_that_cannot_be_chosen_from_is_said(tmp_path, capsys, text, said):
    (tmp_path / "p.csv").write_text(text)
    assert main(["--pool", str(tmp_path / "p.csv"), "--out", str(tmp_path / "out"), "--count", "2"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
