"""Convert a Labelbox video export of your own traces to ms-swift JSONL, as DeepTraceReward has them.

    python converters/labelbox_to_swift.py --src clips --export export.ndjson --out data/own --split 8:1:1

--src holds the videos, called as their external_id, global_key or the end of their row_data; --export is a v2 export,
NDJSON. One trace is one feature with a box: its box is that of its first frame, its onset that of its segments, its
reason its text answers, its kind its name and what was chosen for it. A label with traces says fake; else a choice at
the label's own level that is called real or fake (--label-map for other words), else what --untraced says.
Where several people labelled a video, the majority's verdict counts, a tie none. Traces of several people are one where
their boxes overlap (IoU 0.3) and their times meet; the box is the median of theirs, the onset the earliest by which as
many had begun as must agree (--agree). How far they were apart stands in the rows' meta: annotators, said_fake, agreed,
box_iou (mean of all pairs), onset_spread (s); what too few marked is set aside with the reason.
Seconds are frame / frame_rate, as in DeepTraceReward, which was annotated in Labelbox. E-mail addresses are not kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.command import argument_parser
from converters.conversion.sources import Sourced
from converters.layouts.consensus import Marked
from converters.layouts.labelbox import read_export
from converters.rows.labelled import Labelled, add_label_options
from swift_plugins.core.commands import run


class Labelbox(Labelled):
    """A Labelbox export."""

    suffixes = (".ndjson", ".jsonl")

    def marked(self, path: Path, labels: dict[str, str]) -> list[Sourced[Marked]]:
        return read_export(path, labels, self.args.project)


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/own_media", "data/own", check="header")
    add_label_options(parser, "the export, NDJSON, or a folder of such files")
    parser.add_argument("--project", help="the id of the project whose labels count (default the only one)")
    return run(Labelbox.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
