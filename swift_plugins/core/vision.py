"""What a model is shown of a video or an image, from all vision settings in force.

A Qwen-VL: as qwen-vl-utils 0.0.14 computes it (vision_process.py: fetch_video, fetch_image, smart_nframes) with the
limits that ms-swift 4.6 gives it (model/models/qwen.py: compat_qwen_vl_utils, patch_qwen_vl_utils): limits in pixels
are floored to whole tokens, limits in tokens win over them, the upper limit of a video is at least 1.05 times the lower
one and falls with the number of frames, by the model's length. ms-swift gives the processor of Qwen3-VL and Qwen3.5
frames that were so resized, and tells it to leave them. VideoLLaMA 3: as transformers' own processor does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from swift_plugins.core import videollama3
from swift_plugins.core.boxes import smart_resize

# model_type -> the side of a patch in px, of the families whose frames are computed here
PATCHES = {"qwen2_vl": 14, "qwen2_5_vl": 14, "qwen3_vl": 16, "qwen3_vl_moe": 16, "qwen3_5": 16}


def _number(settings: Mapping[str, Any], name: str, default: float, above: bool = False) -> float:
    """A setting, of at least or `above` 0 and, but for FPS, whole."""
    text = settings.get(name) or default
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < math.inf or (name != "FPS" and found != int(found)) or (above and not found):
        raise ValueError(f"{name} must be a number {'above' if above else 'of at least'} 0, got {text!r:.40}")
    return found


class Vision:
    """The limits of frames and images under `settings`, as a recipe, a checkpoint or the environment states them.

    ValueError for a setting that is no number, or for limits within which no frame fits.
    """

    around = "<|vision_start|><|vision_end|>"  # what stands around a medium's own tokens in the prompt

    def __init__(self, settings: Mapping[str, Any], model_type: str = "qwen2_5_vl"):
        def number(name: str, default: float) -> float:
            return _number(settings, name, default)

        def tokens(name: str, pixels: str, default: int) -> int:
            stated = number(pixels, 0)
            return int(number(name, stated // self.factor**2 if stated else default))

        self.factor = PATCHES[model_type] * int(number("SPATIAL_MERGE_SIZE", 2))
        self.ratio = int(number("MAX_RATIO", 200))
        self.image_tokens = (
            tokens("IMAGE_MIN_TOKEN_NUM", "MIN_PIXELS", 4),
            tokens("IMAGE_MAX_TOKEN_NUM", "MAX_PIXELS", 16384),
        )
        self.video_tokens = (
            tokens("VIDEO_MIN_TOKEN_NUM", "VIDEO_MIN_PIXELS", 128),
            tokens("VIDEO_MAX_TOKEN_NUM", "VIDEO_MAX_PIXELS", 768),
        )
        self.model_tokens = int(number("MODEL_SEQ_LEN", 128000)) * 0.9
        self.fps = number("FPS", 2.0)
        self.frame_factor = int(number("FRAME_FACTOR", 2))
        self.fewest, self.most = int(number("FPS_MIN_FRAMES", 4)), int(number("FPS_MAX_FRAMES", 768))
        if min(self.factor, self.frame_factor, self.image_tokens[1], self.video_tokens[1]) < 1:
            raise ValueError(f"pixel limits must leave room for one token, {self.factor} x {self.factor} px")

    def frames(self, duration: float, fps: float) -> int:
        """How many frames are taken of a video of `duration` seconds at `fps`; at least as many as make one token."""
        total, step = max(_frames_in(duration, fps), self.frame_factor), self.frame_factor
        fewest, most = math.ceil(self.fewest / step) * step, min(self.most, total) // step * step
        taken = min(max(total / fps * self.fps, fewest), most, total)
        return max(step, int(taken // step) * step)

    def frame(self, width: int, height: int, duration: float, fps: float) -> tuple[int, int]:
        """The (width, height) to which the frames of such a video are resized; ValueError for a frame that is not."""
        area = self.factor**2
        low, high = (tokens * area for tokens in self.video_tokens)
        whole = self.model_tokens * area / self.frames(duration, fps) * self.frame_factor
        size = smart_resize(width, height, low, max(min(high, whole), int(low * 1.05)), self.factor, self.ratio)
        if 0 in size:
            raise ValueError(f"a frame of {width}x{height} is too narrow for {high} pixels")
        return size

    def tokens_of_video(self, width: int, height: int, duration: float, fps: float) -> int:
        """The tokens of such a video's frames, of which two at a time share theirs."""
        wide, high = self.frame(width, height, duration, fps)
        return self.frames(duration, fps) // 2 * (wide // self.factor) * (high // self.factor)

    def tokens_of_image(self, width: int, height: int) -> int:
        low, high = (tokens * self.factor**2 for tokens in self.image_tokens)
        wide, tall = smart_resize(width, height, low, high, self.factor, self.ratio)
        return (wide // self.factor) * (tall // self.factor)


class ClipVision:
    """The same of VideoLLaMA 3, whose limits of a video are px of all its frames together.

    `image_size` and `clip_size` are the limits of its processor, which hold where the settings have none.
    """

    around = "\n"

    def __init__(
        self,
        settings: Mapping[str, Any],
        image_size: Mapping[str, int] = videollama3.IMAGE_LIMITS,
        clip_size: Mapping[str, int] = videollama3.CLIP_LIMITS,
    ):
        def number(name: str, default: float) -> float:
            return _number(settings, name, default, above=True)

        def limits(media: str, size: Mapping[str, int]) -> dict[str, int]:
            edges = {"shortest_edge": f"{media}MIN_PIXELS", "longest_edge": f"{media}MAX_PIXELS"}
            return {edge: int(number(name, size[edge])) for edge, name in edges.items()}

        self.image_size, self.clip_size = limits("", image_size), limits("CLIP_", clip_size)
        self.fps = number("FPS", videollama3.FPS)
        self.fewest = int(number("FPS_MIN_FRAMES", videollama3.MIN_FRAMES))
        self.most = int(number("FPS_MAX_FRAMES", videollama3.MAX_FRAMES))
        self.image_tokens = (1, self.image_size["longest_edge"] // videollama3.PATCH**2)

    def frames(self, duration: float, fps: float) -> int:
        total = max(1, _frames_in(duration, fps))
        return videollama3.frames_taken(total, fps, self.fps, self.fewest, self.most)

    def frame(self, width: int, height: int, duration: float, fps: float) -> tuple[int, int]:
        most = self.clip_size["longest_edge"] // self.frames(duration, fps)
        return videollama3.resized(width, height, self.clip_size["shortest_edge"], most, 2 * videollama3.PATCH)

    def tokens_of_video(self, width: int, height: int, duration: float, fps: float) -> int:
        """The least there are: those of the first frame, and one of each other: what does not change has none."""
        wide, high = self.frame(width, height, duration, fps)
        return wide * high // (2 * videollama3.PATCH) ** 2 + self.frames(duration, fps) - 1

    def tokens_of_image(self, width: int, height: int) -> int:
        low, high = self.image_size.values()
        wide, tall = videollama3.resized(width, height, low, high, videollama3.PATCH)
        return wide * tall // videollama3.PATCH**2


def vision_of(settings: Mapping[str, Any], model_type: str | None) -> Vision | ClipVision | None:
    """What a model of that type is shown; None where that is not known."""
    if model_type == videollama3.MODEL_TYPE:
        return ClipVision(settings)
    return Vision(settings, model_type) if model_type in PATCHES else None


def _frames_in(duration: float, fps: float) -> int:
    if not (0 <= duration < 1e9 and 0 < fps < 1e6):
        raise ValueError(f"no video lasts {duration} s at {fps} frames per second")
    return round(duration * fps)


def frame_fault(meta: Mapping[str, Any], vision: Vision | ClipVision) -> str | None:
    """Why a row's box cannot be read on the frame that the model sees; None where it can, or where it is not needed."""
    if meta.get("box_space") != "resized":
        return None
    stated = meta.get("box_width"), meta.get("box_height")
    try:
        seen = vision.frame(*(meta[key] for key in ("width", "height", "duration", "fps")))
    except (KeyError, TypeError, ValueError) as error:
        return f"the frame that the model sees cannot be told: {error!r:.80}"
    if seen == stated:
        return None
    return f"its box is stated on a frame of {stated[0]}x{stated[1]}, the model sees {seen[0]}x{seen[1]}"
