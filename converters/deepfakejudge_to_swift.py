"""Convert DeepfakeJudge-Dataset to ms-swift JSONL: every subset that is there, each to its own file.

    python converters/deepfakejudge_to_swift.py --src DeepfakeJudge-Dataset --out data/deepfakejudge

Writes to --out, for the subsets found: detect/test.jsonl, reason/test.jsonl and, for pointwise and pairwise judging,
{pointwise,pairwise}/{train,test,human}.jsonl; manifest.json and rejects.jsonl tell of all of them. Prompts and answers
of the dataset are kept to the letter. A training image that is in a test set of the same task (by its content) is left
out of training.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.audit import Pictured
from converters.conversion.command import Conversion, argument_parser
from converters.conversion.media import MediaFolders, hash_files, image_size, locate
from converters.conversion.output import Output
from converters.conversion.reporting import (
    report_audit,
    report_published,
    report_rejects,
    report_subset,
    report_total,
    report_unchecked,
)
from converters.conversion.sources import Row, Sourced, usable
from converters.layouts import deepfakejudge
from converters.layouts.deepfakejudge import Part
from converters.layouts.deepfakejudge_rows import Raw
from converters.rows.deepfakejudge import make_row
from converters.rows.judge_prompts import Recovered, prompt_facts, recover_prompt
from swift_plugins.core.commands import run
from swift_plugins.core.printable import say
from swift_plugins.core.tasks import get_task
from swift_plugins.core.tasks.verdicts import FOLD


class DeepfakeJudge(Conversion[Raw]):
    """The subsets that are there, each a file of its own."""

    def read(self) -> list[Sourced[Raw]]:
        self.root = deepfakejudge.find_root(self.args.src)
        self.parts = {part.name: part for part in deepfakejudge.read_parts(self.root, self.args.limit)}
        self.splits, self.sources = tuple(self.parts), {p.subset.path: p.file for p in self.parts.values()}
        self.prompts: dict[str, Recovered | None] = {}
        for name, part in self.parts.items():
            slots = tuple(get_task(part.subset.task).CANDIDATES)
            self.prompts[name] = recover_prompt(part.good, slots) if slots else None
        return [item for part in self.parts.values() for item in part.rows]

    def locate(self, items: list[Sourced[Raw]]) -> list[Sourced[Raw]]:
        """An image's path is relative to the folder of its data.jsonl and stays below --src."""
        folders = MediaFolders(self.root)
        path_of = functools.cache(
            lambda split, image: folders.path(os.path.join(os.path.dirname(self.parts[split].subset.path), image))
        )
        locate(items, lambda item: path_of(item.split, item.row.image))
        self.hashes = hash_files(sorted(self.paths(items)), self.args.workers)
        parts = [*self.parts.values()]
        leaked = () if self.args.keep_leaked else parts
        self.elsewhere = {part.name: deepfakejudge.held_out(part, parts, self.hashes) for part in leaked}
        return items

    def row(self, item: Sourced[Raw]) -> Row:
        digest = self.hashes.get(item.path)
        image_size(self.media.get(item.path), item.row.image)  # refuses what is no image
        if (other := self.elsewhere.get(item.split, {}).get(digest or "")) is not None:
            raise ValueError(f"leaked: the same image is in {other}: {item.row.image[:80]!r}")
        return make_row(item, self.parts[item.split].subset, digest)

    def images(self, items: list[Sourced[Raw]]) -> dict[str, Pictured]:
        """The distinct image files of all subsets, of several subsets the first; edited counts as fake."""
        return {
            item.path: Pictured(FOLD[item.row.label], part.name.endswith("/train"))
            for part in reversed(self.parts.values())
            for item in usable(part.rows)
            if item.row.label
        }

    def facts(self, items: list[Sourced[Raw]], output: Output, audit: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "media_checked": self.args.check,
            "media_missing": len(self.paths(items)) - len(self.hashes),
            "subsets": {name: self.subset(part, output.counts(name)) for name, part in self.parts.items()},
            "leakage": deepfakejudge.leakage([*self.parts.values()], self.hashes),
            "label_rule": "an edited image counts as fake when real and fake are told apart",
            "image_audit": audit,
            "licence": deepfakejudge.LICENCE,
        }

    def subset(self, part: Part, counts: dict[str, int]) -> dict[str, Any]:
        """What the manifest tells of one subset, of which so many rows of each label were written."""
        subset, task = part.subset, get_task(part.subset.task)
        return {
            "task": task.NAME,
            "task_version": task.VERSION,
            "rows_in": len(part.rows),
            "rows_out": sum(counts.values()),
            "published_rows": subset.rows,
            "published_images": subset.images,
            "images": len(part.paths),
            **prompt_facts(task.NAME, part.good, self.prompts[part.name]),
            "image_tags_added": sum(raw.tag_added for raw in part.good),
            "keys": {role: key for role, key in part.fields.keys.items() if key},
            "keys_not_used": part.fields.unused,
        }

    def report(self, manifest: dict[str, Any]) -> None:
        report_total(self.args, manifest)
        for name, facts in manifest["subsets"].items():
            report_subset(name, 15, facts, "images", manifest["counts"][name])
            if not facts["rows_out"]:
                say(f"  note: not one row of {name} could be used")
            if not self.args.limit:
                report_published(name, facts["rows_in"], facts["published_rows"])
            if facts["prompt"] is None:
                untold = f"the prompt of {name} could not be told from its rows"
                say(f"  note: {untold}; judging new texts needs --prompt-file")
            if n := facts["rows_whose_candidates_were_not_found"]:
                say(f"  note: {n} rows of {name} do not tell where their candidates stand; they cannot be swapped")
        report_rejects(manifest)
        for shared in manifest["leakage"]["shared"]:
            first, second = shared["subsets"]
            if first.endswith("train") != second.endswith("train"):
                out = not self.args.keep_leaked and first.split("/")[0] == second.split("/")[0]
                left = ", whose rows are left out of training" if out else ""
                say(f"  leakage: {shared['images']} images are both in {first} and {second}{left}")
        report_audit(manifest["image_audit"])
        report_unchecked(manifest, "images")


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/DeepfakeJudge-Dataset", "data/deepfakejudge", check="header")
    parser.add_argument(
        "--keep-leaked",
        action="store_true",
        help="keep training rows whose image is in a test set of the same task, as published, and only report them",
    )
    return run(DeepfakeJudge.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
