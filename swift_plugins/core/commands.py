"""What the command lines have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any


def run(main: Callable[[argparse.Namespace], Any], args: argparse.Namespace) -> int:
    """Call a command's main and return its exit code, 0 for None; wrong input ends in one clear line and code 2."""
    try:
        return main(args) or 0
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def whole_number(least: int = 1) -> Callable[[str], int]:
    """A type for argparse: a whole number that is not too small."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
        return number

    return read
