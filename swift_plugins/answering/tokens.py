"""What a model on this machine is given: the token ids of rows' prompts, by its own template, without its weights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from swift_plugins.core import model_folders
from swift_plugins.core.known_warnings import hide_harmless
from swift_plugins.core.records import Row
from swift_plugins.core.settings import apply_vision_settings


def input_ids(settings: Mapping[str, Any], rows: Sequence[Row]) -> list[list[int] | None]:
    """The ids of each row, with the places of its media, as `settings`, those of a run's record, have them made; None
    for a row that cannot be encoded.

    The vision settings go into the environment: ask for one model in a process.
    """
    apply_vision_settings(settings["vision"], settings["model"])
    os.environ |= model_folders.DATA_ALONE
    from swift.infer_engine import InferRequest
    from swift.model import get_model_processor
    from swift.template import get_template

    import swift_plugins.register  # noqa: F401

    hide_harmless()
    _, processor = get_model_processor(settings["model"], model_type=settings["model_type"], load_model=False)
    template = get_template(processor, template_type=settings["template"])
    found: list[list[int] | None] = []
    for row in rows:
        asked = [message for message in row["messages"] if message["role"] != "assistant"]
        request = InferRequest(messages=asked, images=row.get("images", []), videos=row.get("videos", []))
        try:
            found.append([int(token) for token in template.encode(request)["input_ids"]])
        except (RuntimeError, ValueError, OSError):
            found.append(None)
    return found
