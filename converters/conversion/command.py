"""What every converter shares: the command line, the output folder with its rejects and manifest, media checks."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from swift_plugins.core.commands import whole_number
from swift_plugins.core.media import LEVELS


def argument_parser(doc: str, src: str, out: str, check: str = "none") -> argparse.ArgumentParser:
    """The options that all converters have; each adds its own."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=Path, default=Path(src), help=f"folder of the raw dataset (default {src})")
    parser.add_argument("--out", type=Path, default=Path(out), help=f"folder to write (default {out})")
    parser.add_argument(
        "--limit",
        type=whole_number(),
        help="convert only this many rows of each source file, from all over it (default all)",
    )
    parser.add_argument(
        "--check",
        choices=LEVELS,
        default=check,
        help="look at the media: none, they may be absent; header: each file opens; decode: its first, "
        f"middle and last frame decode too (default {check})",
    )
    parser.add_argument(
        "--workers", type=whole_number(), default=os.cpu_count() or 1, help="processes for --check (default all)"
    )
    return parser


def report_counts(args: argparse.Namespace, manifest: dict[str, Any], missing: str = "images are not there") -> None:
    """Print how many rows were written to which split, why the others were not, and how many media are `missing`."""
    print(
        f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} rejected "
        f"(of {manifest['rows_in']}); media checked: {args.check}"
    )
    for split, counts in manifest["counts"].items():
        print(f"  {split:5} " + (", ".join(f"{n} {label}" for label, n in counts.items()) or "no rows"))
    for reason, n in manifest["reject_reasons"].items():
        print(f"  rejected {n}: {reason}")
    if manifest["media_missing"]:
        print(f"  note: {manifest['media_missing']} {missing}")
