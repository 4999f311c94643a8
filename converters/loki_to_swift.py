"""Convert LOKI's image and video questions to ms-swift JSONL, all of them for testing.

    python converters/loki_to_swift.py --src LOKI --out data/loki
    python converters/loki_to_swift.py --src LOKI --out data/loki_fakevlm --question fakevlm

--src holds image/*.json and video/*.json; the media lie there too, or in its media_data, or in --media. Writes to
--out, for the files found: {image,video}/{true_or_false,multi_choice}/test.jsonl and image/open_ended/test.jsonl with
LOKI's own questions, or with --question fakevlm each image or video once with the question that FakeVLM was tested
with: those of true_or_false in {image,video}/fakevlm/test.jsonl, those of open_ended, with what people wrote of them,
in image/fakevlm_described/test.jsonl. manifest.json and rejects.jsonl tell of all of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.audit import Pictured
from converters.conversion.command import Conversion, argument_parser
from converters.conversion.output import Output
from converters.conversion.reporting import (
    report_audit,
    report_published,
    report_rejects,
    report_subset,
    report_total,
    report_unchecked,
)
from converters.conversion.sources import Row, Sourced
from converters.conversion.splitting import clusters
from converters.layouts import loki
from converters.layouts.loki import Part, Raw
from converters.layouts.loki_media import Library
from converters.rows.loki import DATASET, medium_facts, medium_row, question_facts, question_row
from swift_plugins.core.commands import run
from swift_plugins.core.printable import say
from swift_plugins.core.tasks import loki_mc, loki_open


class Loki(Conversion[Any]):
    """LOKI's own questions, each in its subset's file."""

    hidden = (*Conversion.hidden, "media")  # media_root tells of it

    def read(self) -> list[Sourced[Any]]:
        subsets = self.subsets()
        parts = [loki.read_part(self.args.src, name, subset, self.args.limit) for name, subset in subsets.items()]
        loki.add_classes(parts)
        self.parts = {self.name(part): part for part in parts}
        self.splits = tuple(f"{name}/test" for name in self.parts)
        self.sources = {part.subset.path: self.args.src / part.subset.path for part in parts}
        self.library = Library(self.args.media or self.args.src, parts)
        return self.asked()

    def subsets(self) -> dict[str, loki.Subset]:
        return loki.find_subsets(self.args.src)

    def name(self, part: Part) -> str:
        """The file of a subset."""
        return part.name

    def asked(self) -> list[Sourced[Any]]:
        """What rows are made of."""
        self.clusters = {name: clusters(raw.media for raw in part.good) for name, part in self.parts.items()}
        self.prompts: dict[str, dict[str, None]] = {name: {} for name in self.parts}
        return [item for part in self.parts.values() for item in part.rows]

    def part_of(self, item: Sourced[Any]) -> tuple[str, Part]:
        name = item.split.removesuffix("/test")
        return name, self.parts[name]

    def paths(self, items: list[Sourced[Any]]) -> set[str]:
        if self.args.check != "none":
            self.library.need()
        return {*self.library.paths.values()}

    def row(self, item: Sourced[Any]) -> Row:
        (name, part), raw = self.part_of(item), item.row
        cluster = self.clusters[name].get(raw.media[0], raw.media[0])
        row = question_row(item, part.subset, cluster, self.library.use(raw.media, self.media))
        self.prompts[name][row["messages"][0]["content"]] = None
        return row

    def images(self, items: list[Sourced[Any]]) -> dict[str, Pictured]:
        return self.library.images()

    def told(self, name: str, part: Part) -> dict[str, Any]:
        """What the manifest tells of one file."""
        return question_facts(part, list(self.prompts[name]))

    def facts(self, items: list[Sourced[Any]], output: Output, audit: dict[str, Any] | None) -> dict[str, Any]:
        parts = [*self.parts.values()]
        return {
            "dataset": DATASET,
            "subsets": {
                name: self.told(name, part) | {"rows_out": sum(output.counts(f"{name}/test").values())}
                for name, part in self.parts.items()
            },
            "media_root": str(self.library.root),
            "media_checked": self.args.check,
            "media_missing": self.library.missing,
            "image_audit": audit,
            "descriptions": loki.remarks(parts),
            "leakage": {
                "note": "every file is for testing; a medium may be in several",
                "shared": loki.shared_media(parts),
            },
            "licence": loki.LICENCE,
        }

    def report(self, manifest: dict[str, Any]) -> None:
        report_total(self.args, manifest, f"media in {manifest['media_root']}, checked")
        for name, facts in manifest["subsets"].items():
            report_subset(name, 23, facts, "media", manifest["counts"][f"{name}/test"])
            if not self.args.limit and "published_rows" in facts:
                report_published(name, facts["rows_in"], facts["published_rows"])
        report_rejects(manifest)
        if n := manifest["descriptions"]["with_translator_remarks"]:
            say(
                f"  note: {n} of {manifest['descriptions']['all']} descriptions hold the words of whoever translated "
                'them ("The text translates to: …"); they are kept, and their rows say so'
            )
        report_audit(manifest["image_audit"])
        report_unchecked(manifest, "media")


class LokiMedia(Loki):
    """Each image and video once, with FakeVLM's question."""

    def subsets(self) -> dict[str, loki.Subset]:
        return {name: subset for name, subset in super().subsets().items() if subset.task is not loki_mc}

    def name(self, part: Part) -> str:
        return f"{part.subset.medium}/{'fakevlm_described' if part.subset.task is loki_open else 'fakevlm'}"

    def asked(self) -> list[Sourced[Any]]:
        self.questions = loki.questions_of([*self.parts.values()])
        return [item for name, part in self.parts.items() for item in loki.media_of(part, name, self.questions)]

    def row(self, item: Sourced[list[Raw]]) -> Row:
        (_, part), name = self.part_of(item), item.row[0].media[0]
        (path,) = self.library.use([name], self.media)
        return medium_row(item, part.subset.medium, path, self.media.get(path))

    def told(self, name: str, part: Part) -> dict[str, Any]:
        return medium_facts(part, self.questions[part.name].values())


CONVERSIONS: dict[str, type[Loki]] = {"loki": Loki, "fakevlm": LokiMedia}


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/LOKI", "data/loki", check="header")
    parser.add_argument("--media", type=Path, help="folder of the media, where they are not in --src (default --src)")
    parser.add_argument(
        "--question",
        choices=tuple(CONVERSIONS),
        default="loki",
        help="what is asked: loki, the dataset's own questions; fakevlm, FakeVLM's, of each image and "
        "video once (default loki)",
    )
    args = parser.parse_args(argv)
    return run(CONVERSIONS[args.question].convert, args)


if __name__ == "__main__":
    sys.exit(main())
