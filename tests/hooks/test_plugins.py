"""What ms-swift loads: registration, loss weights, the template's token ids and boxes, the metric, the data check."""

import importlib
import json
import os
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("swift")

from swift_plugins import register  # noqa: F401
from swift_plugins.core.preflight import Lengths
from swift_plugins.core.settings import VISION_ENV, apply_vision_settings, vision_settings
from swift_plugins.core.tasks import TASKS, deeptrace, dfj_detect, dfj_pairwise, dfj_pointwise
from swift_plugins.core.tasks.deeptrace_answer import Answer
from swift_plugins.core.vision import Vision
from swift_plugins.hooks.losses import KINDS, loss_weights
from swift_plugins.hooks.metrics import verdict_scores
from tests.core.clips import write_clip

ANSWER = deeptrace.render(Answer("fake", (4.0, 4.0, 52.0, 52.0), 1.5, "Object merging: two balls merge."))


def test_everything_is_registered():
    from swift.callbacks import callbacks_map
    from swift.loss_scale import loss_scale_map
    from swift.metrics import eval_metrics_map
    from swift.template import TEMPLATE_MAPPING

    assert "forensics" in callbacks_map
    assert set(TASKS) <= set(loss_scale_map)
    assert "verdict" in eval_metrics_map
    names = ("qwen2_5_vl", "qwen3_vl", "qwen3_5", "llava1_5")
    assert {f"forensic_{name}" for name in names} <= TEMPLATE_MAPPING.keys()


def test_registering_does_not_shadow_modules_by_those_of_the_plugin_folder():
    assert not any(path.endswith("swift_plugins") for path in sys.path)


# -------------------------------------------------------------------------------------------------------- loss weights


def weigh(monkeypatch, **weights):
    """Set these weights in the environment and no others."""
    for kind in KINDS:
        monkeypatch.delenv(f"WEIGHT_{kind.upper()}", raising=False)
    for kind, weight in weights.items():
        monkeypatch.setenv(f"WEIGHT_{kind.upper()}", str(weight))


def loss_scale(task):
    from swift.loss_scale import loss_scale_map

    return loss_scale_map[task]()


def test_parts_of_an_answer_get_their_own_weights(monkeypatch):
    weigh(monkeypatch, verdict=4, bbox=2, time=3, explanation=6, other=0.5)
    pieces, weights = loss_scale("deeptrace").get_loss_scale(ANSWER)
    assert "".join(pieces) == ANSWER
    by_piece = dict(zip(pieces, weights, strict=True))
    assert by_piece["FAKE"] == 4
    assert by_piece[" [4, 4, 52, 52]"] == 2
    assert by_piece[" 1.5"] == 3
    assert by_piece[" Object merging: two balls merge."] == 6
    assert by_piece[" seconds. The reason is because"] == 0.5


@pytest.mark.parametrize(
    ("task", "answer", "parts"),
    [
        ("dfj_pointwise", dfj_pointwise.render(dfj_pointwise.Answer(2, "Not so.")), {"Not so.": 3, "2": 5}),
        ("dfj_pairwise", dfj_pairwise.render(dfj_pairwise.Answer("B")), {"B": 7}),
        ("dfj_detect", dfj_detect.render(dfj_detect.Answer("real", "It fits.")), {"It fits.": 3, "real": 7}),
    ],
)
def test_the_parts_of_every_tasks_answer_can_be_weighted(monkeypatch, task, answer, parts):
    weigh(monkeypatch, reasoning=3, score=5, answer=7, other=0.5)
    pieces, weights = loss_scale(task).get_loss_scale(answer)
    assert "".join(pieces) == answer
    by_piece = dict(zip(pieces, weights, strict=True))
    assert {piece: weight for piece, weight in by_piece.items() if weight != 0.5} == parts
    assert loss_weights() == dict.fromkeys(KINDS, 1) | {"reasoning": 3, "score": 5, "answer": 7, "other": 0.5}


@pytest.mark.parametrize("task", TASKS)
def test_without_weights_training_is_the_papers(monkeypatch, task):
    weigh(monkeypatch)
    assert loss_scale(task).get_loss_scale(ANSWER) == ([ANSWER], [1.0])


def test_the_weight_of_another_tasks_part_leaves_training_plain(monkeypatch):
    weigh(monkeypatch, bbox=2)
    assert loss_scale("dfj_pairwise").get_loss_scale("<answer>A</answer>") == (["<answer>A</answer>"], [1.0])


def test_a_verdicts_own_weight_is_a_factor_of_the_parts(monkeypatch):
    weigh(monkeypatch, verdict=4, real=0.5, fake=2)
    pieces, weights = loss_scale("deeptrace").get_loss_scale(ANSWER)
    assert dict(zip(pieces, weights, strict=True))["FAKE"] == 8
    assert set(weights[1:]) == {1}
    pieces, weights = loss_scale("fakevlm").get_loss_scale("This is a real image. A fake smile.")
    assert dict(zip(pieces, weights, strict=True))["real"] == 2
    assert dict(zip(pieces, weights, strict=True))["A fake smile."] == 1


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "many", ""])
def test_what_is_no_weight_is_refused(monkeypatch, text):
    monkeypatch.setenv("WEIGHT_TIME", text)
    with pytest.raises(ValueError, match="WEIGHT_TIME must be a number"):
        loss_weights()


# ------------------------------------------------------------------------------------------------------------ template


@pytest.fixture(scope="module", params=["qwen2_5_vl", "qwen3_vl", "qwen3_5"])
def architecture(request):
    return request.param


@pytest.fixture(scope="module")
def tiny(architecture, tmp_path_factory):
    from swift_plugins.tiny_model import build

    folder = tmp_path_factory.mktemp("tiny")
    assert build(folder, [ANSWER], vocab_size=500, architecture=architecture) < 2_000_000
    return str(folder)


@pytest.fixture(scope="module")
def template(architecture, tiny):
    from swift.model import get_processor
    from swift.template import get_template

    return get_template(get_processor(tiny, model_type=architecture), template_type=f"forensic_{architecture}")


def test_the_tiny_model_loads_with_plain_transformers_and_answers_about_a_video(tiny):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor, model = AutoProcessor.from_pretrained(tiny), AutoModelForImageTextToText.from_pretrained(tiny)
    frames = np.zeros((4, 3, 84, 84), np.uint8)
    chat = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "Real?"}]}]
    text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    inputs = processor(text=[text], videos=[frames], return_tensors="pt", do_sample_frames=False)
    out = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert out.shape[1] > inputs["input_ids"].shape[1]
    assert processor.tokenizer.decode(processor.tokenizer(ANSWER)["input_ids"]) == ANSWER


@pytest.fixture
def clip(tmp_path):
    from converters.sample_deeptrace import write_mp4

    write_mp4(tmp_path / "clip.mp4", [np.full((112, 224, 3), 30 * i, np.uint8) for i in range(8)], 4)
    return str(tmp_path / "clip.mp4")


def encode(template, clip, objects=None, monkeypatch=None):
    from swift.template import TemplateInputs

    for setting in ("VIDEO_MIN_PIXELS=784", "VIDEO_MAX_PIXELS=7056", "FPS=4", "FPS_MAX_FRAMES=8"):
        monkeypatch.setenv(*setting.split("="))
    answer = "FAKE. <bbox>" if objects else ANSWER
    row = {
        "messages": [{"role": "user", "content": "<video>Where?"}, {"role": "assistant", "content": answer}],
        "videos": [clip],
    }
    template.set_mode("train")
    return template.encode(TemplateInputs.from_dict(row | ({"objects": objects} if objects else {})))


def test_token_ids_are_those_of_the_tokenizer_not_of_the_released_vocabulary(template, clip, monkeypatch):
    encoded = encode(template, clip, None, monkeypatch)
    video = template.tokenizer.convert_tokens_to_ids("<|video_pad|>")
    assert template.video_token_id == video < 1000
    grid = encoded["video_grid_thw"][0]
    assert encoded["input_ids"].count(video) == int(grid.prod()) // 4 > 0


@pytest.mark.parametrize("architecture", ["qwen2_5_vl"], indirect=True)
def test_boxes_on_a_video_reach_the_model_in_pixels_of_the_resized_frame(template, clip, monkeypatch):
    encoded = encode(template, clip, {"bbox": [[112, 28, 168, 84]], "ref": []}, monkeypatch)
    _, height, width = (int(n) for n in encoded["video_grid_thw"][0])
    sx, sy = 14 * width / 224, 14 * height / 112
    expected = [round(112 * sx), round(28 * sy), round(168 * sx), round(84 * sy)]
    assert expected != [112, 28, 168, 84]
    text = template.tokenizer.decode([t for t in encoded["labels"] if t >= 0])
    for number in expected:
        assert str(number) in text


@pytest.mark.parametrize("architecture", ["qwen3_vl", "qwen3_5"], indirect=True)
def test_boxes_on_a_video_reach_qwen3_in_thousandths_of_the_frame(template, clip, monkeypatch):
    encoded = encode(template, clip, {"bbox": [[112, 28, 168, 84]], "ref": []}, monkeypatch)
    text = template.tokenizer.decode([t for t in encoded["labels"] if t >= 0])
    assert "(500,250),(750,750)" in text


@pytest.mark.parametrize("architecture", ["qwen3_5"], indirect=True)
def test_qwen3_5_is_asked_not_to_think_and_learns_the_answer_alone(template, clip, monkeypatch):
    """By the prompt of its own chat template, before an answer and in training."""
    from swift.template import TemplateInputs

    encoded = encode(template, clip, None, monkeypatch)
    assert template.tokenizer.decode([t for t in encoded["labels"] if t >= 0]) == f"{ANSWER}<|im_end|>\n"
    chat = [{"role": "user", "content": "Real?"}]
    options = {"add_generation_prompt": True, "enable_thinking": False, "tokenize": False}
    prompt = template.processor.apply_chat_template(chat, **options)
    for turns, mode in ((chat, "transformers"), ([*chat, {"role": "assistant", "content": ANSWER}], "train")):
        template.set_mode(mode)
        text = template.tokenizer.decode(template.encode(TemplateInputs.from_dict({"messages": turns}))["input_ids"])
        assert text.startswith(prompt)
        assert text.removeprefix(prompt) == ("" if mode == "transformers" else f"{ANSWER}<|im_end|>\n")


@pytest.mark.parametrize("architecture", ["qwen2_5_vl"], indirect=True)
def test_boxes_on_a_turned_clip_lie_where_they_are_seen(template, tmp_path, monkeypatch):
    turned = write_clip(tmp_path / "x.mp4", turn=90, sizes=[(224, 112)])  # seen at 112 x 224
    encoded = encode(template, turned, {"bbox": [[28, 112, 84, 168]], "ref": []}, monkeypatch)
    _, height, width = (int(n) for n in encoded["video_grid_thw"][0])
    assert height > width
    text = template.tokenizer.decode([t for t in encoded["labels"] if t >= 0])
    for number in (28 * width / 8, 112 * height / 16, 84 * width / 8, 168 * height / 16):
        assert str(round(number)) in text


def test_a_clip_of_the_frame_cache_is_encoded_as_without_it(template, clip, tmp_path, monkeypatch):
    import decord

    from swift_plugins.core.frame_cache import FrameCache
    from swift_plugins.hooks import frame_cache

    plain = encode(template, clip, None, monkeypatch)
    monkeypatch.setattr(decord, "VideoReader", decord.VideoReader)
    cache = FrameCache.make(tmp_path / "cache", 0, frame_cache.DECODER)
    frame_cache.install(str(cache.folder))
    for _ in range(2):
        cached = encode(template, clip, None, monkeypatch)
        assert cached["input_ids"] == plain["input_ids"]
        assert cached["pixel_values_videos"].equal(plain["pixel_values_videos"])
    assert cache.read(frame_cache.digest_of(clip))


def test_a_video_that_its_reader_gives_up_is_named_with_the_cure(template, tmp_path, monkeypatch):
    one = write_clip(tmp_path / "one.mp4", frames=1)
    with pytest.raises(ValueError, match=r"one\.mp4'.*(cannot read it; encode it anew|nframes should in)"):
        encode(template, one, None, monkeypatch)


def test_a_rows_tokens_are_counted_before_training_as_the_template_makes_them(
    template, clip, tiny, architecture, monkeypatch
):
    length = len(encode(template, clip, None, monkeypatch)["input_ids"])
    turns = [{"role": "user", "content": "<video>Where?"}, {"role": "assistant", "content": ANSWER}]
    row = {"messages": turns, "videos": [clip], "meta": {"width": 224, "height": 112, "duration": 2.0, "fps": 4.0}}
    lengths = Lengths(0, Path(tiny) / "tokenizer.json", Vision({}, architecture), True, "")
    least = sum(lengths.excess(row))
    if architecture == "qwen2_5_vl":  # whose template has a system turn of its own
        system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        assert least == length - len(template.tokenizer.encode(system))
    assert length - 70 < least <= length  # Qwen3 writes times between the frames, Qwen3.5 an empty thought, too


# ---------------------------------------------------------------------------------------------------- metric, settings


def test_verdict_accuracy_by_hand():
    real, fake, other = 7, 8, 9
    labels = np.array([[-100, -100, real, other], [-100, fake, other, -100], [-100, fake, other, other]])
    guesses = np.array([[0, real, other, 0], [fake, other, 0, 0], [real, other, other, 0]])
    scores = verdict_scores(guesses, labels, {"real": real, "fake": fake})
    assert scores["real_accuracy"] == 100
    assert scores["fake_accuracy"] == 50
    assert scores["verdict_accuracy"] == pytest.approx(200 / 3)


def test_vision_settings_are_applied_and_never_silently_replaced(monkeypatch):
    for key in vision_settings():
        monkeypatch.delenv(key)
    monkeypatch.setenv("FPS", "4")
    apply_vision_settings({"FPS": 4}, "the checkpoint")
    with pytest.raises(ValueError, match="FPS is '4', the checkpoint says '1'"):
        apply_vision_settings({"FPS": "1"}, "the checkpoint")


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """What `swift infer` knows of a checkpoint whose forensics.json states these settings, with this environment."""
    from swift.arguments import InferArguments

    def make(recorded, **env):
        for key in VISION_ENV:
            monkeypatch.delenv(key, raising=False)
        for key, value in env.items():
            monkeypatch.setenv(key, value)
        (tmp_path / "forensics.json").write_text(json.dumps({"vision": recorded}))
        made = InferArguments.__new__(InferArguments)
        made.adapters, made.model, made.model_kwargs = [], str(tmp_path), None
        return made

    return make


def test_a_checkpoints_settings_are_applied_by_every_command_of_swift(arguments):
    from swift.model import utils

    with mock.patch.dict(os.environ), mock.patch.object(utils, "save_checkpoint"):
        arguments({"FPS": "4", "VIDEO_MAX_PIXELS": 7056})._init_model_kwargs()
        assert vision_settings() == {"FPS": "4", "VIDEO_MAX_PIXELS": "7056"}
        with pytest.raises(ValueError, match=r"FPS is '1', .*forensics.json says '4'. Unset them"):
            arguments({"FPS": "4"}, FPS="1")._init_model_kwargs()
        served = arguments({"FPS": "4"})
        served.adapter_mapping, served.model = {"judge": served.model}, None
        served._init_model_kwargs()
        assert vision_settings() == {"FPS": "4"}


@pytest.mark.parametrize("maker", ["merge_lora", "quant"])
def test_what_swift_export_makes_of_a_checkpoint_carries_its_record(arguments, tmp_path, maker):
    from swift.model import utils

    from swift_plugins.hooks.remote_code import replace

    original = utils.save_checkpoint
    processor = mock.Mock(save_pretrained=os.makedirs)
    try:
        with mock.patch.dict(os.environ):
            arguments({"FPS": "4"})._init_model_kwargs()
            save = importlib.import_module(f"swift.pipelines.export.{maker}").save_checkpoint
            save(None, processor, str(tmp_path / "made"), model_dirs=[str(tmp_path)])
    finally:
        replace({(utils, "save_checkpoint"): original})
    assert json.loads((tmp_path / "made" / "forensics.json").read_text()) == {"vision": {"FPS": "4"}}


def test_validation_files_without_rows_are_left_out_of_a_training(tmp_path):
    from swift.arguments import SftArguments

    for name, text in (("a", "{}"), ("b", ""), ("c", " \n\n")):
        (tmp_path / f"{name}.jsonl").write_text(text)
    made = SftArguments.__new__(SftArguments)
    made.val_dataset = [f"{tmp_path}/a.jsonl#2", f"{tmp_path}/b.jsonl", f"{tmp_path}/c.jsonl#5", "org/name#7"]
    made.model_kwargs = None
    made._init_model_kwargs()
    assert made.val_dataset == [f"{tmp_path}/a.jsonl#2", "org/name#7"]
