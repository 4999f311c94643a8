"""Artifact captions: what several models see in an image of known label and category, and what they agree on.

Wen et al., "Spot the Fake" (FakeVLM), section 3.2: one of 14 prompts by category and label, and a special one for fakes
that may show no artifact; three captioners; an aggregator that puts together what is common to them. What the paper
leaves to the aggregator's instructions is a rule here: its reply says which observations it put together, and only what
two captioners saw is kept, or what is critical to the one that saw it and to the aggregator. The wording of the prompts
is this project's own.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct
from msgspec import field as struct_field

from converters.factories.calls import Call, NoReply
from converters.factories.prompts import Prompt, prompt
from converters.factories.replies import json_of, prose
from swift_plugins.core.records import encode
from swift_plugins.core.tasks import fakevlm
from swift_plugins.core.tasks.verdicts import stated_verdicts

FAMILIES = ("texture", "geometry", "lighting", "colour", "anatomy", "text", "boundaries", "coherence")
# category as FakeClue names it -> what an image of it shows
CATEGORIES = {
    "deepfake": "a face",
    "object": "an object",
    "satellite": "a view from a satellite",
    "animal": "an animal",
    "doc": "a document",
    "human": "a person",
    "scene": "a scene",
}
LETTERS = "ABC"  # the captioners' names in what the aggregator is shown
CAPTIONERS, AGGREGATOR = tuple(f"captioner {letter}" for letter in LETTERS), "aggregator"
AGREED = 2  # captioners that must have seen a thing
MOST = 12  # observations of one captioner
_STEM = re.compile(r"\w{4,5}")  # the beginning of a word that is more than a particle
Steps = Generator[Call, Any, Any]
Text = Annotated[str, Meta(min_length=1, max_length=600)]


class Case(NamedTuple):
    """An image to be annotated; `verdict` is real or fake, `unseen` whether its artifacts may be none to see."""

    where: str
    id: str
    image: str
    sha256: str
    size: tuple[int, int] | None
    verdict: str
    category: str
    source: str
    split: str
    unseen: bool


class Observation(Struct, forbid_unknown_fields=True):
    """What one captioner saw."""

    family: str
    critical: bool
    text: Text


class Group(Struct, forbid_unknown_fields=True):
    """Observations that are about the same, by their names, said in one sentence."""

    family: str
    names: list[str] = struct_field(name="from")
    critical: bool
    text: Text

    @property
    def captioners(self) -> int:
        return len({name[0] for name in self.names})


@dataclass
class Account:
    """What became of an image: each captioner's observations (None where it gave no reply), the groups, those that are
    kept; `unseen` says that captioners agree that there is nothing to see. Else `reason` says why there is no answer.
    """

    case: Case
    seen: list[list[Observation] | None] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    kept: list[Group] = field(default_factory=list)
    special: bool = False  # asked by the special prompt
    unseen: bool = False
    reason: str = ""

    @property
    def explanation(self) -> str | None:
        """The kept groups by family, in the fixed form; None for an image of which there is nothing to say."""
        parts = []
        for family in FAMILIES:
            if texts := [group.text for group in self.kept if group.family == family]:
                parts.append(f"{family.capitalize()}: {' '.join(texts)}")
        return " ".join(parts) or None


def annotated(case: Case) -> Steps:
    """The job of one image; returns what became of it. A fake on which nobody agrees is asked about once more, by the
    prompt that forbids forced explanations."""
    done = Account(case, special=case.unseen)
    yield from _looked_at(done)
    if not (done.kept or done.reason or done.special or case.verdict == "real"):
        done = Account(case, special=True)
        yield from _looked_at(done)
    if not (done.kept or done.reason or done.unseen):
        done.reason = f"no agreement: {sum(map(len, filter(None, done.seen)))} observations, none of two captioners"
    return done


def _looked_at(done: Account) -> Steps:
    """Ask the captioners, then the aggregator, and keep what is to be kept."""
    faults = []
    for role in CAPTIONERS:
        try:
            done.seen.append((yield _caption(role, done.case, done.special)))
        except NoReply as fault:
            done.seen.append(None)
            faults.append(str(fault))
    if len(faults) > len(CAPTIONERS) - AGREED:
        done.reason = f"no reply: {faults[0]}"
        return
    done.unseen = done.special and sum(seen == [] for seen in done.seen) >= AGREED
    named = named_observations(done.seen)
    if done.unseen or not named:
        return
    try:
        done.groups = yield _aggregate(done.case, named)
    except NoReply as fault:
        done.reason = f"no reply: {fault}"
        return
    done.kept = [group for group in done.groups if is_kept(group, named)]


def is_kept(group: Group, named: dict[str, Observation]) -> bool:
    """Whether two captioners saw it, or one and the aggregator call it critical."""
    return group.captioners >= AGREED or (group.critical and any(named[name].critical for name in group.names))


def named_observations(seen: Sequence[list[Observation] | None]) -> dict[str, Observation]:
    """A1, A2, B1, … -> what that captioner saw."""
    return {
        f"{letter}{i}": observation
        for letter, of in zip(LETTERS, seen, strict=True)
        for i, observation in enumerate(of or [], 1)
    }


# ---------------------------------------------------------------------------------------------------- calls and replies


def caption_prompt(verdict: str, category: str, special: bool) -> tuple[Prompt, Prompt]:
    """(the prompt, the focal points that are put into it) of a label and category."""
    return prompt(f"captions/ask_{'unseen' if special else verdict}"), prompt(f"captions/{verdict}/{category}")


def _caption(role: str, case: Case, special: bool) -> Call:
    frame, focus = caption_prompt(case.verdict, case.category, special)
    slots = {"kind": CATEGORIES[case.category], "focus": focus.text, "families": ", ".join(FAMILIES), "most": MOST}
    text = f"What is seen there is described in a sentence of the usual length, by {role}."
    example = [Observation(family, False, text) for family in FAMILIES[:4]]
    read = _reader(case.verdict)
    return Call(role, fakevlm.NAME, frame.filled(slots), read, encode(example).decode())


def _reader(verdict: str) -> Any:
    def read(reply: str) -> list[Observation]:
        return read_observations(reply, verdict)

    return read


def _aggregate(case: Case, named: dict[str, Observation]) -> Call:
    lines = [f"{name} ({of.family}{', critical' if of.critical else ''}): {of.text}" for name, of in named.items()]
    slots = {"label": case.verdict, "observations": "\n".join(lines), "families": ", ".join(FAMILIES)}
    numbers: dict[str, list[str]] = {}
    for name in named:
        numbers.setdefault(name[1:], []).append(name)
    example = [Group(named[of[0]].family, of, False, named[of[0]].text) for of in numbers.values()]

    def read(reply: str) -> list[Group]:
        return read_groups(reply, named, case.verdict)

    text = encode(example).decode()
    return Call(AGGREGATOR, fakevlm.NAME, prompt("captions/aggregate").filled(slots), read, text)


def read_observations(reply: str, verdict: str) -> list[Observation]:
    """A captioner's list; ValueError for any other form, an unknown family and a text that states the other verdict."""
    found = json_of(reply, list[Observation])
    if len(found) > MOST:
        raise ValueError(f"more than {MOST} entries")
    for of in found:
        of.text = _sentence(of.text, of.family, verdict)
    return found


def read_groups(reply: str, named: dict[str, Observation], verdict: str) -> list[Group]:
    """The aggregator's list; ValueError also where it names what nobody observed, or an observation twice, and where a
    text is about something else than the observations that it names."""
    found = json_of(reply, list[Group])
    names = [name for group in found for name in group.names]
    if not all(group.names for group in found) or not {*names} <= named.keys():
        raise ValueError('"from" must name observations that were given')
    if len(names) > len({*names}):
        raise ValueError("an observation stands in two groups")
    for group in found:
        group.text = _sentence(group.text, group.family, verdict)
        if not _stems(group.text) & set().union(*(_stems(named[name].text) for name in group.names)):
            raise ValueError("a text says something else than the observations that it is from")
    return found


def _stems(text: str) -> set[str]:
    return {found[0] for word in text.casefold().split() if (found := _STEM.match(word))}


def _sentence(text: str, family: str, verdict: str) -> str:
    if family not in FAMILIES:
        raise ValueError(f"a family must be one of {', '.join(FAMILIES)}")
    text = prose(text)
    if stated_verdicts(text).contradicts(verdict):
        raise ValueError(f"a text says that the image is not {verdict}")
    return text if text[-1] in ".!?" else f"{text}."
