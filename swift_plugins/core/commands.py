"""What the command lines have in common."""

from __future__ import annotations

import argparse
import contextlib
import gc
import math
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from swift_plugins.core.printable import Terminal, say

INTERRUPTED = 130  # the exit code that shells give to what Ctrl-C ended


def run(main: Callable[[argparse.Namespace], Any], args: argparse.Namespace) -> int:
    """Call a command's main and return its exit code, 0 for None; wrong input and Ctrl-C end in one clear line.

    All that is printed meanwhile, by whom ever, passes through `Terminal`: what a call site forgets, and what a library
    prints of a file, is printable too.
    """
    sys.excepthook = _print_fault
    with contextlib.redirect_stdout(Terminal(sys.stdout)), contextlib.redirect_stderr(Terminal(sys.stderr)):
        try:
            return main(args) or 0
        except KeyboardInterrupt:
            say("interrupted", sys.stderr)
            return INTERRUPTED
        except (ValueError, OSError) as error:
            say("error: " + " ".join(str(error).splitlines()), sys.stderr)
            return 2


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Nothing is searched for cycles of objects meanwhile: where many rows are held, that takes a fifth of the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def stage(text: str) -> None:
    """Say what goes on for more than a few seconds."""
    say(f"{text} …", sys.stderr)


def _print_fault(*fault: Any) -> None:
    """Print the traceback of an error that nobody foresaw."""
    traceback.print_exception(*fault, file=Terminal(sys.stderr))


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


def number_from(least: float, most: float) -> Callable[[str], float]:
    """A type for argparse: a number between two, or one of them."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"must be a number from {least:g} to {most:g}, got {text!r:.40}")
        return number

    return read
