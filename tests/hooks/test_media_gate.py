"""What is no image or video by its content reaches no decoder, in training and in prediction."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("swift")

from converters.sample_deeptrace import write_mp4
from swift_plugins import register  # noqa: F401
from swift_plugins.core.special_texts import special_in


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    from swift.model import get_processor
    from swift.template import get_template

    from swift_plugins.tiny_model import build

    folder = tmp_path_factory.mktemp("tiny")
    build(folder, ["FAKE"], vocab_size=400)
    return get_template(get_processor(str(folder), model_type="qwen2_5_vl"), template_type="qwen2_5_vl")


@pytest.fixture
def encode(template, tmp_path, monkeypatch):
    """Encode a row with ms-swift's own template, for training or for prediction."""
    from swift.template import TemplateInputs

    for setting in ("VIDEO_MIN_PIXELS=784", "VIDEO_MAX_PIXELS=7056", "FPS=4", "FPS_MAX_FRAMES=8"):
        monkeypatch.setenv(*setting.split("="))

    def call(mode, key, media):
        template.set_mode(mode)
        tag = {"images": "<image>", "videos": "<video>"}[key]
        messages = [{"role": "user", "content": f"{tag}Real?"}, {"role": "assistant", "content": "FAKE"}]
        return template.encode(TemplateInputs.from_dict({"messages": messages, key: [media]}))

    return call


MODES = pytest.mark.parametrize("mode", ["train", "transformers"])


@MODES
def test_an_image_a_video_and_its_frames_pass(encode, tmp_path, mode):
    write_mp4(tmp_path / "clip.mp4", [np.full((56, 56, 3), 30 * i, np.uint8) for i in range(8)], 4)
    Image.new("RGB", (56, 56)).save(tmp_path / "x.png")
    for key, media in (("videos", "clip.mp4"), ("images", "x.png")):
        assert encode(mode, key, str(tmp_path / media))["input_ids"]
    assert encode(mode, "videos", [str(tmp_path / "x.png")] * 4)["input_ids"]


@MODES
@pytest.mark.parametrize(
    ("key", "name", "content"),
    [
        ("videos", "list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n@clip@\n#EXT-X-ENDLIST\n"),
        ("videos", "list.mp4", "ffconcat version 1.0\nfile '@clip@'\n"),
        ("videos", "notes.txt", "my notes\n" * 40),
        ("images", "notes.txt", "my notes\n" * 40),
        ("images", "drawing.png", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"),
    ],
)
def test_what_names_other_files_or_is_drawn_by_a_program_is_refused(encode, tmp_path, mode, key, name, content):
    write_mp4(tmp_path / "clip.mp4", [np.full((56, 56, 3), 30 * i, np.uint8) for i in range(8)], 4)
    (tmp_path / name).write_text(content.replace("@clip@", str(tmp_path / "clip.mp4")))
    with pytest.raises(ValueError, match=f"{name}.*neither an image nor a video in a container that is read"):
        encode(mode, key, str(tmp_path / name))


@pytest.fixture
def said(template):
    """Encode texts alone, for training or for prediction."""
    from swift.template import TemplateInputs

    def call(mode, question, answer="FAKE", **more):
        template.set_mode(mode)
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return template.encode(TemplateInputs.from_dict({"messages": messages, **more}))

    return call


@MODES
def test_a_file_that_a_text_names_is_not_opened(said, tmp_path, mode):
    Image.new("RGB", (56, 56)).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match="<img>"):
        said(mode, f"Look: <img>{tmp_path}/x.png</img>")


@pytest.mark.parametrize(
    "text", ["<|video_pad|>", "<image>", "<|im_end|>\n<|im_start|>user", "<bbox>", "<audio>", "</s>"]
)
def test_a_text_that_is_more_than_text_is_not_trained_on(said, text):
    for question, answer in (("Real?", f"FAKE. {text}"), (f"{text} Real?", "FAKE")):
        with pytest.raises(ValueError, match="takes for more than text: take it out"):
            said("train", question, answer)
    with pytest.raises(ValueError, match="the system's message holds"):
        said("train", "Real?", messages=[{"role": "system", "content": text}, {"role": "user", "content": "Real?"}])


def texts_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts_in(part)


def test_the_list_of_special_texts_holds_what_the_templates_of_the_supported_bases_write():
    """And those of their families, read from the installed ms-swift."""
    from swift.template import TEMPLATE_MAPPING

    found = set()
    for name, meta in TEMPLATE_MAPPING.items():
        if re.search("forensic|qwen|llava|llama", str(name)):
            kept = [getattr(meta.template_cls, key, None) for key in ("special_tokens", "placeholder_tokens")]
            for text in texts_in([*vars(meta).values(), *kept]):
                found |= {*re.findall(r"<[^<>\s]+>|<<[^<>\s]+>>|\[/?INST\]", text)}
    assert {"<image>", "<|im_end|>", "<s>"} <= found
    assert {token for token in found if special_in(token) != [token]} <= {"<think>", "</think>"}


@MODES
def test_an_image_is_no_video(encode, tmp_path, mode):
    Image.new("RGB", (56, 56)).save(tmp_path / "x.mp4", format="GIF")
    with pytest.raises(ValueError, match=r"x\.mp4.*an image stands where a video is asked for"):
        encode(mode, "videos", str(tmp_path / "x.mp4"))


@MODES
@pytest.mark.parametrize("key", ["images", "videos"])
def test_a_url_and_a_missing_file_are_refused(encode, mode, key):
    for media in ("http://127.0.0.1:9/x.mp4", "/missing.mp4", "data:image/png,AAAA"):
        with pytest.raises(ValueError, match="the file does not exist"):
            encode(mode, key, media)


@MODES
def test_a_data_uri_holds_its_medium_or_is_refused(encode, mode, tmp_path):
    Image.new("RGB", (56, 56)).save(tmp_path / "x.png")
    held = base64.b64encode((tmp_path / "x.png").read_bytes()).decode()
    assert encode(mode, "images", f"data:image/png;base64,{held}")["input_ids"]
    for data in ("AAAA", base64.b64encode(b"#EXTM3U\n" * 300).decode(), "not base64"):
        with pytest.raises(ValueError, match="base64"):
            encode(mode, "images", f"data:image/png;base64,{data}")


def test_a_path_below_the_folder_of_a_raw_dataset_is_found(encode, template, tmp_path, monkeypatch):
    Image.new("RGB", (56, 56)).save(tmp_path / "x.png")
    (tmp_path / "notes.txt").write_text("my notes")
    monkeypatch.setattr(template, "root_image_dir", str(tmp_path))
    monkeypatch.setenv("ROOT_IMAGE_DIR", str(tmp_path))
    assert encode("train", "images", "x.png")["input_ids"]
    with pytest.raises(ValueError, match="neither an image nor a video"):
        encode("train", "images", "notes.txt")
