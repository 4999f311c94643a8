"""VideoLLaMA 3 for ms-swift: its loader and its template, over transformers' own classes.

A row becomes what the processor's own chat template makes of it, token for token and pixel for pixel (VideoLLaMA 3,
arXiv 2501.13106: `Time 0.5s:` before the tokens of each frame, and no tokens for what does not change).
"""

from __future__ import annotations

import inspect
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from swift.model import ModelGroup, ModelLoader, ModelMeta, MultiModelKeys, register_model, register_model_arch
from swift.template import register_template
from swift.template.templates.qwen import QwenTemplateMeta
from transformers.models.video_llama_3 import modeling_video_llama_3 as stock
from transformers.video_utils import VideoMetadata

from swift_plugins.core.readers import CURE, PINNED, SETTING, reader_in_force
from swift_plugins.core.videollama3 import IMAGE_TOKEN, MODEL_TYPE, VIDEO_TOKEN, frames_taken
from swift_plugins.core.vision import ClipVision
from swift_plugins.hooks.templates import AnswerForms, rescale

TEMPLATE = "forensic_videollama3"
# Frames further apart than this share of the mean distance are of a variable rate; container clocks round by less.
STEADY = 0.25
_ENCODED = "videollama3"  # the key under which a row's processed media wait for its ids
_CONCATENATED = ("image_merge_sizes", "video_merge_sizes", "video_compression_mask")


class VideoLlama3ForConditionalGeneration(stock.VideoLlama3ForConditionalGeneration):
    """The stock class, which makes logits for every position of a row, with a choice of the positions.

    One row of 12,225 tokens has 7.4 GB of logits in float32, and training needs those of its answer alone. The class
    has the stock one's name because checkpoints name the class that reads them.
    """

    def forward(self, *args: Any, logits_to_keep: int | torch.Tensor = 0, **kwargs: Any):
        """Logits of shape (rows, kept, vocabulary); `logits_to_keep` is how many of the last positions are kept, 0 for
        all, or a mask or indices of them."""

        def narrow(head: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            return (inputs[0][:, kept],)

        narrowing = self.lm_head.register_forward_pre_hook(narrow)
        try:
            return super().forward(*args, **kwargs)
        finally:
            narrowing.remove()

    # Trainer and generation ask the signature for what may be given.
    _stock = inspect.signature(stock.VideoLlama3ForConditionalGeneration.forward)
    _kept = inspect.Parameter("logits_to_keep", inspect.Parameter.KEYWORD_ONLY, default=0)
    forward.__signature__ = _stock.replace(  # type: ignore[attr-defined]
        parameters=[*list(_stock.parameters.values())[:-1], _kept, list(_stock.parameters.values())[-1]]
    )


class VideoLlama3Loader(ModelLoader):
    """Loads the layout that transformers reads (see convert_videollama3.py); no code of the folder runs."""

    default_trust_remote_code = False
    auto_model_cls: Any

    def get_model(self, model_dir, config, processor, model_kwargs):
        self.auto_model_cls = self.auto_model_cls or VideoLlama3ForConditionalGeneration
        return super().get_model(model_dir, config, processor, model_kwargs)


class Sampled(NamedTuple):
    """Frames of a clip: which are taken, by index, and the second at which each is seen after the first one."""

    indices: list[int]
    seconds: list[float]


def sample(begins: Sequence[float], rate: float, fps: float, least: int, most: int) -> Sampled:
    """The frames that are taken of a clip whose frames begin at these seconds, at a mean `rate` per second.

    `fps` per second, but at least `least` and at most `most` of those there are, evenly spread: by index, as the stock
    processor does, or by time where the rate varies. The stock one also asks for a frame past the end where
    total / count does not divide evenly in floating point (1 % of lengths); here there are exactly `count`.
    """
    total = len(begins)
    count = frames_taken(total, rate, fps, least, most)
    gaps = [later - earlier for earlier, later in pairwise(begins)]
    if not gaps or max(abs(gap * rate - 1) for gap in gaps) <= STEADY:
        indices = [i * total // count for i in range(count)]
        return Sampled(indices, [i / rate for i in indices])
    length = begins[-1] - begins[0] + 1 / rate
    wanted = [begins[0] + i * length / count for i in range(count)]
    indices = sorted({bisect_right(begins, second + 1e-6) - 1 for second in wanted})
    return Sampled(indices, [begins[i] - begins[0] for i in indices])


def read_clip(path: str, fps: float, least: int, most: int) -> tuple[Any, Sampled]:
    """(frames of shape (n, height, width, 3), uint8, as decord gives them; which they are)."""
    import decord
    from decord.base import DECORDError

    if reader_in_force() != PINNED:
        raise ValueError(f"VideoLLaMA 3's clips are read by {PINNED}: unset {SETTING}")
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(path, num_threads=1)
        begins = [float(span[0]) for span in reader.get_frame_timestamp(range(len(reader)))]
        taken = sample(begins, float(reader.get_avg_fps()), fps, least, most)
        return reader.get_batch(taken.indices).asnumpy(), taken
    except (DECORDError, RuntimeError, AssertionError) as error:
        raise ValueError(f"{path[:200]!r}: decord cannot read it; {CURE}") from error


class ForensicVideoLlama3Template(AnswerForms):
    """VideoLLaMA 3's chat, with boxes in thousandths of the frame (its published grounding examples)."""

    use_model = True

    def init_processor(self, processor):
        self.placeholder_tokens = [IMAGE_TOKEN, VIDEO_TOKEN]  # ids of this vocabulary take their places
        super().init_processor(processor)

    def replace_tag(self, media_type, index, inputs):
        """The text that stands for a medium: it is tokenized with its neighbours, as the processor's own is."""
        if self.mode in ("vllm", "lmdeploy", "sglang"):
            raise ValueError(f"{TEMPLATE} answers by transformers; {self.mode} has a template of its own for it")
        encode = self._encode_image if media_type == "image" else self._encode_clip
        encoded, text = encode(index, inputs)
        inputs.mm_processor_kwargs.setdefault(_ENCODED, []).append(encoded)
        return [f"{text}\n"]

    def _vision(self) -> ClipVision:
        """What is shown, by the environment as it is now."""
        return ClipVision(os.environ, self.processor.image_processor.size, self.processor.video_processor.size)

    def _encode_image(self, index, inputs):
        of = self.processor.image_processor
        encoded = of(images=[inputs.images[index]], size=self._vision().image_size, return_tensors="pt")
        return encoded, self.processor.replace_image_token(encoded, 0)

    def _encode_clip(self, index, inputs):
        of, vision, clip = self.processor.video_processor, self._vision(), inputs.videos[index]
        if not isinstance(clip, str):
            raise ValueError(f"{TEMPLATE} needs a clip's file, whose times it tells; got a {type(clip).__name__}")
        frames, taken = read_clip(clip, vision.fps, vision.fewest, vision.most)
        if inputs.objects.get("bbox") and not inputs.images:
            rescale(inputs.objects, index, (frames.shape[2], frames.shape[1]), (1000, 1000))
        encoded = of(
            videos=[torch.from_numpy(frames).permute(0, 3, 1, 2)],
            size=vision.clip_size,
            do_sample_frames=False,
            return_metadata=False,
            return_tensors="pt",
        )
        # Seconds in place of numbers at one frame a second: a frame is announced at its own time, whatever the rate.
        times = VideoMetadata(total_num_frames=len(frames), fps=1.0, frames_indices=taken.seconds)
        return encoded, self.processor.replace_video_token({**encoded, "video_metadata": [times]}, 0)

    def _encode(self, inputs) -> dict[str, Any]:
        encoded = super()._encode(inputs)
        parts = inputs.mm_processor_kwargs.pop(_ENCODED, [])
        for key in dict.fromkeys(key for part in parts for key in part):
            encoded[key] = torch.cat([part[key] for part in parts if key in part])
        return encoded

    def _data_collator_mm_data(self, batch: list[dict[str, Any]]) -> dict[str, Any]:
        collated = super()._data_collator_mm_data(batch)
        for key in _CONCATENATED:
            if parts := [row[key] for row in batch if row.get(key) is not None]:
                collated[key] = torch.cat(parts)
        return collated

    def _post_encode(self, model, inputs: dict[str, Any]) -> dict[str, Any]:
        """In training, the embeddings of ids and media. All media of a batch are seen in one call, and where there are
        none a blank patch is: ranks of one step then run the same layers, whatever rows each has."""
        if not self.is_training:
            return inputs
        inner = self.get_base_model(model).model
        ids = inputs["input_ids"]
        embedded = inner.get_input_embeddings()(ids)
        seen = _see(inner, inputs)
        if seen is None:
            blank = torch.zeros(1, 3 * inner.config.vision_config.patch_size**2, device=ids.device)
            one = torch.ones(1, 3, dtype=torch.long, device=ids.device)
            embedded = embedded + _features(inner, blank, one, one[:, 0]).mean() * 0
        else:
            for token, features in zip((inner.config.image_token_id, inner.config.video_token_id), seen, strict=True):
                embedded = embedded.masked_scatter((ids == token)[..., None], features.to(embedded.dtype))
        # With a cache transformers does not look for the borders of packed rows, which then attend to each other.
        return {"inputs_embeds": embedded, "use_cache": False}

    def prepare_generate_kwargs(self, generate_kwargs, *, model=None):
        """Without the columns of a row that are no inputs, which plain `swift infer` hands on."""
        known = inspect.signature(stock.VideoLlama3ForConditionalGeneration.forward).parameters
        row = {"id", "task", "meta", "dataset"} - known.keys()
        return super().prepare_generate_kwargs(
            {key: value for key, value in generate_kwargs.items() if key not in row}, model=model
        )


def _features(inner: Any, pixels: torch.Tensor, grids: torch.Tensor, merges: torch.Tensor) -> torch.Tensor:
    """What the language model is shown of media: (their tokens, its width)."""
    return torch.cat(tuple(inner.get_image_features(pixels, grids, merges, return_dict=True).pooler_output))


def _see(inner: Any, inputs: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The features of a batch's images and of its clips, without the tokens that did not change; None without media."""

    def both(*names: str) -> torch.Tensor:
        return torch.cat([inputs[name] for name in names if inputs.get(name) is not None])

    images, clips = (inputs.get(name) is not None for name in ("pixel_values", "pixel_values_videos"))
    if not (images or clips):
        return None
    merges = both("image_merge_sizes", "video_merge_sizes")
    grids = both("image_grid_thw", "video_grid_thw")
    features = _features(inner, both("pixel_values", "pixel_values_videos"), grids, merges)
    tokens = grids.prod(1) // merges**2
    end = int(tokens[: len(inputs["image_grid_thw"])].sum()) if images else 0
    of_clips = features[end:]
    return features[:end], of_clips[inputs["video_compression_mask"].to(of_clips.device)] if clips else of_clips


register_model_arch(
    MultiModelKeys(
        MODEL_TYPE,
        language_model=["model.language_model", "lm_head"],
        aligner="model.projector",
        vision_tower="model.vision_model",
    )
)
register_model(
    ModelMeta(
        MODEL_TYPE,
        [ModelGroup([])],
        VideoLlama3Loader,
        template=TEMPLATE,
        model_arch=MODEL_TYPE,
        architectures=["VideoLlama3ForConditionalGeneration"],
        is_multimodal=True,
        tags=["vision", "video"],
    )
)
register_template(QwenTemplateMeta(TEMPLATE, template_cls=ForensicVideoLlama3Template, default_system=None))
