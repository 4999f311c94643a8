"""Chat templates for ms-swift."""

from __future__ import annotations

from swift.template import register_template
from swift.template.templates.qwen import Qwen2_5VLTemplate, QwenTemplateMeta


class ForensicQwen2_5VLTemplate(Qwen2_5VLTemplate):
    """Qwen2.5-VL's template, for any vocabulary and with boxes on videos.

    The stock template holds the token ids of the released vocabulary and rescales `objects.bbox` to the resized frame
    for images only; a box on a video would reach the model in source pixels that it cannot see.
    """

    def init_processor(self, processor):
        super().init_processor(processor)
        if processor is not None:
            self.image_token_id = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
            self.video_token_id = self.tokenizer.convert_tokens_to_ids("<|video_pad|>")

    def replace_tag(self, media_type, index, inputs):
        before = None
        if media_type == "video" and inputs.objects.get("bbox") and not inputs.images:
            before = _frame_size(inputs.videos[index])
        tokens = super().replace_tag(media_type, index, inputs)
        if before is not None:
            height, width = inputs.videos[index].shape[-2:]
            _rescale(inputs.objects, index, before, (width, height))
        return tokens


def _frame_size(video) -> tuple[int, int]:
    """(width, height) of a video file, or of the first of its frames."""
    if isinstance(video, str):
        import av

        with av.open(video) as container:
            return container.streams.video[0].width, container.streams.video[0].height
    first = video[0]
    if isinstance(first, str):
        from PIL import Image

        with Image.open(first) as image:
            return image.size
    return first.size


def _rescale(objects: dict, video: int, before: tuple[int, int], after: tuple[int, int]) -> None:
    """Scale the boxes of one video in place (x, y, x, y, ... in source px, or 0..1 for bbox_type norm1)."""
    width, height = (1, 1) if objects.get("bbox_type") == "norm1" else before
    owners = objects.get("image_id") or [0] * len(objects["bbox"])
    for box, owner in zip(objects["bbox"], owners, strict=True):
        if owner == video:
            box[0::2] = [round(x / width * after[0]) for x in box[0::2]]
            box[1::2] = [round(y / height * after[1]) for y in box[1::2]]


register_template(QwenTemplateMeta("forensic_qwen2_5_vl", template_cls=ForensicQwen2_5VLTemplate))
