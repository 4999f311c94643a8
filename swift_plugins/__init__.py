"""The library of the commands in converters/, eval/ and here; a file of it that is run says so, instead of nothing.

A file that imports nothing else of the project imports this package for it. A Python without the project's packages is
told of as well.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("swift_plugins", "converters", "eval")


def is_command(file: Path) -> bool:
    return "\nif __name__ == " in file.read_text(encoding="utf-8")


def refuse_library(started: Path) -> None:
    """End the process with code 2 where the file that it was `started` with belongs to the library."""
    inside = started.is_relative_to(ROOT) and started.relative_to(ROOT).parts[0] in FOLDERS
    if inside and started.is_file() and not is_command(started):
        files = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.py"))]
        commands = " ".join(str(path.relative_to(ROOT)) for path in files if is_command(path))
        sys.stderr.write(f"{started.relative_to(ROOT)} is no command but a part of some. Commands: {commands}\n")
        raise SystemExit(2)


if find_spec("msgspec") is None:
    raise SystemExit(
        f"{sys.executable} has not what this project needs: run `source {ROOT}/.venv/bin/activate` first (and before "
        "that, once, `bash shell/setup.sh`)"
    )
if sys.argv[:1] == ["-m"]:  # the module itself is looked for when the packages that it is in are imported
    refuse_library(ROOT / (sys.orig_argv[sys.orig_argv.index("-m") + 1].replace(".", "/") + ".py"))
elif started := getattr(sys.modules["__main__"], "__file__", None):
    refuse_library(Path(started).resolve())
