"""Convert a table of your own annotations of images or videos to ms-swift JSONL.

    python converters/table_to_swift.py --src clips --table traces.csv --out data/own --label-map KI=fake,echt=real
    python converters/table_to_swift.py --src clips --table traces.xlsx --out data/own --split 8:1:1 \\
        --columns path=filename,label=typ,box=wo,start=ab,reason=warum --box-form xywh --box-unit percent

--table is a CSV, TSV, JSON, JSONL, Parquet or XLSX file with a row for each image, or for each trace of a video:
several rows of one video are several traces. Its columns, which --columns names where they are called otherwise:
  path (or image, video)   the file, below --src                 label                  real or fake, see --label-map
  box (or bbox)            four numbers, "10 20 110 220"         x0, y0, x1, y1         or each in a column of its own
  start, end               of a trace, see --time-form           reason (explanation)   what shows it
  split, source, category  train, val, test; generator; kind     group                  what stays together in a split
  width, height, fps, duration   of the medium, where the files cannot be looked at
Only path and label must be there. Videos with boxes are asked where, when and why, as DeepTraceReward does; images, and
videos without boxes, whether and why. A row that contradicts itself, its file or an earlier row is set aside with the
reason; how the first rows were read is printed: look at them.
Frames are numbers n of a video: their second is n / fps, as in DeepTraceReward, which counts from 1.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.command import argument_parser
from converters.conversion.sources import Sourced, usable
from converters.layouts.annotations import ALIASES, BOX_FORMS, COLUMNS, TIMES, UNITS, Annotation, Form, Reader
from converters.rows.annotated import MEDIA, Annotated, add_annotation_options, kind_by_name
from swift_plugins.core.commands import run
from swift_plugins.core.label_maps import label_map
from swift_plugins.core.names import few
from swift_plugins.core.printable import say
from swift_plugins.core.tables import READERS, column_map, read_table, tables_in
from swift_plugins.core.tasks.verdicts import VERDICTS


class OwnTable(Annotated):
    """The rows of a table."""

    hidden = (*Annotated.hidden, "table")  # it is among the sources

    def read(self) -> list[Sourced[Annotation]]:
        args = self.args
        if not args.src.is_dir():
            also = ", and the table with --table" if args.src.is_file() else ""
            raise ValueError(f"{args.src} is no folder: name the folder that holds the media with --src{also}")
        path = args.table or only_table(args.src)
        table = read_table(path)
        self.sources = {path.name: path}
        self.form = Form(args.box_form, args.box_unit, args.time_form)
        labels = {verdict: verdict for verdict in VERDICTS} | args.label_map
        reader = Reader(table, args.columns, labels, self.form, f"{path}:1:")
        items = reader.read("" if not isinstance(args.split, str) else args.split)
        if not items:
            raise ValueError(f"{path} has no rows")
        columns = few([name or "(no name)" for name in table.columns], 20)
        say(f"{path}: {table.form}, {len(items)} rows, columns: {columns}")
        for what, names in (
            ("columns", reader.unused),
            ("labels of --label-map", sorted({*args.label_map} - reader.used)),
        ):
            if names:
                say(f"  note: {what} not used: {few(names)}")
        self.medium = args.media or kind_by_name(next((item.row.path for item in usable(items)), ""))
        self.said = reader.has
        return self.taken(items)


def only_table(src: Path) -> Path:
    """The one table in a folder."""
    found = [*tables_in(src)]
    if len(found) != 1:
        names = f": there are {few([path.name for path in found])}" if found else f", a {', '.join(READERS)} file"
        raise ValueError(f"name the table with --table{names}")
    return found[0]


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/own_media", "data/own", check="header")
    parser.add_argument("--table", type=Path, help="the table (default the only one in --src)")
    parser.add_argument(
        "--columns",
        type=partial(column_map, columns=COLUMNS, aliases=ALIASES),
        default={},
        metavar="path=filename,label=typ",
        help="names of columns that are called otherwise; what is not named is passed over (default none)",
    )
    parser.add_argument(
        "--label-map",
        type=label_map,
        default={},
        metavar="0=fake,1=real",
        help="what other labels mean; 1.0 is read as 1, True and yes too (default only the words real and fake)",
    )
    parser.add_argument(
        "--media", choices=MEDIA, help="what the rows are of (default what the name of the first one's file says)"
    )
    parser.add_argument(
        "--box-form",
        choices=BOX_FORMS,
        default=BOX_FORMS[0],
        help="xyxy: left, top, right, bottom; xywh: left, top, width, height (default xyxy)",
    )
    parser.add_argument(
        "--box-unit",
        choices=tuple(UNITS),
        default="px",
        help="px of the medium, percent or ratio (0..1) of its sides, or norm1000 (0..1000) (default px)",
    )
    parser.add_argument(
        "--time-form", choices=TIMES, default=TIMES[0], help="how start and end are written (default seconds)"
    )
    add_annotation_options(parser)
    return run(OwnTable.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
