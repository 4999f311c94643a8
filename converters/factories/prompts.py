"""The prompts of the factories: files with a version in their first line, whose slots are filled as text.

A file of prompts/ begins with `version: N` and an empty line. The manifest of what was made records each one's version
and hash, the hash of the whole file.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from swift_plugins.core.records import sha256_text

FOLDER = Path(__file__).parent / "prompts"
_VERSION = re.compile(r"version: (\d{1,4})\n\n")
_SLOT = re.compile(r"\{([a-z_]{1,40})\}")


class Prompt(NamedTuple):
    name: str
    version: int
    text: str
    sha256: str

    def filled(self, values: Mapping[str, object]) -> str:
        """The text with each `{slot}` replaced, in one pass: braces in a value open no slot. KeyError for a slot
        without a value."""
        return _SLOT.sub(lambda slot: str(values[slot[1]]), self.text)


@functools.cache
def prompt(name: str) -> Prompt:
    """The prompt of prompts/<name>.txt; ValueError where the file has no version."""
    path = FOLDER / f"{name}.txt"
    content = path.read_text(encoding="utf-8")
    if not (head := _VERSION.match(content)):
        raise ValueError(f"{path}: expected `version: N` and an empty line to begin with")
    return Prompt(name, int(head[1]), content[head.end() :].rstrip("\n"), sha256_text(content))


def prompts_below(folder: str) -> list[Prompt]:
    """All prompts of one factory."""
    paths = sorted((FOLDER / folder).rglob("*.txt"))
    return [prompt(path.relative_to(FOLDER).with_suffix("").as_posix()) for path in paths]


def prompt_facts(prompts: Iterable[Prompt]) -> dict[str, dict[str, object]]:
    """What the manifest tells of prompts: version and hash by name."""
    return {found.name: {"version": found.version, "sha256": found.sha256} for found in prompts}
