"""The one file to name in --external_plugins: loading it registers everything of this package with ms-swift."""

import sys
from pathlib import Path

# ms-swift puts this folder first on sys.path, where `metrics` or `tasks` would shadow others; the root belongs there.
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(p for p in sys.path if p not in (str(_HERE), str(_HERE.parent)))]

from swift_plugins.hooks import (  # noqa: F401
    arguments,
    auxiliary,
    box_spaces,
    callbacks,
    frame_cache,
    losses,
    media_gate,
    metrics,
    padding_free,
    remote_code,
    templates,
    torch_flash,
    truncation,
    videollama3,
    vision_cache,
)
