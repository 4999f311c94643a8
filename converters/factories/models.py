"""The models that a factory asks, each by its role, and the one place where they are asked."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from swift_plugins.answering.asking import Result
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


class Models:
    """Who is asked in each role; a server that several roles have is asked as one."""

    def __init__(self, models: Mapping[str, Model], batch_size: int, max_tokens: int):
        servers: dict[Model, Server] = {}
        self.servers: dict[str, Server] = {}
        for role, of in models.items():
            if of not in servers:
                settings = Server.settings(of.name, None, of.url)
                servers[of] = Server(settings, batch_size, max_tokens)
            self.servers[role] = servers[of]

    def ask(self, role: str, rows: Sequence[Row]) -> Iterator[tuple[int, Result]]:
        """The place of each conversation and what the role's model says to it, or what went wrong, as it comes in."""
        for place, (result,), _ in self.servers[role].stream(enumerate([row] for row in rows)):
            yield place, result
