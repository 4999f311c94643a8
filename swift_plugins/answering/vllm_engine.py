"""A model's folder on this machine, asked through ms-swift's vLLM engine, which schedules a whole batch by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from swift_plugins.answering.engine import Engine
from swift_plugins.answering.probabilities import TOP, Step, result_of
from swift_plugins.core.records import Row, read_json

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of an adapter, as vLLM reserves room for them
# Nothing of what the model's folder sets for sampling holds, at temperature 0 neither (see greedy in engine.py).
PLAIN = {"top_k": -1, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}


class VllmEngine(Engine):
    """ms-swift's vLLM engine, offline; as many rows are worked on at once as a batch has."""

    def load(self, settings: Mapping[str, Any], batch_size: int) -> Any:
        if self.has_head:
            raise ValueError("a linear head is not answered by vLLM: leave out --backend vllm")
        try:
            from swift.infer_engine import VllmEngine as SwiftEngine
        except ImportError as error:
            raise ValueError(
                f"--backend vllm needs vllm, in an environment of its own: pip install vllm ({error})"
            ) from None
        from swift.model import get_processor
        from swift.template import get_template

        processor = get_processor(settings["model"], model_type=settings["model_type"])
        return SwiftEngine(
            settings["model"],
            template=get_template(processor, template_type=settings["template"]),
            torch_dtype=self.dtype(settings),
            model_type=settings["model_type"],
            max_num_seqs=batch_size,
            engine_kwargs={"max_logprobs": TOP},
            **adapter_options(settings["adapter"]),
        )

    def answer(self, rows: list[Row]) -> list[Row | Exception]:
        config = replace(self.config, logprobs=True, top_logprobs=TOP, seed=self.seed_of(rows))
        for name, value in PLAIN.items():
            if name not in self.sampling:
                setattr(config, name, value)
        replies = self.engine.infer(self.requests(rows), config, use_tqdm=False)
        return [self._result(row, reply) for row, reply in zip(rows, replies, strict=True)]

    @staticmethod
    def _result(row: Row, reply: Any) -> Row | Exception:
        if isinstance(reply, Exception):
            return reply
        choice = reply.choices[0]
        steps: list[Step] = [
            (token["token"], {likely["token"]: likely["logprob"] for likely in token["top_logprobs"]})
            for token in (choice.logprobs or {"content": []})["content"]
        ]
        return result_of(row, choice.message.content, steps, reply.usage, choice.finish_reason)


def adapter_options(adapter: str | None) -> dict[str, Any]:
    """What the engine must know of an adapter before it loads the model; ValueError where its rank is too large."""
    if adapter is None:
        return {}
    rank = read_json(Path(adapter, "adapter_config.json")).get("r")
    if not isinstance(rank, int) or rank > RANKS[-1]:
        raise ValueError(
            f"{adapter}: vLLM takes adapters of rank {RANKS[-1]} at most, not {rank!r:.40}: merge it first"
        )
    return {"adapters": [adapter], "max_lora_rank": next(size for size in RANKS if size >= rank)}
