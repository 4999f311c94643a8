"""VideoLLaMA 3 in ms-swift: rows are what the processor's own chat template makes of them, and the model trains."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("swift")

import torch

from swift_plugins import register  # noqa: F401
from swift_plugins.hooks.videollama3 import TEMPLATE, VideoLlama3ForConditionalGeneration, sample

QUESTION = "Where is the white car?"
ANSWER = "[[56, 42, 390, 484]] from 1.5 s on."


def write_clip(path, times, size=(96, 64), rate=Fraction(8), still=0):
    """A clip whose frames begin at these seconds; all but the last `still` differ."""
    draw = np.random.default_rng(len(times))
    clock = Fraction(1, 24000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18", "bf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = clock
        for number, second in enumerate(times):
            if number < len(times) - still:
                pixels = (
                    draw.integers(0, 255, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
                )
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(second / clock), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")

    def steady(count, rate, start=0):
        return [Fraction(i) / rate + start for i in range(count)]

    film = Fraction(24000, 1001)
    return {
        "short": write_clip(folder / "short.mp4", steady(16, 8)),
        "tall": write_clip(folder / "tall.mp4", steady(20, 10), size=(64, 112), rate=Fraction(10)),
        "long": write_clip(folder / "long.mp4", steady(400, 4), rate=Fraction(4)),
        "film": write_clip(folder / "film.mp4", steady(48, film), rate=film),
        "three": write_clip(folder / "three.mp4", steady(3, 8)),
        "one": write_clip(folder / "one.mp4", steady(1, 8)),
        "still": write_clip(folder / "still.mp4", steady(24, 8), still=12),
        "late": write_clip(folder / "late.mp4", steady(16, 8, start=5)),
        "uneven": write_clip(folder / "uneven.mp4", [*steady(8, 16), *steady(8, 4, start=Fraction(1, 2))]),
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    from swift_plugins.tiny_model import build

    folder = tmp_path_factory.mktemp("tiny") / "videollama3"
    assert build(folder, [ANSWER, QUESTION], vocab_size=500, architecture="videollama3") < 2_000_000
    return str(folder)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "x.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (60, 90, 3), dtype=np.uint8)).save(path)
    return str(path)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("MIN_PIXELS", "MAX_PIXELS", "CLIP_MIN_PIXELS", "CLIP_MAX_PIXELS", "FPS", "FPS_MAX_FRAMES"):
        monkeypatch.delenv(name, raising=False)


def template_of(tiny, mode="train", **options):
    from swift.model import get_processor
    from swift.template import get_template

    found = get_template(get_processor(tiny), template_type=TEMPLATE, **options)
    found.set_mode(mode)
    return found


def encoded(template, messages, images=(), videos=(), **row):
    from swift.template import TemplateInputs

    row |= {"messages": [dict(message) for message in messages], "images": list(images), "videos": list(videos)}
    return template.encode(TemplateInputs.from_dict(row), return_length=True)


def user(content):
    return {"role": "user", "content": content}


def said(content):
    return {"role": "assistant", "content": content}


def by_processor(tiny, messages, images, videos):
    """What transformers makes of the row: its own reading, sampling, chat template and processor."""
    from transformers import AutoProcessor
    from transformers.video_utils import load_video

    processor = AutoProcessor.from_pretrained(tiny)
    of = processor.video_processor

    def indices(metadata, **_):
        return np.asarray(of.sample_frames(metadata, fps=2))[: metadata.total_num_frames]

    parts = {"<image>": {"type": "image"}, "<video>": {"type": "video"}}
    chat = []
    for message in messages:
        content = message["content"]
        pieces = []
        while content:
            first = (
                min((content.find(tag), tag) for tag in parts if tag in content)
                if "<" in content
                else (len(content), "")
            )
            if first[0]:
                pieces.append({"type": "text", "text": content[: first[0]]})
            if first[1]:
                pieces.append(parts[first[1]])
            content = content[first[0] + len(first[1]) :]
        chat.append({"role": message["role"], "content": pieces})
    text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=messages[-1]["role"] == "user")
    read = [load_video(path, backend="decord", sample_indices_fn=indices) for path in videos]
    media = {"images": [Image.open(path).convert("RGB") for path in images]} if images else {}
    if read:
        media |= {"videos": [frames for frames, _ in read], "video_metadata": [about for _, about in read]}
    return processor(text=text, do_sample_frames=False, return_tensors="pt", **media)


TURNS = [
    ([user("<image>" + QUESTION)], ["image"], []),
    ([user("<image>" + QUESTION), said(ANSWER)], ["image"], []),
    ([user("See <image> and <image>: " + QUESTION)], ["image", "image"], []),
    ([user("<video>" + QUESTION), said(ANSWER)], [], ["short"]),
    ([user("<video>" + QUESTION)], [], ["long"]),
    ([user("<video>" + QUESTION)], [], ["film"]),
    ([user("<video>" + QUESTION)], [], ["three"]),
    ([user("<video>" + QUESTION)], [], ["one"]),
    ([user("<video>" + QUESTION)], [], ["still"]),
    ([user("<video><video>" + QUESTION)], [], ["short", "still"]),
    ([user("<video><video>" + QUESTION)], [], ["tall", "short"]),
    (
        [
            {"role": "system", "content": "Look."},
            user("<video>What?"),
            said("A car."),
            user("<image>" + QUESTION),
            said(ANSWER),
        ],
        ["image"],
        ["short"],
    ),
]


@pytest.mark.parametrize(("messages", "images", "videos"), TURNS)
def test_a_row_is_what_the_processors_chat_template_makes_of_it(tiny, clips, image, messages, images, videos):
    images, videos = [image for _ in images], [clips[name] for name in videos]
    mode = "train" if messages[-1]["role"] == "assistant" else "transformers"
    ours = encoded(template_of(tiny, mode), messages, images, videos)
    stock = by_processor(tiny, messages, images, videos)
    ids = stock["input_ids"][0].tolist()
    assert ours["input_ids"] == ids[: len(ours["input_ids"])]
    assert template_of(tiny).tokenizer.decode(ids[len(ours["input_ids"]) :]).strip() == ""  # the line break of a turn
    for key in ("pixel_values", "pixel_values_videos", "image_grid_thw", "video_grid_thw", "video_compression_mask"):
        assert (key in ours) == (key in stock)
        assert key not in stock or torch.equal(ours[key], stock[key]), key


def times_in(template, row):
    text = template.tokenizer.decode(row["input_ids"])
    return [float(part.split("s:")[0]) for part in text.split("Time ")[1:]]


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ("short", [0, 0.5, 1.0, 1.5]),
        ("late", [0, 0.5, 1.0, 1.5]),
        ("three", [0, 0.125, 0.25]),
        ("film", [12 * i * 1001 / 24000 for i in range(4)]),
        ("uneven", [0, 0.5, 1.0, 1.75]),  # 16 frames a second, then 4: each at its own time, whatever the mean
    ],
)
def test_a_frame_is_announced_at_its_own_time(tiny, clips, clip, expected):
    template = template_of(tiny, "transformers")
    found = times_in(template, encoded(template, [user("<video>" + QUESTION)], videos=[clips[clip]]))
    assert found == pytest.approx(expected, abs=0.051)
    assert found == sorted(set(found))


def test_fps_and_frames_come_from_the_settings(tiny, clips, monkeypatch):
    monkeypatch.setenv("FPS", "4")
    monkeypatch.setenv("FPS_MAX_FRAMES", "5")
    template = template_of(tiny, "transformers")
    assert len(times_in(template, encoded(template, [user("<video>" + QUESTION)], videos=[clips["short"]]))) == 5
    monkeypatch.setenv("CLIP_MAX_PIXELS", str(5 * 28 * 28))
    row = encoded(template, [user("<video>" + QUESTION)], videos=[clips["short"]])
    assert row["video_grid_thw"].tolist() == [[5, 2, 2]]  # 28 x 28 px a frame: the limit is of all five together


@pytest.mark.parametrize("rate", [24, 25, 30, 24000 / 1001, 30000 / 1001, 12, 60])
def test_no_frame_past_the_end_is_asked_for(rate):
    for total in range(1, 900):
        taken = sample([i / rate for i in range(total)], rate, 2.0, 4, 180)
        assert taken.indices[0] == 0
        assert taken.indices[-1] < total
        assert len(taken.indices) == len(set(taken.indices)) == int(min(max(total / rate * 2, 4), 180, total))


def test_boxes_are_thousandths_of_the_frame(tiny, clips, image):
    template = template_of(tiny)
    objects = {"bbox": [[24, 16, 72, 64]], "ref": []}
    row = encoded(template, [user("<video>Where?"), said("<bbox>")], videos=[clips["short"]], objects=objects)
    answer = template.tokenizer.decode([i for i in row["labels"] if i != -100])
    assert "(250,250),(750,1000)" in answer


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("FPS", "fast", "FPS must be a number above 0, got 'fast'"),
        ("CLIP_MAX_PIXELS", "0", "CLIP_MAX_PIXELS must be a number above 0"),
        ("FORCE_QWENVL_VIDEO_READER", "torchcodec", "are read by decord: unset FORCE_QWENVL_VIDEO_READER"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tiny, clips, monkeypatch, name, value, problem):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=problem):
        encoded(template_of(tiny, "transformers"), [user("<video>" + QUESTION)], videos=[clips["short"]])


def test_frames_without_their_times_are_refused(tiny, image):
    with pytest.raises(ValueError, match="needs a clip's file"):
        encoded(template_of(tiny), [user("<video>" + QUESTION), said(ANSWER)], videos=[[image, image]])


def test_a_clip_that_cannot_be_read_is_named_with_the_cure(tiny, tmp_path, clips):
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(open(clips["short"], "rb").read()[:900])
    with pytest.raises(ValueError, match=r"torn.mp4': .*(cannot read it; encode it anew|truncated|video)"):
        encoded(template_of(tiny), [user("<video>" + QUESTION), said(ANSWER)], videos=[str(torn)])


# ------------------------------------------------------------------------------------------------------------ the model


@pytest.fixture(scope="module")
def model(tiny):
    from swift.model import get_model_processor

    model = get_model_processor(tiny, torch_dtype=torch.float32, device_map="cpu")[0]
    assert isinstance(model, VideoLlama3ForConditionalGeneration)
    return model


ROWS = [
    ([user("<video>" + QUESTION), said(ANSWER)], [], ["still"]),
    ([user("<image>" + QUESTION), said(ANSWER)], ["image"], []),
    ([user("<video><image>" + QUESTION), said(ANSWER)], ["image"], ["short"]),
    ([user(QUESTION), said(ANSWER)], [], []),
]


def batch_of(template, clips, image, rows=ROWS):
    encoded_rows = [
        encoded(template, messages, [image for _ in images], [clips[name] for name in videos])
        for messages, images, videos in rows
    ]
    return template.data_collator(encoded_rows)


def token_losses(model, template, batch):
    """The mean loss of a batch, with its media embedded as training embeds them."""
    template.register_post_encode_hook([model])
    try:
        labels = batch.pop("labels")
        logits = model(**{key: value for key, value in batch.items() if value is not None}).logits
    finally:
        template.remove_post_encode_hook()
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].transpose(1, 2), labels[:, 1:], ignore_index=-100, reduction="none"
    )


def test_a_padded_batch_has_the_losses_of_plain_transformers(tiny, clips, image, model):
    template = template_of(tiny)
    model.eval()
    together = token_losses(model, template, batch_of(template, clips, image))
    for losses, row in zip(together, ROWS, strict=True):
        batch = batch_of(template, clips, image, [row])
        labels = batch.pop("labels")
        with torch.no_grad():  # the stock forward embeds the media itself
            logits = model(**{key: value for key, value in batch.items() if value is not None}).logits
        alone = torch.nn.functional.cross_entropy(
            logits[:, :-1].transpose(1, 2), labels[:, 1:], ignore_index=-100, reduction="none"
        )
        assert torch.allclose(losses[losses != 0], alone[alone != 0], atol=1e-5)


def test_every_layer_takes_part_in_a_step_without_media(tiny, clips, image, model):
    """Ranks of one step that see other media, or none, must not wait for each other."""
    template = template_of(tiny)
    model.train()
    model.zero_grad()
    token_losses(model, template, batch_of(template, clips, image, ROWS[-1:])).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not any(parameter.grad.any() for parameter in model.model.vision_model.parameters())


def test_logits_are_made_of_the_positions_that_are_asked_for(tiny, clips, image, model):
    model.eval()
    batch = batch_of(template_of(tiny), clips, image, ROWS[:1])
    batch.pop("labels")
    inputs = {key: value for key, value in batch.items() if value is not None}
    with torch.no_grad():
        whole, last = model(**inputs).logits, model(**inputs, logits_to_keep=3).logits
        chosen = model(**inputs, logits_to_keep=torch.tensor([0, 2])).logits
    assert torch.allclose(last, whole[:, -3:], atol=1e-5)
    assert torch.allclose(chosen, whole[:, [0, 2]], atol=1e-5)


def test_packed_rows_do_not_attend_to_each_other(tiny, clips, image, model):
    template = template_of(tiny, padding_free=True)
    model.eval()
    rows = ROWS[1:3]
    packed = token_losses(model, template, batch_of(template, clips, image, rows))
    apart = [token_losses(model, template_of(tiny), batch_of(template_of(tiny), clips, image, [row])) for row in rows]
    assert torch.allclose(packed[packed != 0], torch.cat([losses[losses != 0] for losses in apart]), atol=1e-5)


def test_answers_are_those_of_plain_transformers(tiny, clips, image, model):
    from transformers import VideoLlama3ForConditionalGeneration as Stock

    template = template_of(tiny, "transformers")
    rows = [([messages[0]], images, videos) for messages, images, videos in ROWS[:3]]
    batch = batch_of(template, clips, image, rows)
    inputs = {key: value for key, value in batch.items() if value is not None and key != "labels"}
    stock = Stock.from_pretrained(tiny, dtype=torch.float32).eval()
    model.eval()
    with torch.no_grad():
        ours, theirs = (one.generate(**inputs, max_new_tokens=8, do_sample=False) for one in (model, stock))
    assert torch.equal(ours, theirs)
    assert stock.config.architectures == ["VideoLlama3ForConditionalGeneration"]
