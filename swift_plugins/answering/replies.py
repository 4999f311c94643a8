"""What a server replies to a chat completion, checked: an answer, or a ValueError that says what is wrong with it.

Only what is used of OpenAI's protocol is read; anything else in a reply is skipped.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from swift_plugins.answering.probabilities import TOP, Step
from swift_plugins.core.printable import masked
from swift_plugins.core.tasks import MAX_CHARS

# Characters of an answer: four times what a parser reads of it. In JSON, where one takes six bytes at most, that is a
# tenth of the longest line that is read back.
MAX_ANSWER = 4 * MAX_CHARS
SHOWN = 300  # characters of a reply that an error quotes

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# Escapes of JSON that stay (group 1), a pair of surrogates among them; what is left is half a pair.
_ESCAPE = re.compile(
    r"(\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\[^u]|\\u(?![dD][89a-fA-F]))|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


class Likely(Struct):
    token: str
    logprob: Annotated[float, Meta(le=1e-3)]  # a probability is at most 1, but for rounding


class Token(Struct):
    token: str
    top_logprobs: list[Likely] | None = None


class Logprobs(Struct):
    content: list[Token] | None = None


class Part(Struct):
    type: str = "text"
    text: str = ""


class Message(Struct):
    content: str | list[Part] | None = None
    refusal: str | None = None


class Choice(Struct):
    message: Message
    finish_reason: Annotated[str, Meta(max_length=100)] | None = None
    logprobs: Logprobs | None = None


class Usage(Struct):
    """How many tokens were read and written; null where a server does not count."""

    prompt_tokens: Annotated[int, Meta(ge=0)] | None = None
    completion_tokens: Annotated[int, Meta(ge=0)] | None = None


class Reply(Struct):
    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Raw = Raw(b"null")


class Refused(ValueError):
    """A reply that refuses the request, or something that it asks for; `vague` ones may not name what."""

    def __init__(self, text: str, vague: bool = False):
        super().__init__(text)
        self.vague = vague


_decoder = msgspec.json.Decoder(Reply, strict=False)


def answer_of(body: bytes) -> tuple[str, list[Step], Usage, str | None]:
    """(text, tokens with the likeliest alternatives, usage, finish_reason) of the first choice; what `result_of` takes.

    Bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD, secrets are masked: the text can be written.
    """
    reply = _read(body.decode(errors="replace"))
    if bytes(reply.error) != b"null":
        raise Refused(f"the server replies with an error: {quoted(bytes(reply.error))}")
    if not reply.choices:
        raise ValueError("the server's reply has no choices")
    choice = reply.choices[0]
    content = choice.logprobs.content if choice.logprobs else None
    steps: list[Step] = [
        (token.token, {likely.token: likely.logprob for likely in (token.top_logprobs or [])[:TOP]})
        for token in content or []
    ]
    return _text_of(choice), steps, reply.usage or Usage(), choice.finish_reason and masked(choice.finish_reason)


def _read(text: str) -> Reply:
    if _SURROGATE.search(text):
        text = _ESCAPE.sub(lambda match: match[1] or "\ufffd", text)
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise ValueError(f"the server's reply is no chat completion: {error}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the server's reply is not JSON ({error}): {text[:SHOWN]}") from None


def _text_of(choice: Choice) -> str:
    content = choice.message.content
    texts = [part.text for part in content if part.type == "text"] if isinstance(content, list) else [content]
    text = "".join(text for text in texts if text is not None)
    if content is None or not texts:
        why = choice.message.refusal or f"finish_reason {choice.finish_reason}"
        raise ValueError(f"the server's answer has no text ({why[:SHOWN]})")
    if len(text) > MAX_ANSWER:
        raise ValueError(f"the server's answer has {len(text)} characters, at most {MAX_ANSWER} are taken")
    return masked(text)


def quoted(body: bytes) -> str:
    """The beginning of a body, on one line."""
    return " ".join(body[: 4 * SHOWN].decode(errors="replace").split())[:SHOWN]
