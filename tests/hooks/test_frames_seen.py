"""The frame that a box is stated on is the one that the model sees: by the real processors, as ms-swift calls them."""

from __future__ import annotations

import importlib.util
import os
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

pytest.importorskip("swift")

import torch
from swift.model.models import qwen
from transformers import Qwen2VLVideoProcessor, Qwen3VLVideoProcessor, VideoLlama3VideoProcessor
from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING_NAMES

from swift_plugins.core.box_rows import restated
from swift_plugins.core.boxes import SPACE_OF
from swift_plugins.core.settings import BOX_SPACE, VISION_ENV
from swift_plugins.core.videollama3 import MODEL_TYPE, VIDEO_PROCESSOR
from swift_plugins.core.vision import PATCHES, ClipVision, vision_of
from swift_plugins.hooks.videollama3 import sample

QWEN = {"qwen2_5_vl": Qwen2VLVideoProcessor(patch_size=14), "qwen3_vl": Qwen3VLVideoProcessor(patch_size=16)}
VIDEOLLAMA3 = VideoLlama3VideoProcessor(**VIDEO_PROCESSOR)
SIDE = st.integers(20, 400)
CLIPS = st.tuples(st.integers(4, 3000), st.sampled_from([4.0, 8.0, 23.976, 24.0, 25.0, 29.97, 60.0]))  # frames, rate
PIXELS, FEW = st.integers(1024, 70_000), st.integers(1, 90)


def some(**values: st.SearchStrategy) -> st.SearchStrategy[dict[str, str]]:
    """Settings of which any may be missing, as the environment states them."""
    return st.fixed_dictionaries({}, optional={key: value.map(str) for key, value in values.items()})


LIMITS = st.fixed_dictionaries({"VIDEO_MAX_PIXELS": PIXELS.map(str), "FPS_MAX_FRAMES": st.integers(4, 12).map(str)})
OTHERS = some(
    VIDEO_MIN_PIXELS=st.integers(1, 100_000),  # above the upper limit, too
    VIDEO_MIN_TOKEN_NUM=FEW,
    VIDEO_MAX_TOKEN_NUM=FEW,
    MODEL_SEQ_LEN=st.integers(20, 2000),  # of which the frames share nine tenths
    FPS=st.sampled_from([0.5, 1, 2, 4]),
    FPS_MIN_FRAMES=st.integers(4, 9),
    FRAME_FACTOR=st.sampled_from([2, 4]),
    VIDEO_TOTAL_PIXELS=PIXELS,  # which is in no force
)
QWENS = st.tuples(LIMITS, OTHERS).map(lambda parts: parts[0] | parts[1])
OF_CLIPS = some(
    CLIP_MIN_PIXELS=st.integers(1, 50_000),
    CLIP_MAX_PIXELS=st.integers(8_000, 600_000),
    FPS=st.sampled_from([0.5, 1, 2, 4]),
    FPS_MIN_FRAMES=st.integers(1, 9),
).flatmap(lambda found: st.integers(1, 20).map(lambda most: found | {"FPS_MAX_FRAMES": str(most)}))
FIXED = {"VIDEO_MIN_PIXELS": "602112", "VIDEO_MAX_PIXELS": "602112"}  # the upper limit is 1.05 times the lower one


def seen_by_qwen(family, settings, size, clip):
    """(frames, (width, height)) that ms-swift, qwen-vl-utils and the processor make of a clip under these settings."""
    patch = PATCHES[family]
    spec = importlib.util.find_spec("qwen_vl_utils.vision_process")
    fresh = importlib.util.module_from_spec(spec)
    kept = {key: value for key, value in os.environ.items() if key not in VISION_ENV}
    with mock.patch.dict(os.environ, kept | settings, clear=True):
        spec.loader.exec_module(fresh)
        qwen.compat_qwen_vl_utils(patch)
        qwen.patch_qwen_vl_utils(fresh)

        def read(element):
            count = fresh.smart_nframes(element, *clip)
            return torch.zeros(count, 3, size[1], size[0], dtype=torch.uint8), {}, clip[1]

        fresh.VIDEO_READER_BACKENDS = dict.fromkeys(fresh.VIDEO_READER_BACKENDS, read)
        video = fresh.fetch_video({"video": "clip.mp4"}, image_patch_size=patch)
    made = QWEN[family](videos=[video.to(torch.uint8)], do_resize=False, do_sample_frames=False, return_tensors="pt")
    pairs, high, wide = made["video_grid_thw"][0].tolist()
    assert pairs == len(video) // 2
    return len(video), (wide * patch, high * patch)


@pytest.mark.parametrize("family", QWEN)
@profile(max_examples=40)
@given(QWENS, SIDE, SIDE, CLIPS)
@example({}, 1280, 720, (121, 24.0))
@example(FIXED, 640, 360, (33, 10.0))
@example({"VIDEO_MIN_PIXELS": "784", "FPS": "0.5", "FPS_MIN_FRAMES": "7", "FRAME_FACTOR": "4"}, 300, 62, (75, 29.97))
def test_the_frame_that_a_qwen_vl_sees_is_that_of_the_processors(family, settings, width, height, clip):
    count, rate = clip
    shown = count / rate, rate
    try:
        vision = vision_of(settings, family)
        ours = vision.frames(*shown), vision.frame(width, height, *shown)
    except ValueError:
        with pytest.raises((RuntimeError, ValueError)):
            seen_by_qwen(family, settings, (width, height), clip)
        return
    assert ours == seen_by_qwen(family, settings, (width, height), clip)
    meta = {"box_space": "pixel", "width": width, "height": height, "duration": shown[0], "fps": rate, "bbox": []}
    row = {"task": "deeptrace", "messages": [], "meta": meta}
    stated = restated(row, settings | {BOX_SPACE: SPACE_OF[family]})["meta"]
    across = ours[1] if family == "qwen2_5_vl" else (1000, 1000)
    assert (stated["box_width"], stated["box_height"]) == across


def test_qwen3_5_sees_what_qwen3_vl_sees():
    assert VIDEO_PROCESSOR_MAPPING_NAMES["qwen3_5"] == VIDEO_PROCESSOR_MAPPING_NAMES["qwen3_vl"]
    assert issubclass(qwen.Qwen3_5Loader, qwen.Qwen3VLLoader)  # which gives qwen-vl-utils the side of a patch
    assert (PATCHES["qwen3_5"], SPACE_OF["qwen3_5"]) == (PATCHES["qwen3_vl"], SPACE_OF["qwen3_vl"])


@profile(max_examples=40)
@given(OF_CLIPS, SIDE, SIDE, CLIPS)
@example({}, 1280, 720, (8, 8.0))
@example({}, 700, 20, (3000, 4.0))
def test_the_frame_that_videollama_3_sees_is_that_of_its_processor(settings, width, height, clip):
    count, rate = clip
    vision = ClipVision(settings)
    taken = sample([i / rate for i in range(count)], rate, vision.fps, vision.fewest, vision.most).indices
    frames = torch.zeros(len(taken), 3, height, width, dtype=torch.uint8)
    made = VIDEOLLAMA3(videos=[frames], size=vision.clip_size, do_sample_frames=False, return_tensors="pt")
    times, high, wide = made["video_grid_thw"][0].tolist()
    found = vision_of(settings, MODEL_TYPE)
    shown = count / rate, rate
    assert (found.frames(*shown), found.frame(width, height, *shown)) == (times, (wide * 14, high * 14))
    # A still clip has no token that could be left out.
    assert int(made["video_compression_mask"].sum()) == found.tokens_of_video(width, height, *shown)
