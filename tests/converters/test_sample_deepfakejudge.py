"""The synthetic DeepfakeJudge-Dataset: laid out as published, the same for the same seed, and solvable by looking."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from converters import sample_deepfakejudge
from converters.sample_deepfakejudge import main
from converters.samples.drawing import SIZE
from converters.samples.reasoning import ARTIFACTS, BALLS, PLACES
from swift_plugins.core.tasks import dfj_pairwise, dfj_pointwise
from swift_plugins.core.tasks.candidates import neutralise
from swift_plugins.core.tasks.dfj_detect import parse_trained

JUDGED = [f"dfj-meta/dfj-meta-{kind}/{split}" for kind in ("pointwise", "pairwise") for split in ("train", "test")]
HUMAN = ["dfj-meta-human/pointwise", "dfj-meta-human/pairwise"]
FOLDERS = ["dfj-bench/dfj-detect", "dfj-bench/dfj-reason", *JUDGED, *HUMAN]
SMALL = ["--train", "24", "--test", "16", "--human", "16", "--bench", "16"]
FACTS = {words: fact for fact, wordings in (ARTIFACTS | BALLS).items() for words in wordings}


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def images(folder: Path) -> set[str]:
    """The hashes of the images below a folder."""
    return {digest for path, digest in files(folder).items() if path.endswith(".png")}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("made")
    assert main(["--out", str(out), *SMALL]) == 0
    return out


def read(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """folder -> its rows"""
    return {
        name: [json.loads(line) for line in (folder / name / "data.jsonl").open(encoding="utf-8")] for name in FOLDERS
    }


@pytest.fixture(scope="module")
def rows(made) -> dict[str, list[dict[str, Any]]]:
    return read(made)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> dict[str, list[dict[str, Any]]]:
    """The rows of a sample whose candidates hold no chatter."""
    out = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_deepfakejudge, "CHATTER", 0)
        for split, count in (("train", 24), ("test", 16), ("human", 16), ("bench", 16)):
            for folder in sample_deepfakejudge.FOLDERS[split]:
                (out / folder / "images").mkdir(parents=True)
                (out / folder / "data.jsonl").touch()
            for index in range(count):
                for folder, some in sample_deepfakejudge.make_image(out, 0, split, index).items():
                    with open(out / folder / "data.jsonl", "a", encoding="utf-8") as file:
                        file.writelines(json.dumps(row) + "\n" for row in some)
    return read(out)


def of(rows, kind: str) -> list[dict[str, Any]]:
    """The judges' rows of a kind, from every folder."""
    return [row for name in [*JUDGED, *HUMAN] if kind in name for row in rows[name]]


def candidates(row: dict[str, Any]) -> list[tuple[str, str]]:
    """The candidates of a prompt as (reasoning, verdict)."""
    return re.findall(r"<reasoning>([^<…]+)</reasoning> <answer>(real|fake)</answer>", row["messages"][0]["content"])


def fact_in(text: str) -> str | None:
    return next((fact for words, fact in FACTS.items() if words in text), None)


def test_layout_is_the_published_one(made, rows):
    named = {f"{name}/{row['images'][0].removeprefix('./')}" for name in FOLDERS for row in rows[name]}
    assert named | {f"{name}/data.jsonl" for name in FOLDERS} == set(files(made))
    starts = {row["images"][0].split("/")[0] for name in FOLDERS for row in rows[name]}
    assert starts == {".", "images"}
    assert {len(rows[name]) for name in FOLDERS} == {16, 8, 24 * 5, 16 * 5, 24 * 10, 16 * 10}


def test_every_image_has_the_same_form(made):
    assert {(i.size, i.mode, i.format) for i in map(Image.open, made.rglob("*.png"))} == {((SIZE, SIZE), "RGB", "PNG")}


def test_labels_are_those_of_the_paper(rows):
    for row in [row for name in [*JUDGED, *HUMAN] for row in rows[name]]:
        assert row["label"] in ("real", "fake", "edited")
    for name in JUDGED:
        counts = Counter(row["label"] for row in rows[name])
        assert counts["real"] == 2 * counts["fake"] == 2 * counts["edited"]


def test_no_image_is_in_two_splits_and_reason_is_within_detect(made):
    hashes: dict[str, set[str]] = {}
    for path, digest in files(made).items():
        if path.endswith(".png"):
            split = re.search(r"images/([a-z]+)_", path).group(1)
            hashes.setdefault(digest, set()).add(split)
    assert {len(splits) for splits in hashes.values()} == {1}
    assert len(hashes) == 24 + 16 + 16 + 16
    names = {name: {path.name for path in (made / name / "images").iterdir()} for name in FOLDERS}
    assert names["dfj-bench/dfj-reason"] < names["dfj-bench/dfj-detect"]
    assert names[JUDGED[0]] == names[JUDGED[2]]
    assert names[JUDGED[1]] == names[JUDGED[3]]


def test_grades_are_even_and_read_back(rows):
    for name in (name for name in [*JUDGED, *HUMAN] if "pointwise" in name):
        assert len(set(Counter(row["score"] for row in rows[name]).values())) == 1
    for row in of(rows, "pointwise"):
        answer = dfj_pointwise.parse_trained(row["messages"][1]["content"]).answer
        assert answer.score == row["score"]
        assert dfj_pointwise.render(answer) == row["messages"][1]["content"]


def test_pairs_are_even_and_read_back(rows):
    for name in (name for name in [*JUDGED, *HUMAN] if "pairwise" in name):
        for label in ("real", "fake", "edited"):
            counts = Counter(row["answer"] for row in rows[name] if row["label"] == label)
            assert counts["A"] == counts["B"]
    for row in of(rows, "pairwise"):
        answer = dfj_pairwise.parse_trained(row["messages"][1]["content"]).answer
        assert answer.better == row["answer"]
        first, second = map(int, re.findall(r"deserves ([1-5])", answer.reasoning))
        assert (first > second) == (row["answer"] == "A")
        assert first != second


def test_a_candidate_is_a_detectors_answer_and_stays_as_it_is(plain):
    for kind, count in (("pointwise", 1), ("pairwise", 2)):
        for row in of(plain, kind):
            found = candidates(row)
            assert len(found) == count
            for body, verdict in found:
                text = f"<reasoning>{body}</reasoning> <answer>{verdict}</answer>"
                assert neutralise(text) == text
                assert parse_trained(text).answer is not None


def test_each_grade_is_what_it_says(plain):
    """The truth about an image is what its row of the best candidate says; the other grades are held against it."""
    best = {row["images"][0]: candidates(row)[0][0] for row in of(plain, "pointwise") if row["score"] == 5}
    for row in of(plain, "pointwise"):
        (body, verdict), truth = candidates(row)[0], best[row["images"][0]]
        right = verdict == ("real" if row["label"] == "real" else "fake")
        same, placed = fact_in(body) == fact_in(truth), any(place in body for place in PLACES)
        assert right == (row["score"] > 1)
        if row["score"] == 3:
            assert fact_in(body) is None
        else:
            assert same == (row["score"] > 3)
        if row["score"] > 3:
            assert placed == (row["score"] == 5)


def test_only_the_image_tells_a_hallucination_from_what_is_there(plain):
    """Everything that a 2 says of an image, a 5 or a 4 says of another image of the same label."""
    forms: dict[int, set[tuple[str, str]]] = {}
    for row in of(plain, "pointwise"):
        truth = "real" if row["label"] == "real" else "fake"
        words = re.sub("|".join(PLACES), "PLACE", candidates(row)[0][0])
        form = words.replace(next((w for w in FACTS if w in words), "-"), "FACT")
        forms.setdefault(row["score"], set()).add((truth, form))
    assert forms[2] == forms[5] | forms[4]
    assert not forms[5] & forms[4]


def test_the_judgement_says_what_the_image_shows(plain):
    for row in of(plain, "pointwise"):
        text = row["messages"][1]["content"]
        shown = text.split("The image shows this: ")[1]
        assert shown.startswith("that,") == (row["score"] > 3)
        assert fact_in(text.split("The image")[0]) == fact_in(candidates(row)[0][0])


def test_some_candidates_hold_chatter_that_is_only_text_and_changes_no_grade(rows, plain):
    prompts = [row["messages"][0]["content"] for row in of(rows, "pointwise")]
    said = [prompt.partition("Candidate: ")[2].partition("\n\nScore")[0] for prompt in prompts]
    usual = {form_of(row) for row in of(plain, "pointwise")}
    assert all(neutralise(text) == text for text in said)
    assert not any(token in text for text in said for token in ("<score>", "<|", "[INST]"))
    odd = [row for row in of(rows, "pointwise") if form_of(row) not in usual]
    assert 0.1 < len(odd) / len(said) < 0.3
    assert set(Counter(row["score"] for row in odd)) == {1, 2, 3, 4, 5}


def form_of(row: dict[str, Any]) -> str:
    """A prompt's candidate without the facts and places that it names."""
    text = row["messages"][0]["content"].partition("Candidate: ")[2]
    return re.sub("|".join([*FACTS, *PLACES]), "…", text)


def test_annotators_mostly_agree(rows):
    for name, gold in zip(HUMAN, ("score", "answer"), strict=True):
        hits = [rating == row[gold] for row in rows[name] for rating in row["ratings"]]
        assert 0.6 < np.mean(hits) < 1
        assert {len(row["ratings"]) for row in rows[name]} == {2}
    assert not any("ratings" in row for name in JUDGED for row in rows[name])


def test_a_box_holds_what_its_description_says(made, rows):
    for row in rows["dfj-bench/dfj-reason"]:
        picture = np.asarray(Image.open(made / "dfj-bench/dfj-reason" / row["images"][0])).astype(int)
        (box,) = row["bboxes"]
        x0, y0, x1, y1 = box["bbox"]
        assert 0 <= x0 < x1 <= SIZE
        assert 0 <= y0 < y1 <= SIZE
        assert fact_in(box["description"]) == fact_in(row["reasoning"])
        jumps = abs(np.diff(picture.sum(axis=2), axis=1))
        assert jumps[y0:y1, x0:x1].max() > 100
        assert row["answer"] in ("real", "fake")


def test_the_seed_decides_every_byte(made, tmp_path):
    assert main(["--out", str(tmp_path / "again"), *SMALL, "--workers", "1"]) == 0
    assert files(tmp_path / "again") == files(made)
    assert main(["--out", str(tmp_path / "other"), *SMALL, "--seed", "1"]) == 0
    assert not images(tmp_path / "other") & images(made)


def test_more_images_leave_the_others_as_they_are(made, tmp_path):
    assert main(["--out", str(tmp_path / "more"), *SMALL, "--train", "28"]) == 0
    more = files(tmp_path / "more")
    few = {path: digest for path, digest in files(made).items() if path.endswith(".png") or "train" not in path}
    assert few.items() <= more.items()


@pytest.mark.parametrize(("option", "least"), [("--train", 1), ("--test", 0), ("--human", 0), ("--workers", 1)])
def test_a_number_that_makes_no_sense_is_refused(tmp_path, capsys, option, least):
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path / "out"), f"{option}=-1"])
    assert f"{option}: must be a whole number of at least {least}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
