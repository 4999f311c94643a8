"""ms-swift reads rows of ours with their boxes in the space that is set."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("swift")

from swift_plugins import register  # noqa: F401
from swift_plugins.core.settings import BOX_SPACE, VISION_ENV
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.tasks.deeptrace_answer import Answer

META = {"box_space": "pixel", "width": 1280, "height": 720, "duration": 5.0, "fps": 24.0, "label": "fake"}
BOXES = {"norm1000": (250, 250, 750, 750), "resized": (252, 140, 756, 420), "pixel": (320, 180, 960, 540)}


@pytest.fixture
def file(tmp_path, monkeypatch):
    for name in VISION_ENV:
        monkeypatch.delenv(name, raising=False)
    said = deeptrace.render(Answer("fake", BOXES["pixel"], 1.0, "It melts."))
    turns = [{"role": "user", "content": "<video> Real?"}, {"role": "assistant", "content": said}]
    row = {"task": "deeptrace", "messages": turns, "videos": ["a.mp4"], "meta": META | {"bbox": [320, 180, 960, 540]}}
    other = {"task": "fakevlm", "messages": turns, "videos": ["a.mp4"], "meta": META | {"bbox": [0.0]}}
    lines = [{"id": f"{i}"} | (other if i == 2 else row) for i in range(4)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(tmp_path / "train.jsonl")


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_answers_are_restated_as_a_file_is_read(file, monkeypatch, streaming):
    """Also from the cache, which one space must not find another's rows in."""
    from swift.dataset import load_dataset

    for space, box in BOXES.items():
        monkeypatch.setenv(BOX_SPACE, space)
        for cached in (False, True):
            read, _ = load_dataset(file, streaming=streaming, load_from_cache_file=cached, strict=True)
            found = [deeptrace.parse_trained(row["messages"][-1]["content"]).answer.bbox for row in read]
            assert found == [box, box, BOXES["pixel"], box]
            assert "meta" not in next(iter(read))


def test_a_row_for_another_base_ends_the_reading(file, monkeypatch):
    from swift.dataset import load_dataset

    rows = [json.loads(line) for line in open(file, encoding="utf-8")]
    rows[1]["meta"]["box_space"] = "resized"
    with open(file, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    monkeypatch.setenv(BOX_SPACE, "norm1000")
    with pytest.raises(ValueError, match="its boxes are stated in resized, for another base"):
        load_dataset(file, strict=True)
