"""The linear probe: what it learns, what is kept on the disk, and rows that have no features."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from eval import probe, score
from eval.probe import Extraction, answers, fit, main
from swift_plugins.answering.asking import Asking, media_hash, media_of_all
from swift_plugins.answering.engine import Engine
from swift_plugins.core.media import content_hashes
from swift_plugins.core.tasks import fakevlm

MODEL = {"model": "none", "adapter": None}


def test_a_probe_finds_the_direction_that_tells_the_classes_apart():
    rng = np.random.default_rng(0)
    labels = ["fake", "real"] * 200
    features = rng.normal(0, 1, (400, 8)).astype(np.float32)
    features[:, 3] = 1000 + 50 * features[:, 3] + 200 * (np.array(labels) == "fake")  # of another scale than the rest
    found = fit(features, labels, 0)
    said = answers(found, features)
    right = [one["response"] == fakevlm.render(fakevlm.Answer(label)) for one, label in zip(said, labels, strict=True)]
    assert np.mean(right) > 0.95
    assert all((one["p_fake"] > 0.5) == (one["response"] == "This is a fake image.") for one in said)


def test_rows_without_features_are_neither_learned_from_nor_answered():
    features = np.array([[0.0], [1.0], [np.nan], [0.1]], np.float32)
    said = answers(fit(features, ["real", "fake", "fake", "real"], 0), features)
    assert isinstance(said[2], ValueError)
    assert said[1]["p_fake"] > said[0]["p_fake"]


def test_one_class_teaches_nothing():
    with pytest.raises(ValueError, match="must hold real and fake rows"):
        fit(np.array([[0.0], [1.0], [np.nan]], np.float32), ["real", "real", "fake"], 0)


# ------------------------------------------------------------------------------------------------------------ features


@pytest.fixture
def data(tmp_path):
    """Rows on 7 images, of which the fifth is damaged."""
    for i in range(7):
        Image.new("L", (8, 8), 10 * i).save(tmp_path / f"{i}.png")
    (tmp_path / "4.png").write_bytes(b"no image")
    rows = [
        {
            "id": str(i),
            "task": "fakevlm",
            "images": [str(tmp_path / f"{i}.png")],
            "messages": [{"role": "user", "content": fakevlm.QUESTION}],
            "meta": {"label": fakevlm.VERDICTS[i % 2], "split": "test"},
        }
        for i in range(7)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Moody:
    """An engine that fails on batches that hold the row "1" and more, and always on row "5"."""

    def __init__(self):
        self.asked = []

    def features(self, rows):
        ids = [row["id"] for row in rows]
        self.asked.append(ids)
        if ("1" in ids and len(ids) > 1) or "5" in ids:
            raise RuntimeError("out of memory")
        return np.array([[float(i), 1.0] for i in ids], np.float32)


@pytest.fixture
def extract(tmp_path, data, monkeypatch):
    """Extract the features of the rows with an engine in shards of 4 rows; None loads none."""
    monkeypatch.setattr(probe, "SHARD", 4)

    def call(engine):
        def start(self):
            assert engine is not None, "the model was loaded"
            return engine

        monkeypatch.setattr(Asking, "start", start)
        asking = Asking("model", MODEL, "transformers", None, 3, 1, "header", 1)
        return Extraction(asking, tmp_path / "features").features(probe.read_rows(data), data)

    return call


def test_a_batch_that_fails_costs_only_the_rows_that_fail_alone(extract):
    found = extract(Moody())
    assert found[[0, 1, 2, 3, 6], 0].tolist() == [0, 1, 2, 3, 6]
    assert np.isnan(found[[4, 5]]).all()


def test_features_are_kept_and_a_run_that_was_killed_goes_on(extract, tmp_path):
    first = extract(Moody())
    again = extract(None)
    assert np.array_equal(first, again, equal_nan=True)
    shards = sorted((tmp_path / "features").glob("*/*.npy"))
    assert [shard.name for shard in shards] == ["00000.npy", "00001.npy"]
    shards[1].unlink()
    engine = Moody()
    assert np.array_equal(extract(engine), first, equal_nan=True)
    assert {i for ids in engine.asked for i in ids} == {"5", "6"}


def test_other_rows_have_features_of_their_own(extract, data, tmp_path):
    extract(Moody())
    data.write_text(data.read_text().replace('"split": "test"', '"split": "val"'))
    extract(Moody())
    assert len(list((tmp_path / "features").iterdir())) == 2


def test_other_pictures_under_the_same_names_have_features_of_their_own(extract, tmp_path):
    extract(Moody())
    Image.new("RGB", (8, 8), "red").save(tmp_path / "0.png")
    engine = Moody()
    extract(engine)
    assert engine.asked


def test_where_nothing_can_be_read_there_is_one_clear_line(extract, data, tmp_path):
    for path in tmp_path.glob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(ValueError, match="none of 4 rows from '0' on can be read: the image cannot be read"):
        extract(Moody())


@pytest.fixture
def command(tmp_path, data, monkeypatch):
    """Run the command with an engine whose features tell the rows' order."""
    model = MODEL | {"task_type": "causal_lm", "vision": {}, "trained": {}}
    monkeypatch.setattr(Engine, "settings", staticmethod(lambda name, recipe, base_url, base: model))
    monkeypatch.setattr(Asking, "start", lambda self: Moody())

    def call(*options):
        return main(
            ["--model", "x", "--train", str(data), "--data", str(data), "--out", str(tmp_path / "o.jsonl"), *options]
        )

    return call


def test_the_output_is_what_the_scorer_reads(command, tmp_path, capsys, data):
    assert command() == 0
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows if "error" in row] == ["4", "5"]
    assert "latency_s" not in rows[0]  # it had no time of its own
    assert json.loads((tmp_path / "o.jsonl.run.json").read_text())["probe"]["width"] == 2
    for gold in ([], ["--gold", str(data)]):
        capsys.readouterr()
        assert score.main(["--pred", str(tmp_path / "o.jsonl"), "--json", *gold]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["n"], report["n_unparsed"]) == (7, 2)
        assert report["metrics"]["auc"]["value"] is not None
    before = (tmp_path / "o.jsonl").read_bytes()
    assert command() == 0
    assert (tmp_path / "o.jsonl").read_bytes() == before


def test_the_order_of_rows_does_not_change_what_a_record_says_of_their_media(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    rows = [{"id": name, "images": [str(tmp_path / name)]} for name in "ab"]
    hashes = content_hashes(media_of_all(rows))
    assert media_hash(rows, hashes) == media_hash(rows[::-1], hashes) is not None


def test_what_another_run_wrote_is_not_replaced(command, tmp_path, capsys):
    assert command() == 0
    assert command("--seed", "1") == 2
    assert "the output was made with other settings (probe differ" in capsys.readouterr().err
    (tmp_path / "o.jsonl.run.json").unlink()
    (tmp_path / "o.jsonl").write_text("mine\n")
    assert command() == 2
    assert (tmp_path / "o.jsonl").read_text() == "mine\n"


def test_rows_of_another_task_are_refused(data, tmp_path, capsys):
    data.write_text(data.read_text().replace('"fakevlm"', '"dfj_detect"', 1))
    assert main(["--model", "x", "--train", str(data), "--data", str(data), "--out", str(tmp_path / "o.jsonl")]) == 2
    assert "a probe needs rows of fakevlm" in capsys.readouterr().err
