"""What the libraries warn of, as far as it is known here: what says nothing of a run, and what must end it."""

from __future__ import annotations

import logging

import swift_plugins  # noqa: F401

# Each with the reason why it says nothing.
HARMLESS = (
    "with trust_remote_code=True",  # hooks/remote_code.py lets no folder's code run
    "per-frame pixel cap",  # qwen-vl-utils has scaled the frames before, transformers is told not to (do_resize=False)
    "`torch_dtype` is deprecated",  # ms-swift's own wording
    "keys in the checkpoint model loaded",  # hooks/callbacks.py loads the weights by their other names
)
# After these a model learns, or sees, something else than its record says -> what to do.
HARMFUL = {
    "another piece of data will be randomly selected": "a row was to be replaced by another: put `strict: true` back",
    "the data will be deleted": "a row was to be left out: put `strict: true` back",
}


def is_harmless(text: str) -> bool:
    return any(known in text for known in HARMLESS)


def hide_harmless() -> None:
    """Keep them from the terminal in this process, once transformers is imported: its handler is there from then on."""
    for handler in logging.getLogger("transformers").handlers:
        handler.addFilter(lambda record: not is_harmless(record.getMessage()))
