"""Convert a CVAT video export of your own traces to ms-swift JSONL, as DeepTraceReward has them.

    python converters/cvat_to_swift.py --src clips --export exported --out data/own --untraced real

--src holds the videos, called as the export's source or the task's name; --export is an annotations.xml of "CVAT for
video 1.1", unpacked, or a folder of such files, one for each task or job. A track with boxes is a trace: its box is
that of its first frame, its onset that frame, its end the frame before it is outside; its text attributes are its
reason, its label and other attributes its kind. A task with tracks says fake; else a tag that is called real or fake,
else what --untraced says. Several files of one video are several people's labels: what they agree on counts, as with
labelbox_to_swift.py, whose help says how, and how far apart they were stands in the rows' meta.
Frames count from 0: seconds are frame / frames per second, of the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.command import argument_parser
from converters.conversion.sources import Sourced
from converters.layouts.consensus import Marked
from converters.layouts.cvat import read_export
from converters.rows.labelled import Labelled, add_label_options
from swift_plugins.core.commands import run


class Cvat(Labelled):
    """CVAT's files, one a video and person."""

    suffixes = (".xml",)

    def marked(self, path: Path, labels: dict[str, str]) -> list[Sourced[Marked]]:
        return read_export(path, labels)


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/own_media", "data/own", check="header")
    add_label_options(parser, "the export, XML, or a folder of such files")
    return run(Cvat.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
