"""The models that a factory asks, each by its role, and the one place where they are asked."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from threading import RLock
from typing import NamedTuple

from swift_plugins.answering.asking import Result
from swift_plugins.answering.limits import Budget, Use
from swift_plugins.answering.server import Server
from swift_plugins.core.records import Row

# What the field's models are made from, by a part of their names; of any other the name's first word tells.
FAMILIES = {
    **{name: name for name in ("qwen", "internvl", "deepseek", "gemini", "gemma", "claude", "llava", "llama")},
    **{name: name for name in ("mistral", "glm", "minicpm", "molmo", "phi", "grok", "smolvlm", "videollama")},
    "deepfakejudge": "qwen",
    "qwq": "qwen",
    "pixtral": "mistral",
    "vicuna": "llama",
    "gpt": "gpt",
    "chatgpt": "gpt",
}


class Model(NamedTuple):
    """A model of a server with OpenAI's protocol."""

    name: str
    url: str


def model(text: str) -> Model:
    """A type for argparse: NAME@URL, such as Qwen2.5-VL-72B@http://127.0.0.1:8000/v1."""
    name, at, url = text.rpartition("@")
    try:
        if not at or not name:
            raise ValueError("must be NAME@URL, such as qwen2.5-vl-72b@http://127.0.0.1:8000/v1")
        Server.settings(name, None, url)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Model(name, url)


def family(name: str) -> str:
    """What a model is made from, as far as its name tells."""
    words = re.findall(r"[a-z]+", name.lower())
    for word in words:
        if found := next((FAMILIES[part] for part in sorted(FAMILIES, key=len, reverse=True) if part in word), None):
            return found
    return words[0] if words else ""


def same_family(models: Mapping[str, Model], other: str) -> list[str]:
    """The roles whose model is of the family of another."""
    return [role for role, of in models.items() if family(of.name) == family(other)]


class Shared(Budget):
    """A budget of several models, which are asked in threads of their own."""

    def __init__(self, requests: int | None, tokens: int | None):
        super().__init__(requests=requests, tokens=tokens)
        self.one = RLock()

    def reserve(self, use: Use) -> Use:
        with self.one:
            return super().reserve(use)

    def release(self, reserved: Use) -> None:
        with self.one:
            super().release(reserved)

    def count(self, estimate: Use, read: int | None, written: int | None) -> None:
        with self.one:
            super().count(estimate, read, written)


class Models:
    """Who is asked in each role, within a budget; a server that several roles have is one."""

    def __init__(self, models: Mapping[str, Model], batch_size: int, max_tokens: int, budget: Budget):
        servers: dict[Model, Server] = {}
        self.servers: dict[str, Server] = {}
        for role, of in models.items():
            if of not in servers:
                settings = Server.settings(of.name, None, of.url)
                servers[of] = Server(settings, batch_size, max_tokens, budget=budget)
            self.servers[role] = servers[of]

    def ask(self, role: str, rows: Sequence[Row]) -> Iterator[tuple[int, Result, float]]:
        """The place of each conversation, what the role's model said to it, or what went wrong, as soon as it is known,
        and the seconds; ValueError once the budget is used up."""
        for i, results, seconds in self.servers[role].stream(enumerate([row] for row in rows)):
            yield i, results[0], seconds
