"""Captioners and an aggregator that err at known rates, on loopback: what is there to be seen is known by the image."""

from __future__ import annotations

import functools
import json
import re
import zlib
from dataclasses import dataclass, field

from tests.converters.factories.scripted import Scripted

# What may be there: family, sentence. An image truly shows some of them; a captioner may imagine any other.
THINGS = [
    ("texture", "The {} is smooth as wax."),
    ("texture", "The grain stops at the {}."),
    ("geometry", "The {} bends where it should be straight."),
    ("geometry", "There is one {} too many."),
    ("lighting", "The shadow of the {} falls towards the light."),
    ("colour", "The {} has a green rim."),
    ("anatomy", "The joint at the {} turns the wrong way."),
    ("boundaries", "The {} melts into what is behind it."),
]
PLACES = ("left hand", "window", "tree on the right", "collar", "roof", "sign", "front wheel", "table")
COLOURS = ("red", "blue", "green", "grey", "brown", "white", "black", "yellow", "pink", "orange", "purple", "beige")
ALL = [(family, text.format(f"{colour} {place}")) for family, text in THINGS for place in PLACES for colour in COLOURS]
SEES, IMAGINES = 0.8, 2  # the chance of seeing what is there, and how many things a captioner makes up


def share(*of: object) -> float:
    """A number from 0 to 1, always the same for the same things."""
    return zlib.crc32("/".join(map(str, of)).encode()) / 2**32


@functools.cache
def name_of(image: str) -> str:
    """What stands for an image, base64 of its file or a data URI of it, in what is drawn."""
    return str(zlib.crc32(image.rpartition(",")[2].encode()))


@functools.cache
def truth(image: str) -> set[tuple[str, str]]:
    """What an image shows, three to five things; none where it is perfect."""
    if perfect(image):
        return set()
    name = name_of(image)
    return {*sorted(ALL, key=lambda thing: share(name, thing))[: 3 + int(3 * share(name))]}


def perfect(image: str) -> bool:
    return share(name_of(image), "perfect") < 0.2


@functools.cache
def seen(image: str, model: str, special: bool) -> list[tuple[str, str]]:
    """What a captioner reports: of what is there four of five, and two things that are not; of a perfect image nothing,
    where it need not force anything."""
    true, name = truth(image), name_of(image)
    found = [thing for thing in sorted(true) if share(name, model, thing) < SEES]
    if special and perfect(image):
        return found
    others = [thing for thing in ALL if thing not in true]
    return found + sorted(others, key=lambda thing: share(name, model, thing, "made up"))[:IMAGINES]


def said_by(text: str, model: str) -> str:
    """The same in a captioner's own words."""
    return f"{text.rstrip('.')}, says {model}."


def plain(text: str) -> str:
    return re.sub(r", says [\w.-]+(?=\.$)", "", text)


@dataclass
class Captioning(Scripted):
    """The server; `hostile` replies stand in the place of a captioner's."""

    hostile: dict[str, str] = field(default_factory=dict)  # model -> reply
    everywhere: str = ""  # what all captioners see in every image

    def reply(self, prompt: str, model: str, image: str) -> str:
        if "Three observers" in prompt:
            return self.aggregated(prompt)
        if model in self.hostile:
            return self.hostile[model]
        special = "Do not force an explanation" in prompt
        things = seen(image, model, special)
        if self.everywhere and not special:
            things = [("coherence", self.everywhere), *things]
        return json.dumps([{"family": f, "critical": False, "text": said_by(text, model)} for f, text in things])

    def aggregated(self, prompt: str) -> str:
        """What is the same but for the captioner's words is put together, and nothing is thrown away."""
        groups: dict[tuple[str, str], list[str]] = {}
        for name, family, text in re.findall(r"^([ABC]\d+) \((\w+)(?:, critical)?\): (.*)$", prompt, re.M):
            groups.setdefault((family, plain(text)), []).append(name)
        return json.dumps(
            [{"family": f, "from": names, "critical": False, "text": text} for (f, text), names in groups.items()]
        )
