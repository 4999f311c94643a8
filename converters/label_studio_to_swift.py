"""Convert a Label Studio export of videos with your own traces to ms-swift JSONL, as DeepTraceReward has them.

    python converters/label_studio_to_swift.py --src clips --export export.json --out data/own --split 8:1:1

--src holds the videos, called as the export names them: by their path, or an upload's name with or without its prefix;
--export is the form "JSON". A region of the VideoRectangle tag is a trace: its box is that of its first key frame, its
end where it is switched off; texts of the region are its reason, its labels and choices its kind. An annotation with
traces says fake; else a choice of the task that is called real or fake, else what --untraced says. Several annotations
of a task are several people's: what they agree on counts, as with labelbox_to_swift.py, whose help says how, and how
far apart they were stands in the rows' meta.
Frames count from 1, at the rate that Label Studio was told: a second is frame * duration / framesCount.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.command import argument_parser
from converters.conversion.sources import Sourced
from converters.layouts.annotations import Form
from converters.layouts.consensus import Marked
from converters.layouts.label_studio import read_export
from converters.rows.labelled import Labelled, add_label_options
from swift_plugins.core.commands import run


class LabelStudio(Labelled):
    """A Label Studio export."""

    suffixes = (".json",)
    form = Form("xyxy", "percent", "seconds")

    def marked(self, path: Path, labels: dict[str, str]) -> list[Sourced[Marked]]:
        return read_export(path, labels, self.args.key)


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/own_media", "data/own", check="header")
    add_label_options(parser, "the export, JSON, or a folder of such files")
    parser.add_argument("--key", default="video", help="what of a task's data names its file (default video)")
    return run(LabelStudio.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
