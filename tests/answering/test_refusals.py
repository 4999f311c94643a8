"""What a server refuses of a request is found out once, said, and done without; how videos are then sent as frames."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image

from swift_plugins.answering import server as module
from swift_plugins.answering.conversations import estimated
from swift_plugins.answering.sampling_frames import DEFAULT, Sampling, sampled, sampling_of
from swift_plugins.answering.server import Server
from tests.answering.misbehaving import GOOD, serving
from tests.answering.test_server import row
from tests.core.clips import number_of, write_clip


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr(module, "RETRIES", 0)


@pytest.fixture
def clip(tmp_path):
    """Eight seconds at ten frames a second, each of which shows its number."""
    return write_clip(tmp_path / "clip.mp4", frames=80)


def video_row(name, path):
    return row(name) | {
        "videos": [str(path)],
        "messages": [{"role": "user", "content": "Look: <video>\nReal or fake?"}],
    }


def parts_of(request):
    return request["messages"][0]["content"]


def refusing(*features, text="", status=400, seen):
    """A server that refuses requests with these features, in its own words or naming the first that is there."""

    def behave(request):
        seen.append(asked := request.asked)
        has = {"video_url": any(part["type"] == "video_url" for part in parts_of(asked))}
        bad = [name for name in features if has.get(name, name in asked)]
        if bad:
            return request.reply({"error": {"message": text or f"Unsupported: '{bad[0]}'."}}, status)
        request.reply(GOOD)

    return behave


def ask(behave, rows, most=4):
    with serving(behave) as url:
        return Server({"model": "m", "base_url": url}, most, 8).answer(rows)


@pytest.mark.parametrize(
    ("features", "text", "status"),
    [
        (["logprobs"], "", 400),
        (["logprobs"], "Bad request", 422),
        (["logprobs"], "logprobs are not supported by this model", 500),
        (["video_url"], "", 400),
        (["video_url"], "Bad request", 400),
        (["video_url"], "No endpoints found that support video input", 404),
        (["logprobs", "video_url"], "", 400),
        (["logprobs", "video_url"], "Bad request", 400),
        (["max_tokens", "temperature", "logprobs"], "", 400),
    ],
)
def test_what_a_server_refuses_is_found_out_with_the_first_row_and_told_once(clip, capsys, features, text, status):
    seen = []
    found = ask(refusing(*features, text=text, status=status, seen=seen), [video_row(str(i), clip) for i in range(8)])
    assert [one["response"] for one in found] == ["REAL"] * 8
    assert [one["asked_without"] for one in found] == [sorted(features)] * 8
    refused = [asked for asked in seen if any(name in asked for name in features)]
    assert len(seen) <= 8 + 3  # as many in vain as there are ways to leave something out
    said = capsys.readouterr().err
    assert len(refused) <= 3
    for feature in features:
        assert said.count(f" refuses {feature} (") == 1
    if "max_tokens" in features:
        assert seen[-1]["max_completion_tokens"] == 8


def test_a_row_that_is_refused_by_itself_changes_nothing_for_the_others():
    def behave(request):
        bad = "bad" in parts_of(request.asked)[0]["text"]
        request.reply({"error": "logprobs and video are fine, this text is not"} if bad else GOOD, 400 if bad else 200)

    rows = [row(str(i)) for i in range(4)]
    rows[2]["messages"][0]["content"] = "bad"
    found = ask(behave, rows, most=1)
    assert "HTTP 400" in str(found.pop(2))
    assert [set(one) & {"asked_without"} for one in found] == [set()] * 3


def test_an_error_within_a_reply_can_be_a_refusal():
    def behave(request):
        bad = "logprobs" in request.asked
        request.reply({"error": {"code": 400, "message": "logprobs is not supported"}} if bad else GOOD)

    (found,) = ask(behave, [row()])
    assert (found["response"], found["asked_without"]) == ("REAL", ["logprobs"])


def test_frames_stand_in_the_prompt_in_place_of_the_video_each_after_its_time(clip):
    seen = []
    ask(refusing("video_url", seen=seen), [video_row("a", clip)])
    parts = parts_of(seen[-1])
    assert [part["type"] for part in parts] == ["text", *["text", "image_url"] * 16, "text"]
    assert parts[0]["text"] == "Look: "
    assert parts[-1]["text"] == "\nReal or fake?"
    times = [part["text"] for part in parts[1:-1:2]]
    assert times == [f"Time {second / 2:.2f}s:" for second in range(16)]
    for number, part in enumerate(parts[2:-1:2]):
        kind, data = re.fullmatch("data:(.*);base64,(.*)", part["image_url"]["url"]).groups()
        assert kind == "image/jpeg"
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert number_of(picture) == 5 * number % 32


def test_how_many_frames_a_model_is_shown(clip):
    def seconds(sampling):
        return [round(second, 2) for second, _ in sampled(str(clip), sampling)]

    assert sampling_of("gpt-4.1") == sampling_of("Qwen/Qwen2.5-VL-7B-Instruct") == DEFAULT == Sampling(2.0, 180)
    assert len(seconds(sampling_of("LanguageBind/Video-LLaVA-7B-hf"))) == 8
    assert sampling_of("llava-hf/llava-onevision-qwen2-7b-ov-hf") == Sampling(1.0, 20)
    assert seconds(Sampling(1.0, 20)) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert seconds(Sampling(2.0, 3)) == [0, 3.9, 7.9]
    assert seconds(Sampling(30.0, 500))[-2:] == [7.8, 7.9]  # no frame twice
    assert seconds(Sampling(None, 1)) == [0]


def test_an_estimate_is_of_text_pictures_and_what_may_be_written(clip, tmp_path):
    Image.new("RGB", (280, 280)).save(tmp_path / "x.png")
    pictured = row() | {
        "images": [str(tmp_path / "x.png")],
        "messages": [{"role": "user", "content": "<image>" + "x" * 93}],
    }
    assert estimated(pictured, DEFAULT, 7) == (1, 23 + 100 + 1, 7)
    assert estimated(video_row("a", clip), DEFAULT, 7).read == pytest.approx(17 * 96 * 64 / 784 + 5, abs=2)
    assert estimated(row() | {"images": ["gone.png"]}, DEFAULT, 7).read == 4
