"""What a training takes together: samples are recorded, and data that contradict it or each other are refused."""

from __future__ import annotations

import json

import pytest

from swift_plugins.core.manifests import FILE
from swift_plugins.core.mixtures import describe_all, sampled
from swift_plugins.core.records import sha256_file
from swift_plugins.core.settings import BOX_SPACE
from swift_plugins.core.tasks import deeptrace

META = {"width": 1280, "height": 720, "duration": 5.0, "fps": 24.0, "setting": "full"}
RESIZED = {"box_space": "resized", "box_width": 1008, "box_height": 560}


@pytest.fixture
def dataset(tmp_path):
    """A function that makes a dataset of one row, with a manifest where facts are given, and returns its file."""

    def make(name: str, facts: dict | None = None, **meta) -> str:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        file = folder / "train.jsonl"
        row = {"id": name, "task": "deeptrace", "meta": META | meta}
        file.write_text(json.dumps(row) + "\n")
        if facts is not None:
            made = {"task": "deeptrace", "task_version": deeptrace.VERSION, "files": {file.name: sha256_file(file)}}
            (folder / FILE).write_text(
                json.dumps(made | {"box_space": meta.get("box_space"), "setting": "full"} | facts)
            )
        return str(file)

    return make


def describe(*stated, settings=None, model_type="qwen2_5_vl"):
    return describe_all(stated, settings or {}, model_type, 42)


@pytest.mark.parametrize("facts", [{}, None], ids=["with a manifest", "without"])
def test_boxes_on_the_frame_that_the_model_sees_fit(dataset, facts):
    file = dataset("a", facts, **RESIZED)
    assert [data["path"] for data in describe(file)] == [file]
    # Other limits that make the same frame are no contradiction.
    assert describe(file, settings={"VIDEO_MAX_PIXELS": "602500", "VIDEO_MIN_PIXELS": "784"})


@pytest.mark.parametrize(
    "settings",
    [
        {"VIDEO_MIN_PIXELS": "602112", "VIDEO_MAX_PIXELS": "602112"},
        {"VIDEO_MAX_PIXELS": "602112", "VIDEO_MAX_TOKEN_NUM": "64"},
        {"MODEL_SEQ_LEN": "1000"},
        {"SPATIAL_MERGE_SIZE": "1"},
    ],
)
@pytest.mark.parametrize("facts", [{}, None], ids=["with a manifest", "without"])
def test_boxes_on_another_frame_are_refused_whatever_moves_it(dataset, settings, facts):
    with pytest.raises(ValueError, match=r"train.jsonl:1: its box is stated on a frame of 1008x560, the model sees "):
        describe(dataset("a", facts, **RESIZED), settings=settings)


def test_boxes_on_resized_frames_need_a_model_whose_frames_are_known(dataset):
    with pytest.raises(ValueError, match="which frame llava1_5_hf sees is not known: convert with another --box-space"):
        describe(dataset("a", {}, **RESIZED), model_type="llava1_5_hf")
    describe(dataset("a", {}, box_space="pixel"), model_type="llava1_5_hf")


def test_boxes_in_two_spaces_are_refused(dataset):
    pixel, norm = dataset("a", {}, box_space="pixel"), dataset("b", {}, box_space="norm1000")
    with pytest.raises(ValueError, match=r"b/train.jsonl has boxes in the space norm1000, .*a/train.jsonl in pixel"):
        describe(pixel, norm)
    with pytest.raises(ValueError, match="in the space norm1000"):
        describe(pixel, dataset("c", None, box_space="norm1000"))
    describe(pixel, dataset("d", {}, box_space="pixel"))
    describe(pixel, dataset("e", {"setting": "label_only"}, box_space="norm1000"))  # has no boxes
    describe(pixel, dataset("f", {"task": "fakevlm", "task_version": None, "box_space": None}))


@pytest.mark.parametrize("facts", [{}, None], ids=["with a manifest", "without"])
def test_boxes_in_source_pixels_are_trained_and_recorded_in_the_space_that_is_set(dataset, facts):
    file = dataset("a", facts, box_space="pixel", bbox=[128, 72, 640, 360])
    for base, space in (("qwen2_5_vl", "resized"), ("qwen3_vl", "norm1000"), ("videollama3", "norm1000")):
        (found,) = describe(file, settings={BOX_SPACE: space}, model_type=base)
        assert found.get("box_space") == (space if facts is not None else None)
    mixed = dataset("b", {}, box_space="norm1000")
    describe(file, mixed, settings={BOX_SPACE: "norm1000"}, model_type="qwen3_vl")


@pytest.mark.parametrize(
    ("stated", "base", "problem"),
    [
        (
            "norm1000",
            "qwen2_5_vl",
            "qwen2_5_vl states boxes in resized, not in norm1000, which it does not have: conve",
        ),
        ("ratio", "videollama3", "videollama3 states boxes in norm1000, not in ratio"),
        ("resized", "videollama3", "videollama3 states boxes in norm1000, not in resized"),
    ],
)
@pytest.mark.parametrize("facts", [{}, None], ids=["with a manifest", "without"])
def test_data_for_another_base_are_refused(dataset, facts, stated, base, problem):
    file = dataset("a", facts, **RESIZED | {"box_space": stated})
    with pytest.raises(ValueError, match=rf"a/train.jsonl(:1)?: {problem}"):
        describe(file, model_type=base)
    own = "resized" if base == "qwen2_5_vl" else "norm1000"
    with pytest.raises(ValueError, match=f"a/train.jsonl:1: its boxes are stated in {stated}, for another base"):
        describe(file, settings={BOX_SPACE: own}, model_type=base)
    pixel = dataset("b", facts, box_space="pixel", bbox=[])
    with pytest.raises(ValueError, match=problem):
        describe(pixel, settings={BOX_SPACE: stated}, model_type=base)


def test_a_sample_is_recorded_with_its_size_and_seed(dataset):
    file = dataset("a#b", {}, box_space="pixel")
    assert sampled(file) == (file, None)
    assert sampled(f"{file}#20") == (file, 20)
    whole, some = describe(file, f"{file}#20")
    assert "sample" not in whole
    assert (some["path"], some["sha256"]) == (whole["path"], whole["sha256"])
    assert (some["sample"], some["data_seed"]) == (20, 42)


def test_data_of_a_hub_are_not_described(dataset):
    assert describe("org/name#500", "org/name") == []
