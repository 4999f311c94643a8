"""Chat templates for ms-swift."""

from __future__ import annotations

from swift.template import Template, TemplateMeta, register_template
from swift.template.templates.internvl import InternvlhfTemplate
from swift.template.templates.llava import LlavaHfTemplate
from swift.template.templates.qwen import Qwen2_5VLTemplate, Qwen3_5Template, Qwen3VLTemplate, QwenTemplateMeta
from swift.template.templates.utils import ChatmlTemplateMeta

from swift_plugins.core.readers import CURE, reader_in_force
from swift_plugins.core.settings import answer_form
from swift_plugins.core.tasks import fakevlm
from swift_plugins.core.videos import seen_size
from swift_plugins.hooks.padding_free import PaddingFree


class AnswerForms(PaddingFree):
    """Trains FakeVLM's rows in the forms that figure 3 and table 6 of the paper compare, all from one dataset.

    ANSWER_FORM=word in a recipe's ENV leaves "Real" or "Fake" of an answer. In the task seq_cls the answer is taken out
    of the row, and its verdict, by its place in fakevlm.VERDICTS, is the class to learn.
    """

    def _preprocess_inputs(self, inputs):
        super()._preprocess_inputs(inputs)
        if answer_form() == "word" and inputs.messages[-1]["role"] == "assistant":
            inputs.messages[-1]["content"] = fakevlm.render(fakevlm.Answer(_verdict(inputs), None, "word"))

    def _seq_cls_encode(self, inputs):
        if inputs.messages[-1]["role"] == "assistant":
            inputs.label = fakevlm.VERDICTS.index(_verdict(inputs))
            inputs.messages.pop()
        return super()._seq_cls_encode(inputs)


def _verdict(inputs) -> str:
    """The verdict of a row's answer; ValueError where there is none."""
    parsed = fakevlm.parse_trained(inputs.messages[-1]["content"] or "")
    if parsed.answer is None:
        raise ValueError(f"only answers of the task fakevlm have other forms; this one {parsed.reason}")
    return parsed.answer.verdict


class ForensicLlavaTemplate(AnswerForms, LlavaHfTemplate):
    """LLaVA-1.5's chat as its own chat template has it, with which FakeVLM is trained (released training code)."""

    def _encode(self, inputs):
        """With a weight for every token of an image: the stock template leaves one for all of them."""
        encoded = super()._encode(inputs)
        if inputs.images and encoded.get("loss_scale") is not None:
            ids, weights = encoded["input_ids"], iter(encoded["loss_scale"])
            spread: list[float] = []
            each = ids.count(self.image_token_index) // len(inputs.images)
            while len(spread) < len(ids):
                spread += [next(weights)] * (each if ids[len(spread)] == self.image_token_index else 1)
            encoded["loss_scale"] = spread
        return encoded

    def _post_encode(self, model, inputs):
        """Where a batch of training has no image a blank one is seen, which changes nothing: ranks of one step then run
        the same layers, for which ZeRO waits. Other bases' templates do the same."""
        if not self.is_training or inputs.get("pixel_values") is not None:
            return inputs
        base = self.get_base_model(model)
        embedded = base.get_input_embeddings()(inputs["input_ids"])
        side = base.config.vision_config.image_size
        seen = base.model.get_image_features(
            embedded.new_zeros(1, 3, side, side),
            vision_feature_layer=base.config.vision_feature_layer,
            vision_feature_select_strategy=base.config.vision_feature_select_strategy,
        )
        return {"inputs_embeds": embedded + seen.pooler_output[0].mean() * 0}


class BareLlavaTemplate(ForensicLlavaTemplate):
    """The question and nothing else, with which FakeVLM is evaluated (released evaluation code)."""

    def replace_tag(self, media_type, index, inputs):
        return ["<image>"]


LLAVA = {"prefix": ["<s>"], "chat_sep": ["</s>"], "suffix": ["</s>"], "system_prefix": ["<s>{{SYSTEM}} "]}
register_template(
    TemplateMeta(
        "forensic_llava1_5", prompt=["USER: {{QUERY}} ASSISTANT:"], template_cls=ForensicLlavaTemplate, **LLAVA
    )
)
register_template(TemplateMeta("forensic_llava1_5_bare", prompt=["{{QUERY}}"], template_cls=BareLlavaTemplate, **LLAVA))


class ForensicInternVLTemplate(AnswerForms, InternvlhfTemplate):
    """InternVL 3.5's chat, for the model in the layout of transformers and any vocabulary."""

    def init_processor(self, processor):
        self.placeholder_tokens = ["<IMG_CONTEXT>"]  # the stock class shares one list, of the first vocabulary's ids
        super().init_processor(processor)


register_template(ChatmlTemplateMeta("forensic_internvl", template_cls=ForensicInternVLTemplate))


class AnyVocabulary(Template):
    """A Qwen-VL template that asks the tokenizer; the stock ones hold the token ids of the released vocabulary.

    It says of which video its reader gave up: qwen-vl-utils then turns to torchvision, which reads none any more.
    """

    def init_processor(self, processor):
        self.placeholder_tokens = ["<|image_pad|>", "<|video_pad|>"]  # ids of this vocabulary take their places
        super().init_processor(processor)
        if processor is not None:
            self.image_token_id = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
            self.video_token_id = self.tokenizer.convert_tokens_to_ids("<|video_pad|>")

    def replace_tag(self, media_type, index, inputs):
        path = inputs.videos[index] if media_type == "video" else None
        try:
            return super().replace_tag(media_type, index, inputs)
        except (AttributeError, ValueError) as error:
            if not isinstance(path, str):
                raise
            gave_up = "read_video" in str(error)
            reason = f"{reader_in_force()} cannot read it; {CURE}" if gave_up else error
            raise ValueError(f"{path[:200]!r}: {reason}") from None


class ForensicQwen3VLTemplate(AnswerForms, AnyVocabulary, Qwen3VLTemplate):
    """Qwen3-VL's template, for any vocabulary and with boxes on videos in the thousandths in which it states them."""

    def replace_tag(self, media_type, index, inputs):
        if media_type == "video" and inputs.objects.get("bbox") and not inputs.images:
            rescale(inputs.objects, index, _frame_size(inputs.videos[index]), (1000, 1000))
        return super().replace_tag(media_type, index, inputs)


register_template(
    QwenTemplateMeta(
        "forensic_qwen3_vl", template_cls=ForensicQwen3VLTemplate, default_system=None, thinking_prefix="<think>\n"
    )
)


class ForensicQwen3_5Template(ForensicQwen3VLTemplate, Qwen3_5Template):
    """Qwen3.5's template, the same way, for answers without thoughts.

    The empty thought of its own chat template stands in the prompt, not in the answer as in the stock template: the
    answer alone is learned, weighted and read, and it begins with its verdict.
    """


register_template(
    QwenTemplateMeta(
        "forensic_qwen3_5",
        prompt=["<|im_start|>user\n{{QUERY}}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"],
        template_cls=ForensicQwen3_5Template,
        default_system=None,
    )
)


class ForensicQwen2_5VLTemplate(AnswerForms, AnyVocabulary, Qwen2_5VLTemplate):
    """Qwen2.5-VL's template, for any vocabulary and with boxes on videos.

    The stock template rescales `objects.bbox` to the resized frame for images only; a box on a video would reach the
    model in source pixels that it cannot see.
    """

    def replace_tag(self, media_type, index, inputs):
        before = None
        if media_type == "video" and inputs.objects.get("bbox") and not inputs.images:
            before = _frame_size(inputs.videos[index])
        tokens = super().replace_tag(media_type, index, inputs)
        if before is not None:
            height, width = inputs.videos[index].shape[-2:]
            rescale(inputs.objects, index, before, (width, height))
        return tokens


def _frame_size(video) -> tuple[int, int]:
    """(width, height) of a video file as it is seen, or of the first of its frames."""
    if isinstance(video, str):
        return seen_size(video)
    first = video[0]
    if isinstance(first, str):
        from PIL import Image

        with Image.open(first) as image:
            return image.size
    return first.size


def rescale(objects: dict, video: int, before: tuple[int, int], after: tuple[int, int]) -> None:
    """Scale the boxes of one video in place (x, y, x, y, ... in source px, or 0..1 for bbox_type norm1)."""
    width, height = (1, 1) if objects.get("bbox_type") == "norm1" else before
    owners = objects.get("image_id") or [0] * len(objects["bbox"])
    for box, owner in zip(objects["bbox"], owners, strict=True):
        if owner == video:
            box[0::2] = [round(x / width * after[0]) for x in box[0::2]]
            box[1::2] = [round(y / height * after[1]) for y in box[1::2]]


register_template(QwenTemplateMeta("forensic_qwen2_5_vl", template_cls=ForensicQwen2_5VLTemplate))
