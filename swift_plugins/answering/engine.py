"""A model's folder on this machine, asked through ms-swift's transformers engine, as a back end."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from swift_plugins.answering.conversations import asked_messages
from swift_plugins.answering.models import model_settings
from swift_plugins.answering.probabilities import GREEDY, TOP, Step, result_of
from swift_plugins.core import model_folders
from swift_plugins.core.commands import stage
from swift_plugins.core.known_warnings import hide_harmless
from swift_plugins.core.readers import reader_in_force
from swift_plugins.core.records import MEDIA_TAG, MEDIA_TAGS, Row, sha256_text
from swift_plugins.core.settings import apply_vision_settings
from swift_plugins.core.special_texts import check_tokens, special_in
from swift_plugins.core.tasks import fakevlm
from swift_plugins.core.tasks.tagged import FRAME_TAGS

if TYPE_CHECKING:
    import numpy as np


def result_of_head(content: Any, usage: Any) -> Row:
    """What the verdict of a linear head adds to its row, said as the task fakevlm says it.

    `content` is the class that ms-swift's seq_cls names, with the log-probabilities of all of fakevlm.VERDICTS.
    """
    probabilities = {fakevlm.VERDICTS[top["index"]]: math.exp(top["logprob"]) for top in content["top_logprobs"]}
    text = fakevlm.answer_of_head(content["index"])
    counted = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": 0}
    return {"response": text, "p_fake": round(probabilities["fake"], 6), "usage": counted, "finish_reason": "stop"}


_MEDIA_TOKEN = re.compile("vision|image|video|audio")  # there are as many as the media need


def greedy(released: Any) -> Any:
    """A GenerationConfig of which nothing but the ends of an answer is as a model's folder has it.

    ms-swift and transformers take from there whatever a request leaves open, at temperature 0 too: Qwen2.5-VL's has a
    repetition penalty of 1.05, others forbid, force or favour tokens.
    """
    from transformers import GenerationConfig

    ends = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
    return GenerationConfig(do_sample=False, **{name: getattr(released, name, None) for name in ends})


class Engine:
    """ms-swift's transformers engine."""

    batched: ClassVar[bool] = True

    @staticmethod
    def settings(name: str, recipe: Path | None, base_url: str | None, base: Path | None = None) -> dict[str, Any]:
        """Those of the folder, or of a recipe; the vision settings among them are put into effect."""
        found = model_settings(Path(name).resolve(), recipe, base)
        apply_vision_settings(found["vision"], f"{name} (or its recipe)")
        os.environ |= model_folders.DATA_ALONE
        return found

    @staticmethod
    def video_reader() -> str | None:
        return reader_in_force()

    def __init__(
        self, settings: Mapping[str, Any], batch_size: int, max_tokens: int, sampling: Mapping[str, Any] = GREEDY
    ):
        warnings.filterwarnings("ignore", category=FutureWarning, module="torch")  # of what others call of it
        stage(f"loading torch, transformers and ms-swift, then {settings['adapter'] or settings['model']}")
        from swift.infer_engine import RequestConfig

        import swift_plugins.register  # noqa: F401

        hide_harmless()
        self.has_head = settings["task_type"] == "seq_cls"
        self.engine = self.load(settings, batch_size)
        self.engine.strict = False  # a row that cannot be encoded comes back as its exception
        self.sampling = {name: value for name, value in sampling.items() if name != "seed"}
        whole = {"top_k": -1} if sampling["temperature"] else {}  # else transformers draws from 50 tokens
        self.config = RequestConfig(
            max_tokens=max_tokens, return_details=not self.has_head, **{**whole, **self.sampling}
        )
        self.seed = sampling.get("seed", 0) if sampling["temperature"] else None
        self.tokenizer = self.engine.tokenizer
        # All but the tags of a candidate's own frame, which stays as the paper has it.
        added = {*self.tokenizer.get_added_vocab(), *self.tokenizer.all_special_tokens}
        self.special_tokens = frozenset(added - FRAME_TAGS)
        turns = [token for token in self.tokenizer.all_special_tokens if not _MEDIA_TOKEN.search(token)]
        self.turn_ids = frozenset(self.tokenizer.convert_tokens_to_ids(turns))
        self.frames: dict[tuple[Any, ...], int] = {}  # how many of them the template puts around rows of each shape
        template = self.engine.template
        self._encode, template.encode = template.encode, self.encode

    @staticmethod
    def dtype(settings: Mapping[str, Any]) -> Any:
        """torch's name of the weights' type; None for that of the folder."""
        import torch

        return getattr(torch, settings["torch_dtype"]) if settings["torch_dtype"] else None

    def load(self, settings: Mapping[str, Any], batch_size: int) -> Any:
        """ms-swift's engine with the model."""
        from swift.infer_engine import TransformersEngine
        from swift.model import get_model_processor
        from swift.template import get_template

        head = {"task_type": "seq_cls", "num_labels": len(fakevlm.VERDICTS)} if self.has_head else {}
        network, processor = get_model_processor(
            settings["model"], model_type=settings["model_type"], torch_dtype=self.dtype(settings), **head
        )
        if not self.has_head:
            network.generation_config = greedy(network.generation_config)
        template = get_template(processor, template_type=settings["template"])
        adapters = [settings["adapter"]] if settings["adapter"] else []
        return TransformersEngine(network, template=template, adapters=adapters, max_batch_size=batch_size)

    def seed_of(self, rows: Sequence[Row]) -> int | None:
        """Where answers are drawn, a seed of each batch: a run that goes on draws as one that was not stopped."""
        if self.seed is None:
            return None
        return int(sha256_text(f"{self.seed} {[row['id'] for row in rows]}")[:7], 16)

    def encode(self, request: Any, **options: Any) -> Any:
        """The template's own, but that a prompt whose texts became special tokens is a ValueError of its row."""
        encoded = self._encode(request, **options)
        shape = (*(m["role"] for m in request.messages), len(request.images), len(request.videos))
        if shape not in self.frames:
            tags = [{**m, "content": "".join(MEDIA_TAG.findall(m["content"]))} for m in request.messages]
            blank = self._encode(replace(request, messages=tags))
            self.frames[shape] = sum(token in self.turn_ids for token in blank["input_ids"])
        # Texts that hold one by name have been let through on purpose: exact candidates, as the paper has them.
        named = {text for message in request.messages for text in special_in(message["content"])}
        if not named - {*MEDIA_TAGS.values()}:
            check_tokens(encoded["input_ids"], self.turn_ids, self.frames[shape])
        return encoded

    def requests(self, rows: Sequence[Row]) -> list[Any]:
        """The rows as ms-swift asks them, without their answers."""
        from swift.infer_engine import InferRequest

        return [
            InferRequest(messages=asked_messages(row), images=row.get("images", []), videos=row.get("videos", []))
            for row in rows
        ]

    def features(self, rows: Sequence[Row]) -> np.ndarray:
        """The mean of the last layer's states of each row's visual tokens, float32 of shape (rows, width).

        What FakeVLM's linear probe reads (section 4.1: "visual features from the last layer"); the pooling is not in
        the paper.
        """
        import torch
        from swift.utils import to_device

        template, network = self.engine.template, self.engine.model
        template.set_mode("transformers")
        with torch.inference_mode():
            encoded, _ = self.engine._batch_encode(self.requests(rows), strict=True)
            for one in encoded:
                one.pop("template_inputs")
            inputs = to_device(template.data_collator(encoded), network.device)
            visual = torch.isin(inputs["input_ids"], torch.tensor(template.placeholder_tokens, device=network.device))
            _, inputs = template.pre_forward_hook(network, None, inputs)
            few = {} if self.has_head else {"logits_to_keep": 1}  # those of a whole prompt would fill the memory
            states = network(**inputs, output_hidden_states=True, **few).hidden_states[-1].float()
            found = (states * visual.unsqueeze(-1)).sum(1) / visual.sum(1, keepdim=True)
        return found.cpu().numpy()

    def answer(self, rows: list[Row]) -> list[Row | Exception]:
        from transformers import LogitsProcessorList

        requests = self.requests(rows)
        top = TopTokens()
        if (seed := self.seed_of(rows)) is not None:
            from swift.utils import seed_everything

            seed_everything(seed)

        def keep_top_tokens(kwargs):
            kwargs["inputs"]["logits_processor"] = LogitsProcessorList([top])
            return kwargs

        # `_infer` is what `infer` calls for a batch; it alone takes the hook that lets us see the logits. Its own
        # logprobs would hold those of the whole vocabulary for every token in memory.
        replies = self.engine._infer(requests, self.config, pre_infer_hook=None if self.has_head else keep_top_tokens)
        answers: list[Row | Exception] = []
        position = 0
        for row, reply in zip(rows, replies, strict=True):
            if isinstance(reply, Exception):
                answers.append(reply)
                continue
            choice = reply.choices[0]
            if self.has_head:
                answers.append(result_of_head(choice.logprobs["content"][0], reply.usage))
                continue
            steps = top.steps(position, choice.token_ids, self.tokenizer)
            answers.append(result_of(row, choice.message.content, steps, reply.usage, choice.finish_reason))
            position += 1
        return answers


class TopTokens:
    """A logits processor that changes nothing and keeps the likeliest tokens of every step."""

    def __init__(self):
        self.kept: list[tuple[Any, Any]] = []  # per step (log-probabilities, ids), each (rows, TOP), likeliest first

    def __call__(self, input_ids, scores):
        self.kept.append(tuple(x.cpu() for x in scores.float().log_softmax(-1).topk(min(TOP, scores.shape[-1]))))
        return scores

    def steps(self, position: int, generated: Sequence[int], tokenizer) -> list[Step]:
        """The steps at which the tokens of one row's answer were generated."""
        found: list[Step] = []
        for token, (logprobs, ids) in zip(generated, self.kept, strict=False):
            texts = tokenizer.batch_decode(ids[position].unsqueeze(-1))
            found.append((tokenizer.decode([token]), dict(zip(texts, logprobs[position].tolist(), strict=True))))
        return found
