"""Imports go one way, and a script starts from any folder without loading torch."""

from __future__ import annotations

import argparse
import ast
import configparser
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("swift_plugins", "converters", "eval")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SCRIPTS = [path for path in SOURCES if '__name__ == "__main__"' in path.read_text(encoding="utf-8")]
HEAVY = {"swift", "torch", "torchvision", "transformers", "peft", "deepspeed", "torchmetrics", "vllm", "qwen_vl_utils",
         "sentence_transformers"}  # fmt: skip
# Modules that ms-swift loads may import it as they begin; these may import it where they need it.
PLUGINS = {f"swift_plugins/{name}.py" for name in
           ("callbacks", "losses", "metrics", "models", "register", "remote_code", "rewards", "templates")}  # fmt: skip
LAZY = {"swift_plugins/tiny_model.py", "eval/bertscore.py", "eval/css.py", "eval/engine.py"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a module imports: for `from a.b import c` both a.b and a.b.c, for it may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_top(tree: ast.Module) -> ast.Module:
    """The module without what stands in functions and classes."""
    body = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    return ast.Module(body, [])


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


CORE = [path for path in SOURCES if name_of(path).startswith(("swift_plugins/tasks/", "swift_plugins/records",
                                                              "swift_plugins/boxes"))]  # fmt: skip


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_the_core_imports_only_itself(path):
    own = {name for name in imported(parse(path)) if within(name, (*PACKAGES, "recipes", "shell", "tests"))}
    core = ("swift_plugins.tasks", "swift_plugins.records", "swift_plugins.boxes")
    assert {name for name in own if name != "swift_plugins" and not within(name, core)} == set()


@pytest.mark.parametrize("path", [path for path in CORE if "tasks" in path.parts], ids=name_of)
def test_a_task_needs_only_the_standard_library(path):
    outside = {name.split(".")[0] for name in imported(parse(path))} - sys.stdlib_module_names
    assert outside <= {"swift_plugins"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_go_one_way(path):
    names = set(imported(parse(path)))
    never = ["recipes", "shell", "tests"]
    never += {"converters": ["eval"], "eval": ["converters"], "swift_plugins": ["converters", "eval"]}[
        path.relative_to(ROOT).parts[0]
    ]
    assert {name for name in names if within(name, tuple(never))} == set()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_plugins_load_swift_and_torch(path):
    tree, name = parse(path), name_of(path)
    anywhere = {name.split(".")[0] for name in imported(tree)} & HEAVY
    begins = {name.split(".")[0] for name in imported(at_top(tree))} & HEAVY
    assert not anywhere or name in PLUGINS | LAZY, f"{name} imports {sorted(anywhere)}"
    assert not begins or name in PLUGINS, f"{name} imports {sorted(begins)} as it begins"


@pytest.mark.parametrize("path", [*SOURCES, *sorted((ROOT / "tests").glob("*.py"))], ids=name_of)
def test_eval_is_imported_by_from(path):
    """`import eval.x` would put a package in the place of the built-in eval."""
    plain = {alias.name for node in ast.walk(parse(path)) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in plain if within(name, ("eval",))}


def test_the_scripts_are_found():
    assert {"converters/deeptrace_to_swift.py", "eval/predict.py", "eval/score.py"} <= set(map(name_of, SCRIPTS))


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
@pytest.mark.parametrize("way", ["file", "module"])
def test_a_script_helps_from_any_folder_without_torch(path, way, tmp_path):
    (tmp_path / "swift_plugins").mkdir()  # what lies in the working folder must not matter to a script run by its path
    target = [str(path)] if way == "file" else ["-m", name_of(path).removesuffix(".py").replace("/", ".")]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *target, "--help"], capture_output=True, text=True, timeout=120,
        cwd=tmp_path if way == "file" else ROOT, env=os.environ | {"PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("usage: ")
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "argparse" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("path", [path for path in SCRIPTS if "swift_plugins" not in path.parts], ids=name_of)
def test_every_default_is_stated_in_the_help(path, monkeypatch):
    """For a switch and for an option that nothing stands in for there is none."""
    found: list[argparse.Action] = []
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    monkeypatch.setattr(argparse.ArgumentParser, "print_help", lambda parser, file=None: found.extend(parser._actions))
    monkeypatch.setattr(sys, "path", sys.path[:])
    with pytest.raises(SystemExit):
        runpy.run_path(str(path), run_name="__main__")
    options = [action for action in found if action.nargs != 0 and action.default not in (None, [])]
    assert found
    assert [a.option_strings[0] for a in options if str(a.default) not in a.help and "(default" not in a.help] == []


def test_an_installation_holds_every_file_that_the_packages_read():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    stated = {name: globs.split() for name, globs in config["options.package_data"].items()}
    for package in PACKAGES:
        folder = ROOT / package
        needed = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
        assert needed == {path for glob in stated.get(package, []) for path in folder.glob(glob)}
