"""What was answered is not asked again, unless anything that it depends on is another now."""

from __future__ import annotations

import copy

import pytest
from PIL import Image

from eval import predict
from swift_plugins.answering import asking
from swift_plugins.answering import server as module
from swift_plugins.core.records import encode, read_rows
from tests.answering.misbehaving import GOOD, serving
from tests.answering.test_server import row


@pytest.fixture
def rows(tmp_path):
    found = []
    for number in range(3):
        Image.new("RGB", (8, 8), (80 * number, 0, 0)).save(tmp_path / f"{number}.png")
        one = row(f"r{number}") | {"images": [str(tmp_path / f"{number}.png")]}
        one["messages"][0]["content"] = f"<image>{number}"
        found.append(one)
    return found


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Answer rows into a new output with the cache; (the rows that were asked, the output)."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr(module, "RETRIES", 0)
    monkeypatch.setattr(asking.time, "perf_counter", lambda: 0.0)
    outs = iter(range(100))
    seen = []

    def behave(request):
        said = request.asked["messages"][0]["content"][-1]["text"]
        seen.append(said)
        request.reply(GOOD, 503 if "ill" in said else 200)

    with serving(behave) as url:

        def call(rows, *flags, model="m"):
            seen.clear()
            out = tmp_path / f"out{next(outs)}.jsonl"
            (tmp_path / "data.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in rows))
            server = ["--backend", "openai", "--base-url", url, "--model", model, "--cache", str(tmp_path / "cache")]
            assert predict.main([*server, "--data", str(tmp_path / "data.jsonl"), "--out", str(out), *flags]) == 0
            return sorted(seen), [one for _, one in read_rows(out)]

        yield call


def test_the_same_is_answered_from_the_cache(ask, rows):
    asked, first = ask(rows)
    assert asked == ["0", "1", "2"]
    assert ask(rows) == ([], first)
    more = copy.deepcopy(rows[1]) | {"id": "new"}
    asked, found = ask([more, *rows])
    assert asked == ["1"]
    assert found[1:] == first


@pytest.mark.parametrize("change", ["image", "prompt", "id", "task"])
def test_what_is_another_row_now_is_asked(ask, rows, change):
    ask(rows)
    if change == "image":  # under the same name
        Image.new("RGB", (8, 8), "white").save(rows[1]["images"][0])
    elif change == "prompt":
        rows[1]["messages"][0]["content"] = "<image>other"
    else:
        rows[1][change] = {"id": "other", "task": "dfj_detect"}[change]
    assert ask(rows)[0] == ["other" if change == "prompt" else "1"]
    assert ask(rows)[0] == []


def test_another_model_or_sampling_is_asked(ask, rows):
    ask(rows)
    assert len(ask(rows, model="n")[0]) == 3
    assert len(ask(rows, "--temperature", "1")[0]) == 3
    assert len(ask(rows, "--temperature", "1", "--seed", "2")[0]) == 3
    assert len(ask(rows, "--max-tokens", "9")[0]) == 3
    assert ask(rows)[0] == []


def test_an_error_is_not_kept_and_a_spoilt_file_is_no_answer(ask, rows, tmp_path):
    rows[0]["messages"][0]["content"] = "<image>ill"
    _, found = ask(rows)
    assert ["error" in one for one in found] == [True, False, False]
    assert ask(rows)[0] == ["ill"]
    for path in (tmp_path / "cache").rglob("*.json"):
        path.write_bytes(path.read_bytes()[:-5])
    assert ask(rows)[0] == ["1", "2", "ill"]
