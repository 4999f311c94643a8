"""What a training would stop on after minutes of loading, found in its files and settings before anything is loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from swift_plugins.core.images import opened
from swift_plugins.core.records import MEDIA_TAG, Row, read_rows
from swift_plugins.core.runs import Run
from swift_plugins.core.settings import FOLLOWS_FROM, VISION_ENV, read_checkpoint_settings
from swift_plugins.core.vision import ClipVision, Vision

_MEDIA = re.compile(rb'"(images|videos)": ?\[ ?"')
# flag -> its values that need a package which the set-up does not install, or which a platform lacks
NEEDS = {
    "report_to": {name: name for name in ("tensorboard", "wandb", "swanlab", "mlflow", "comet_ml", "clearml")},
    "attn_impl": {"flash_attn": "flash_attn", "flash_attention_2": "flash_attn"},
    "use_liger_kernel": {"true": "liger_kernel"},
}


def check_packages(stated: Callable[[str], list[str]]) -> None:
    """ValueError for a flag whose value needs a package that is not installed."""
    for flag, packages in NEEDS.items():
        for value in stated(flag):
            if (package := packages.get(value)) and find_spec(package) is None:
                raise ValueError(
                    f"--{flag} {value} needs the package {package}, which is not installed: `VIRTUAL_ENV=.venv uv pip "
                    f"install {package}` (or .venv/bin/python -m pip install {package}), or choose another --{flag}"
                )


def vision_in_force(recipe: Mapping[str, Any], shell: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
    """(the vision settings of a training, what the shell's change of the recipe's in one line)."""
    own = {key: str(recipe[key]) for key in VISION_ENV if recipe.get(key) is not None}
    given = {key: shell[key] for key in VISION_ENV if shell.get(key)}
    others = {key: text for key, text in given.items() if own.get(key) != text}
    changed = ", ".join(f"{key}={text} (recipe: {own.get(key, 'unset')})" for key, text in others.items())
    return own | given, f"the shell overrides the recipe: {changed}" if changed else None


def check_resumed(checkpoint: Path, vision: Mapping[str, str]) -> None:
    """ValueError for a training that would go on under other vision settings than it was begun with."""
    if (record := read_checkpoint_settings(checkpoint)) is None:
        return
    stated = {
        key: str(value)
        for key, value in record["vision"].items()
        if key in vision or FOLLOWS_FROM.get(key) not in vision
    }
    if other := [key for key in VISION_ENV if stated.get(key) != vision.get(key)]:
        told = ", ".join(f"{key}={stated.get(key, 'unset')}, now {vision.get(key, 'unset')}" for key in other)
        raise ValueError(
            f"{checkpoint} was trained with {told}: go on with the same settings, or take its weights alone by "
            "--resume_only_model true"
        )


def has_both(files: Iterable[str]) -> bool:
    """Whether the rows of files are of both kinds, with media and without."""
    kinds = set()
    for file in files:
        with open(file, "rb") as lines:
            for line in filter(bytes.strip, lines):
                kinds.add(bool(_MEDIA.search(line)))
                if len(kinds) == 2:
                    return True
    return False


def check_mixed(run: Run) -> None:
    """Tell where ranks may wait for each other for ever: under ZeRO those that see media, for those that have none.

    The kit's templates show the model a blank medium then; what others do is theirs.
    """
    template, zero = run.says("template"), run.says("deepspeed")
    if zero and not template.startswith("forensic_") and has_both(filter(os.path.isfile, run.files("dataset"))):
        run.notes.append(
            f"some rows have media and some have none: under --deepspeed {zero} training hangs with them unless a "
            f"template shows the model a blank medium, as this kit's do; of --template {template} that is not known"
        )


class Lengths:
    """Holds rows against --max_length by the tokens that they have at least: those of their texts and their media.

    `tokenizer` is a model's tokenizer.json, without which texts count nothing; `vision` is None for a model whose
    media are not counted; `root` is where relative paths of images begin. Where what is too long is `cut` at its end,
    only what stands before an answer counts, which must leave room for one token of it.
    """

    def __init__(
        self,
        limit: int,
        tokenizer: Path,
        vision: Vision | ClipVision | None,
        answers: bool,
        root: str,
        cut: bool = False,
    ):
        self.limit, self.file, self.vision, self.root = limit, tokenizer, vision, root
        self.answers, self.cut = answers and not cut, cut
        self._tokenizer: Any = None

    def check(self, files: Iterable[str]) -> None:
        """ValueError for the first row that is too long, by file and line."""
        for file in files:
            for line, row in read_rows(file):
                if (found := self.excess(row)) is not None:
                    text, media = found
                    before, cure = ("", ", or give --truncation_strategy right")
                    if self.cut:
                        before, cure = (" before its answer", "")
                    raise ValueError(
                        f"{file}:{line}: row {row.get('id')!r:.80} has at least {text + media} tokens{before} "
                        f"({text} of text, {media} of its media), max_length is {self.limit}: raise --max_length, show "
                        f"the model less of it (pixels, frames){cure}"
                    )

    def excess(self, row: Row) -> tuple[int, int] | None:
        """(tokens of text, tokens of media) of a row that is too long; None for one that fits, or has another form."""
        try:
            text = "".join(self.turn(m) for m in row["messages"] if self.answers or m["role"] != "assistant")
        except (KeyError, TypeError):
            return None
        videos, images = self.of_videos(row), row.get("images") or []
        most = videos + (self.vision.image_tokens[1] * len(images) if self.vision else 0)
        room = self.limit - self.cut
        if len(text.encode(errors="replace")) + most <= room:  # a token has a byte or more
            return None
        words = self.of_text(text)
        if words + most <= room:
            return None
        media = videos + sum(map(self.of_image, images))
        return (words, media) if words + media > room else None

    def turn(self, message: Mapping[str, str]) -> str:
        """A message as the template of a model of `vision` writes it; what its media hold is counted apart."""
        if self.vision is None:
            return MEDIA_TAG.sub("", message["content"])
        content = MEDIA_TAG.sub(self.vision.around, message["content"])
        return f"<|im_start|>{message['role']}\n{content}<|im_end|>\n"

    def of_text(self, text: str) -> int:
        if self._tokenizer is None:
            if not self.file.is_file():
                return 0
            from tokenizers import Tokenizer

            try:
                self._tokenizer = Tokenizer.from_file(str(self.file))
            except Exception as error:  # the library raises no other
                raise ValueError(f"{self.file} is no tokenizer: {error}") from None
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def of_videos(self, row: Row) -> int:
        """Those of a row's videos, by its meta; 0 where it does not tell."""
        meta, videos = row.get("meta"), row.get("videos") or []
        if self.vision is None or not videos or not isinstance(meta, dict):
            return 0
        try:
            return len(videos) * self.vision.tokens_of_video(
                *(meta[key] for key in ("width", "height", "duration", "fps"))
            )
        except (KeyError, TypeError, ValueError):
            return 0

    def of_image(self, path: Any) -> int:
        """Those of an image, by its file's head; 0 for one that cannot be read, which is told elsewhere."""
        try:
            with opened(os.path.join(self.root, path)) as image:
                return self.vision.tokens_of_image(*image.size) if self.vision else 0
        except (OSError, TypeError, ValueError):
            return 0
