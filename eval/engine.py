"""ms-swift's transformers engine, as prediction uses it: batches in, texts and the probability of the verdict out."""

from __future__ import annotations

from typing import Any

from swift_plugins.tasks import get_task

Row = dict[str, Any]


class Engine:
    """ms-swift's transformers engine, answering batches."""

    def __init__(self, model: dict[str, Any], batch_size: int, max_tokens: int):
        import torch
        from swift.infer_engine import RequestConfig, TransformersEngine
        from swift.model import get_model_processor
        from swift.template import get_template

        import swift_plugins.register  # noqa: F401

        dtype = getattr(torch, model["torch_dtype"]) if model["torch_dtype"] else None
        network, processor = get_model_processor(model["model"], model_type=model["model_type"], torch_dtype=dtype)
        template = get_template(processor, template_type=model["template"])
        adapters = [model["adapter"]] if model["adapter"] else []
        self.engine = TransformersEngine(network, template=template, adapters=adapters, max_batch_size=batch_size)
        self.engine.strict = False  # a row that cannot be encoded comes back as its exception
        self.config = RequestConfig(max_tokens=max_tokens, temperature=0.0)
        self.tokenizer = self.engine.tokenizer

    def answer(self, rows: list[Row]) -> list[Row | Exception]:
        """For each row {"response", "p_fake", "usage"}, or what went wrong with it."""
        from swift.infer_engine import InferRequest
        from transformers import LogitsProcessorList

        requests = [
            InferRequest(
                messages=[m for m in row["messages"] if m["role"] != "assistant"],
                images=row.get("images", []),
                videos=row.get("videos", []),
            )
            for row in rows
        ]
        first = FirstLogits()

        def keep_first_logits(kwargs):
            kwargs["inputs"]["logits_processor"] = LogitsProcessorList([first])
            return kwargs

        # `_infer` is what `infer` calls for a batch; it alone takes the hook that lets us see the first token's logits.
        replies = self.engine._infer(requests, self.config, pre_infer_hook=keep_first_logits)
        answers: list[Row | Exception] = []
        position = 0
        for row, reply in zip(rows, replies, strict=True):
            if isinstance(reply, Exception):
                answers.append(reply)
                continue
            text = reply.choices[0].message.content
            usage = {"prompt_tokens": reply.usage.prompt_tokens, "completion_tokens": reply.usage.completion_tokens}
            words = getattr(get_task(row["task"]), "VERDICT_WORDS", None)
            p_fake = first.p_fake(position, words, self.tokenizer) if words else None
            answers.append({"response": text, "p_fake": p_fake, "usage": usage,
                            "finish_reason": reply.choices[0].finish_reason})  # fmt: skip
            position += 1
        return answers


class FirstLogits:
    """A logits processor that changes nothing and keeps the logits of the first generated token."""

    def __init__(self):
        self.logits: Any = None

    def __call__(self, input_ids, scores):
        if self.logits is None:
            self.logits = scores.detach().float().cpu()
        return scores

    def p_fake(self, position: int, words: dict[str, str], tokenizer) -> float | None:
        """P(fake) against P(real) as the first token, or None if the model began with neither."""
        real, fake = (tokenizer.encode(words[v], add_special_tokens=False)[0] for v in ("real", "fake"))
        logits = self.logits[position]
        if int(logits.argmax()) not in (real, fake):
            return None
        return round(float((logits[fake] - logits[real]).sigmoid()), 6)
