"""A recipe, and a training as it is to be started by it: which flags and variables take the place of what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from swift_plugins.core.mixtures import sampled
from swift_plugins.core.settings import read_recipe

ROOT = Path(__file__).resolve().parents[2]
_WORD = re.compile(r"#   ([a-z]+) +(.*)")


@dataclass(frozen=True)
class Recipe:
    """A recipe's file, named as it was given, its keys, and the commands behind the words of its header."""

    path: str
    keys: dict[str, Any]
    header: dict[str, str]

    def files(self, key: str) -> list[str]:
        """The files of `dataset` or `val_dataset`, without what says how many rows of one are taken."""
        stated = self.keys.get(key) or []
        return [sampled(str(file))[0] for file in (stated if isinstance(stated, list) else [stated])]


def header_of(text: str) -> dict[str, str]:
    """word -> its commands, joined, of a header's lines `#   data     python …`, whose further lines are indented."""
    found: dict[str, list[str]] = {}
    commands: list[str] | None = None
    for line in text.splitlines():
        if match := _WORD.fullmatch(line):
            commands = found.setdefault(match[1], [])
            commands.append(match[2])
        elif commands is not None and line.startswith("#    "):
            commands.append(line[1:].strip())
        else:
            commands = None
    return {word: " && ".join(lines) for word, lines in found.items()}


def find_recipe(name: str, start: Path) -> Recipe:
    """The recipe of that name, relative to the project or to where the command was given."""
    for path in (Path(name), start / name):
        if path.is_file():
            return Recipe(str(path), read_recipe(path), header_of(path.read_text(encoding="utf-8")))
    raise ValueError(
        f"recipe {start / name} not found; there are: {' '.join(map(str, sorted(Path().glob('recipes/*/*.yaml'))))}"
    )


@dataclass
class Run:
    """A training as it is to be started: the flags and variables that take the place of the recipe's."""

    recipe: Recipe
    extra: Sequence[str]  # what the command line hands on to swift
    start: Path  # where relative paths of the environment begin
    flags: list[str]
    env: dict[str, str]
    notes: list[str] = field(default_factory=list)  # what is told before it starts
    torch_flash: bool = False  # whether PyTorch's own flash-attention runs on the GPUs

    def stated(self, key: str) -> list[str]:
        """What a flag of swift has in the end: the last that was given, else the recipe's."""
        found = self.recipe.keys.get(key)
        values = [str(value) for value in (found if isinstance(found, list) else [found]) if value is not None]
        given = [*self.flags, *map(str, self.extra)]
        for at, flag in enumerate(given, 1):
            name, equals, value = flag.partition("=")
            if name in (f"--{key}", f"--{key.replace('_', '-')}"):
                values = [value] if equals else [*takewhile(lambda word: not word.startswith("--"), given[at:])]
        return values

    def gives(self, key: str) -> bool:
        """Whether the command line has the flag, in any of its forms."""
        return any(word.partition("=")[0] in (f"--{key}", f"--{key.replace('_', '-')}") for word in self.extra)

    def files(self, key: str) -> list[str]:
        """The JSONL files of `dataset` or `val_dataset` in the end; not what is on a hub, or of another form."""
        return [file for file, _ in map(sampled, self.stated(key)) if file.endswith(".jsonl")]

    def says(self, key: str) -> str:
        """The one value of a flag, in small letters; empty where it has none."""
        return " ".join(self.stated(key)).lower()

    def setting(self, name: str, default: str = "") -> str:
        """A variable of the environment, or what the recipe's ENV has; an empty one is as none."""
        return self.env.get(name) or str((self.recipe.keys.get("ENV") or {}).get(name, default))

    def use(self, flag: str, *values: str) -> None:
        """Give a flag in place of the recipe's; where the command line has it too, that one holds, and it is told."""
        if self.gives(flag):
            self.notes.append(f"--{flag} of the command line holds, not {' '.join(values)} of the environment")
        else:
            self.flags += [f"--{flag}", *values]

    @property
    def command(self) -> list[str]:
        return [str(ROOT / ".venv/bin/swift"), "sft", self.recipe.path, *self.flags, *self.extra]

    @property
    def on_cpu(self) -> str:
        command = self.recipe.header.get("tiny", "bash shell/quickstart.sh")
        return f"`{command}` trains a tiny model on the CPU"

    @property
    def output(self) -> Path:
        return Path(*self.stated("output_dir"))
