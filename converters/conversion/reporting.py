"""What a conversion prints when it is done: the lines that converters share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from converters.conversion.audit import audit_lines
from swift_plugins.core.printable import say


def report_total(args: argparse.Namespace, manifest: Mapping[str, Any], media: str = "media checked") -> None:
    """Print how many rows there are; `media` says before the level of --check what was looked at."""
    say(
        f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} rejected "
        f"(of {manifest['rows_in']}); {media}: {args.check}"
    )


def counted(counts: Mapping[str, int]) -> str:
    """3 fake, 4 real"""
    return ", ".join(f"{n} {name}" for name, n in counts.items())


def report_rejects(manifest: Mapping[str, Any]) -> None:
    """Print why rows were set aside, by the class of the fault."""
    for reason, n in manifest["reject_reasons"].items():
        say(f"  rejected {n}: {reason}")


def report_counts(args: argparse.Namespace, manifest: Mapping[str, Any], none: str = "no rows") -> None:
    """Print how many rows were written to which split, and why the others were not; `none` stands for no row."""
    report_total(args, manifest)
    for split, counts in manifest["counts"].items():
        say(f"  {split:5} {counted(counts) or none}")
    report_rejects(manifest)


def report_subset(name: str, width: int, facts: Mapping[str, Any], media: str, counts: Mapping[str, int]) -> None:
    """Print the rows of one of several files, and on how many `media` they are."""
    say(f"  {name:{width}} {facts['rows_out']} rows, {facts[media]} {media}: {counted(counts)}")


def report_published(name: str, found: int, published: int, unit: str = "rows") -> None:
    """Print that a source differs from the published one, where it is nearly that and not a sample of it."""
    if 0 < 10 * abs(found - published) <= published:
        say(f"  count differs: {name} has {found} {unit}, published are {published}")


def report_differences(counts: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the counts of a whole dataset that are not the published ones."""
    for name, count in counts.items():
        if not count["ok"]:
            say(f"  count differs: {name} is {count['found']}, published {count['published']}")


def report_notes(notes: Mapping[str, int]) -> None:
    """Print what was found about files that are used all the same."""
    for note, n in notes.items():
        say(f"  note: {n} videos: {note}")


def report_missing(manifest: Mapping[str, Any], media: str = "images are not there") -> None:
    """Print how many of the `media` are not there."""
    if n := manifest["media_missing"]:
        say(f"  note: {n} {media}")


def report_unchecked(manifest: Mapping[str, Any], media: str) -> None:
    """Print how many `media` are not there, where no check has set their rows aside."""
    if manifest["media_checked"] == "none" and (n := manifest["media_missing"]):
        say(f"note: {n} {media} are not there")


def report_leakage(leakage: Mapping[str, int], *kinds: str) -> None:
    """Print how many test rows have the same image, or whatever the kinds are, in train."""
    for kind in kinds:
        if n := leakage[f"test_rows_whose_{kind}_is_in_train"]:
            say(f"  leakage: {n} test rows have their {kind} in train")


def report_audit(audit: Mapping[str, Any] | None) -> None:
    """Print what gives the images away without a look at them."""
    for line in audit_lines(audit) if audit else ():
        say(f"  {line}")


def report_called_both(manifest: Mapping[str, Any]) -> None:
    """Print how many files of the same bytes are called real and fake."""
    both = manifest["called_both"]
    if n := both["contents"]:
        such = " and ".join(f"{path} {label}" for label, path in both["such_as"].items())
        say(f"  contradiction: {n} contents are called real and fake in files of the same bytes, such as {such}")
